import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TableDefinition, TableWriterDefinition } from '@pipeline-host/sdk';
import { xactAttachments, xactAttachmentsFailed, xactEvents } from '../../plugins/xact/src/index.ts';
import { eventWriter } from '../../plugins/xact/src/writers/event-writer.ts';
import { resultProcessor } from '../../plugins/xact/src/writers/result-processor.ts';
import { type Lake, openLake } from '../host/delta/delta-fixture.ts';
import { completedResult, eventMessages, failedResult, MEDIA, rowWithObject, rowWithText, URL_OF_REPORT } from './samples.ts';
import { WriterTable } from './writer-table.ts';

const WRITTEN_AT = '2026-01-07T00:30:00.123Z';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

type Row = Readonly<Record<string, unknown>>;

/** The rows of one record, in a table of their own. */
async function rowsOf(
  writer: TableWriterDefinition,
  message: unknown,
  config: object = {},
  definition?: TableDefinition,
): Promise<readonly Row[]> {
  const table = await WriterTable.open(lake, writer, config, definition);
  await table.write(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), WRITTEN_AT);
  return await table.rows();
}
const eventRow = async (message: unknown): Promise<Row> => (await rowsOf(eventWriter, message))[0] ?? assert.fail('no row');

const written = { created_at: '2026-01-07T00:30:00.123000Z', created_date: '2026-01-07' };
/** The columns that hold something, but for the source text. */
const filled = ({ raw_json: _, ...row }: Row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

describe('xact_events', () => {
  it('has 31 columns in the order of the systems before us, by date of the event', async () => {
    assert.deepEqual(Object.keys(await eventRow(rowWithObject)), Object.keys(xactEvents.row.properties));
    assert.equal(Object.keys(xactEvents.row.properties).length, 31);
    assert.deepEqual(xactEvents.options, { mode: 'append', partitionBy: ['event_date'] });
  });

  it('holds a row with its payload as an object, flattened', async () => {
    assert.deepEqual(filled(await eventRow(rowWithObject)), {
      type: 'verisk.claims.property.xn.documentsReceived',
      status_subtype: 'documentsReceived',
      version: '1',
      ingested_at: '2026-01-05T14:22:07.000000Z',
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

  it('holds a row with its payload as text, flattened', async () => {
    const row = await eventRow(rowWithText);
    assert.deepEqual(filled(row), {
      type: 'verisk.claims.property.xn.estimatePackageReceived',
      status_subtype: 'estimatePackageReceived',
      version: '2',
      ingested_at: '2026-01-05T15:01:44.512000Z',
      event_date: '2026-01-05',
      trace_id: 'e3d1b6c0-94a6-4d54-8d3a-51d6a0f6cc02',
      event_id: row['event_id'],
      assignment_id: '04XQ7PK',
      estimate_version: '3',
      attachments: (JSON.parse(rowWithText.data) as { attachments: string[] }).attachments[0],
      ...written,
    });
  });

  it('keeps the source record in raw_json: as it came, with the payload as an object', async () => {
    const raw = async (message: unknown) => (await eventRow(message))['raw_json'];
    assert.equal(await raw(rowWithObject), JSON.stringify(rowWithObject));
    assert.deepEqual(JSON.parse(String(await raw(rowWithText))), {
      ...rowWithText,
      trace_id: null,
      eventId: null,
      event_id: null,
      data: JSON.parse(rowWithText.data) as unknown,
    });
    assert.equal(await raw(eventMessages[1]), JSON.stringify(eventMessages[1]));
    const text =
      '{"type":"a.b","version":1,"utcDateTime":"2026-01-05T14:22:07Z","traceId":"t","extra":1.50,"data":{"id":90071992547409931}}';
    assert.equal(await raw(text.replaceAll(',', ',\n')), text.replaceAll(',', ', '));
  });

  it('takes values of any type as text, numbers with all their digits', async () => {
    const row = await eventRow(
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

  it('joins the attachments that are not blank, and has null where there are none', async () => {
    const attachments = async (value: unknown) => (await eventRow({ ...rowWithObject, data: { attachments: value } }))['attachments'];
    assert.equal(await attachments(['https://h/a', '', null, ' ', 7, 'https://h/b']), 'https://h/a,7,https://h/b');
    for (const none of [[], [''], [null], null, undefined, '', 7]) assert.equal(await attachments(none), null);
  });
});

describe('xact_attachments', () => {
  const row = (message: unknown, config: object = {}) => rowsOf(resultProcessor, message, config);

  it('holds completed results, by day of the write, without the signature of the link', async () => {
    assert.deepEqual(await row(completedResult), [
      {
        media_id: MEDIA,
        trace_id: completedResult.trace_id,
        attachment_url: 'https://usw2-prod-xn-exportreceiver-publish.s3.us-west-2.amazonaws.com/a1/loss_report.pdf',
        blob_path: completedResult.blob_path,
        file_type: 'PDF',
        status_subtype: 'documentsReceived',
        assignment_id: '04XQ7PK',
        bytes_downloaded: '482113',
        downloaded_at: '2026-01-05T14:22:17.004000Z',
        created_at: '2026-01-07T00:30:00.123000Z',
        event_date: '2026-01-07',
      },
    ]);
    assert.deepEqual(await row(failedResult), []);
    assert.deepEqual(await row({ ...failedResult, status: 'failed' }), []);
  });

  it('keeps the whole link where config says so', async () => {
    assert.equal((await row(completedResult, { keepUrlQuery: true }))[0]?.['attachment_url'], URL_OF_REPORT);
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

describe('xact_attachments_failed', () => {
  const row = (message: unknown) => rowsOf(resultProcessor, message, {}, xactAttachmentsFailed);

  it('holds results that were given up, without the signature of the link, and no others', async () => {
    const expected = {
      media_id: failedResult.media_id,
      trace_id: failedResult.trace_id,
      attachment_url: failedResult.attachment_url.replace(/\?.*/, ''),
      error_message: 'Validation failed: Presigned URL expired',
      status: 'failed_permanent',
      failed_at: '2026-01-05T15:02:00.000000Z',
      retry_count: '0',
      http_status: null,
      created_at: '2026-01-07T00:30:00.123000Z',
    };
    assert.deepEqual(await row(failedResult), [expected]);
    assert.equal((await row({ ...failedResult, error_message: null }))[0]?.['error_message'], 'Unknown error');
    const [shown] = await row({ ...failedResult, error_message: `no answer from ${URL_OF_REPORT}` });
    assert.equal(shown?.['error_message'], `no answer from ${URL_OF_REPORT.replace(/\?.*/, '')}`);
    for (const other of [completedResult, { ...failedResult, status: 'failed' }]) assert.deepEqual(await row(other), []);
  });

  it('is off unless config enables it, and is merged on the media id', () => {
    assert.deepEqual(xactAttachmentsFailed.options, {
      mode: 'merge',
      key: ['media_id'],
      columns: { created_at: 'preserve' },
      optional: true,
    });
  });
});
