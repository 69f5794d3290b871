import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TableWriterContext, TableWriterDefinition, TopicDefinition } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { createRowEncoder } from '../../host/src/engine/table-rows.ts';
import { downloadsResults, eventsRaw, XactConfig, xactAttachments, xactEvents } from '../../plugins/xact/src/index.ts';
import { eventWriter } from '../../plugins/xact/src/writers/event-writer.ts';
import { resultProcessor } from '../../plugins/xact/src/writers/result-processor.ts';
import { quietLog } from '../host/http/fixture.ts';
import { decode } from './messages.ts';
import { completedResult, eventMessages, failedResult, MEDIA, rowWithObject, rowWithText, URL_OF_REPORT } from './samples.ts';

const WRITTEN_AT = '2026-01-07T00:30:00.123Z';

/** The rows of one record, as a writer makes them and a table takes them. */
function rowsOf(
  writer: TableWriterDefinition,
  topic: TopicDefinition,
  message: unknown,
  config: object = {},
): readonly Readonly<Record<string, unknown>>[] {
  const value = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const context: TableWriterContext = {
    config: Value.Default(XactConfig, { ...config }),
    log: quietLog,
    record: { topic: topic.name, partition: 0, offset: 0n, key: null, timestamp: 0, headers: {}, value },
    writtenAt: WRITTEN_AT,
  };
  const [table] = writer.writes;
  assert.ok(table);
  const encoder = createRowEncoder(table);
  const rows = writer.rows(decode(topic, value), context)[table.name] ?? [];
  return rows.map((row) => JSON.parse(encoder.encode(row)) as Readonly<Record<string, unknown>>);
}
const eventRow = (message: unknown) => rowsOf(eventWriter, eventsRaw, message)[0] ?? assert.fail('no row');

const written = { created_at: WRITTEN_AT, created_date: '2026-01-07' };
/** The columns that hold something, but for the source text. */
const filled = ({ raw_json: _, ...row }: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

describe('xact_events', () => {
  it('has 31 columns in the order of the systems before us, by date of the event', () => {
    assert.deepEqual(Object.keys(eventRow(rowWithObject)), Object.keys(xactEvents.row.properties));
    assert.equal(Object.keys(xactEvents.row.properties).length, 31);
    assert.deepEqual(xactEvents.options, { mode: 'append', partitionBy: ['event_date'] });
  });

  it('holds a row with its payload as an object, flattened', () => {
    assert.deepEqual(filled(eventRow(rowWithObject)), {
      type: 'verisk.claims.property.xn.documentsReceived',
      status_subtype: 'documentsReceived',
      version: '1',
      ingested_at: '2026-01-05T14:22:07Z',
      event_date: '2026-01-05',
      trace_id: '7f0c8a52-4b0e-4a64-9f0b-2d1f9f2f7c11',
      event_id: '454e8297-567d-5dc5-b971-73a35567378b',
      description: 'Documents received from field adjuster',
      assignment_id: '04XQ7PK',
      original_assignment_id: '04XQ7PA',
      xn_address: 'SOME.CARRIER.XN',
      carrier_id: '4400212',
      event_datetime_mdt: '2026-01-05T07:22:07',
      claim_number: 'CLM-88120',
      contact_type: 'Insured',
      contact_name: 'Rosa Ibarra',
      contact_phone_type: 'Mobile',
      contact_phone_number: '5125550182',
      contact_email_address: 'rosa.ibarra@example.test',
      attachments: `${URL_OF_REPORT}&X-Amz-Signature=abc`,
      ...written,
    });
  });

  it('holds a row with its payload as text, flattened', () => {
    assert.deepEqual(filled(eventRow(rowWithText)), {
      type: 'verisk.claims.property.xn.estimatePackageReceived',
      status_subtype: 'estimatePackageReceived',
      version: '2',
      ingested_at: '2026-01-05T15:01:44.512Z',
      event_date: '2026-01-05',
      trace_id: 'e3d1b6c0-94a6-4d54-8d3a-51d6a0f6cc02',
      event_id: eventRow(rowWithText)['event_id'],
      assignment_id: '04XQ7PK',
      estimate_version: '3',
      attachments: (JSON.parse(rowWithText.data) as { attachments: string[] }).attachments[0],
      ...written,
    });
  });

  it('keeps the source record in raw_json: as it came, with the payload as an object', () => {
    assert.equal(eventRow(rowWithObject)['raw_json'], JSON.stringify(rowWithObject));
    assert.deepEqual(JSON.parse(String(eventRow(rowWithText)['raw_json'])), {
      ...rowWithText,
      data: JSON.parse(rowWithText.data) as unknown,
    });
    assert.equal(eventRow(eventMessages[1])['raw_json'], JSON.stringify(eventMessages[1]));
    const text =
      '{"type":"a.b","version":1,"utcDateTime":"2026-01-05T14:22:07Z","traceId":"t","extra":1.50,"data":{"id":90071992547409931}}';
    assert.equal(eventRow(text.replaceAll(',', ' ,\n'))['raw_json'], text);
  });

  it('takes values of any type as text, numbers with all their digits', () => {
    const row = eventRow(
      `{"type":"a.b","version":7,"utcDateTime":"2026-01-05T23:59:59.9999999-01:00","traceId":"t","data":{
        "assignmentId":90071992547409931,"carrierId":12.50,"estimateVersion":3,"description":true,"note":{"a":[1,2.0]},"author":["x"],
        "xnAddress":"  ","senderReviewerName":"", "contact":"nobody","adm":[{"coverageLoss":{}}],"attachments":"https://h/a.pdf"}}`,
    );
    assert.deepEqual(filled(row), {
      type: 'a.b',
      status_subtype: 'b',
      version: '7',
      ingested_at: '2026-01-06T00:59:59.999999Z',
      event_date: '2026-01-06',
      trace_id: 't',
      event_id: row['event_id'],
      assignment_id: '90071992547409931',
      carrier_id: '12.50',
      estimate_version: '3',
      description: 'true',
      note: '{"a":[1,2.0]}',
      author: '["x"]',
      attachments: 'https://h/a.pdf',
      ...written,
    });
  });

  it('joins the attachments that are not blank, and has null where there are none', () => {
    const attachments = (value: unknown) => eventRow({ ...rowWithObject, data: { attachments: value } })['attachments'];
    assert.equal(attachments(['https://h/a', '', null, ' ', 7, 'https://h/b']), 'https://h/a,https://h/b');
    for (const none of [[], [''], [null], null, undefined, '', 7]) assert.equal(attachments(none), null);
  });
});

describe('xact_attachments', () => {
  const row = (message: unknown, config: object = {}) => rowsOf(resultProcessor, downloadsResults, message, config);

  it('holds completed results, by day of the write, without the signature of the link', () => {
    assert.deepEqual(row(completedResult), [
      {
        media_id: MEDIA,
        trace_id: completedResult.trace_id,
        attachment_url: 'https://usw2-prod-xn-exportreceiver-publish.s3.us-west-2.amazonaws.com/a1/loss_report.pdf',
        blob_path: completedResult.blob_path,
        file_type: 'PDF',
        status_subtype: 'documentsReceived',
        assignment_id: '04XQ7PK',
        bytes_downloaded: 482113,
        downloaded_at: '2026-01-05T14:22:17.004Z',
        created_at: WRITTEN_AT,
        event_date: '2026-01-07',
      },
    ]);
    assert.deepEqual(row(failedResult), []);
    assert.deepEqual(row({ ...failedResult, status: 'failed' }), []);
  });

  it('keeps the whole link where config says so', () => {
    assert.equal(row(completedResult, { keepUrlQuery: true })[0]?.['attachment_url'], URL_OF_REPORT);
  });

  it('is merged on the media id and keeps time and partition of the first write', () => {
    assert.deepEqual(xactAttachments.options, {
      mode: 'merge',
      key: ['media_id'],
      partitionBy: ['event_date'],
      columns: { created_at: 'preserve', event_date: 'preserve' },
    });
  });
});
