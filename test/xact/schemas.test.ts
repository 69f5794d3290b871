import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { downloadsCached, downloadsPending, downloadsResults, eventsRaw } from '../../plugins/xact/src/index.ts';
import { decode, encode } from './messages.ts';
import {
  cachedDownload,
  completedResult,
  downloadTask,
  eventMessages,
  failedDownload,
  failedResult,
  rowWithObject,
  rowWithText,
  TRACE,
} from './samples.ts';

const invalid = { code: 'PH_MESSAGE_INVALID' };

describe('xact events are read', () => {
  it('as the systems before us write them', () => {
    const [first, second] = eventMessages.map((message) => decode(eventsRaw, message));
    assert.deepEqual(first, { ...eventMessages[0], version: '1', data: { ...eventMessages[0]?.data, estimateVersion: null } });
    assert.equal(second?.version, '2');
    assert.equal(second?.utcDateTime, '2026-01-05T09:10:00.250Z');
    assert.equal(second?.data.assignmentId, null);
  });

  it('as rows: payload as text, snake-case trace id, no version, any form of time', () => {
    const { traceId, version: _, ...rest } = rowWithText;
    const event = decode(eventsRaw, { ...rest, trace_id: `  ${traceId} `, event_id: 'e-1', utcDateTime: '2026-01-05T17:01:44.512+02:00' });
    assert.equal(event.traceId, traceId);
    assert.equal(event.version, '1');
    assert.equal(event.eventId, 'e-1');
    assert.equal(event.utcDateTime, '2026-01-05T15:01:44.512Z');
    assert.equal(event.data.estimateVersion, '3');
    assert.equal(decode(eventsRaw, { ...rowWithObject, version: null }).version, '1');
  });

  it('with an empty payload where it is null, absent or blank text', () => {
    const { data: _, ...rest } = rowWithObject;
    for (const message of [rest, { ...rest, data: null }, { ...rest, data: ' ' }, { ...rest, data: '{}' }]) {
      assert.deepEqual(decode(eventsRaw, message).data, { assignmentId: null, estimateVersion: null });
    }
  });

  it('with all digits of numbers that stand for text', () => {
    const raw = (data: string) => `{"type":"a.b","utcDateTime":"2026-01-05T14:22:07Z","traceId":"t","version":1,"data":${data}}`;
    assert.equal(decode(eventsRaw, raw('{"assignmentId":90071992547409931}')).data.assignmentId, '90071992547409931');
    assert.equal(decode(eventsRaw, raw('"{\\"assignmentId\\":90071992547409931}"')).data.assignmentId, '90071992547409931');
    const snake = raw('{"assignmentId":90071992547409931,"other":0.1}').replace('traceId', 'trace_id');
    assert.equal(decode(eventsRaw, snake).data.assignmentId, '90071992547409931');
    assert.equal(decode(eventsRaw, { ...rowWithObject, data: { assignmentId: 4400212, estimateVersion: 3 } }).data.estimateVersion, '3');
  });

  it('and refused where they are no events', () => {
    for (const wrong of [
      { traceId: '   ' },
      { traceId: null },
      { type: '' },
      { type: 'verisk.claims.' },
      { utcDateTime: 'yesterday' },
      { utcDateTime: null },
      { data: 'a text that is not JSON' },
      { data: '[1]' },
      { data: [] },
      { data: 17 },
      { traceId: 'x'.repeat(1_000_000) },
    ]) {
      assert.throws(() => decode(eventsRaw, { ...rowWithObject, ...wrong }), invalid, JSON.stringify(wrong).slice(0, 80));
    }
    assert.throws(() => decode(eventsRaw, Buffer.from(JSON.stringify({ ...rowWithObject, note: 'é' }), 'latin1')), {
      code: 'PH_MESSAGE_UNREADABLE',
    });
  });
});

describe('xact download messages are read in the old and the new form, and written in one', () => {
  it('download tasks', () => {
    const written = { ...downloadTask, original_timestamp: '2026-01-05T14:22:07Z' };
    assert.deepEqual(encode(downloadsPending, decode(downloadsPending, downloadTask)), written);
    const { retry_count: _, metadata: __, estimate_version: ___, ...bare } = downloadTask;
    assert.deepEqual(decode(downloadsPending, { ...bare, event_type: 'verisk' }), { ...written, event_type: 'verisk' });
    assert.equal(decode(downloadsPending, failedDownload.original_task).retry_count, 4);
  });

  it('failed downloads that are put back on the pending topic, as the task that failed', () => {
    const task = { ...failedDownload.original_task, original_timestamp: '2026-01-05T14:22:07Z' };
    assert.deepEqual(decode(downloadsPending, failedDownload), task);
    const { media_id: _, final_error: __, ...later } = failedDownload;
    assert.deepEqual(decode(downloadsPending, later), task);
  });

  it('cached downloads, without a hash from older senders', () => {
    const written = {
      ...cachedDownload,
      sha256: null,
      http_status: null,
      original_timestamp: '2026-01-05T14:22:07Z',
      downloaded_at: '2026-01-05T14:22:15.70041Z',
    };
    assert.deepEqual(encode(downloadsCached, decode(downloadsCached, cachedDownload)), written);
    assert.throws(() => decode(downloadsCached, { ...cachedDownload, sha256: 'abc' }), invalid);
  });

  it('results', () => {
    assert.deepEqual(encode(downloadsResults, decode(downloadsResults, completedResult)), {
      ...completedResult,
      created_at: '2026-01-05T14:22:17.004Z',
    });
    assert.equal(decode(downloadsResults, failedResult).status, 'failed_permanent');
    assert.equal(decode(downloadsResults, { ...failedResult, status: 'failed' }).status, 'failed');
    assert.throws(() => decode(downloadsResults, { ...failedResult, status: 'done' }), invalid);
  });

  it('with ids trimmed, and refused where one is blank', () => {
    assert.equal(decode(downloadsPending, { ...downloadTask, assignment_id: ' 04XQ7PK ' }).assignment_id, '04XQ7PK');
    for (const field of [
      'trace_id',
      'media_id',
      'attachment_url',
      'blob_path',
      'status_subtype',
      'file_type',
      'assignment_id',
      'event_type',
      'event_subtype',
    ]) {
      for (const blank of ['', ' \t ', null])
        assert.throws(() => decode(downloadsPending, { ...downloadTask, [field]: blank }), invalid, field);
    }
    assert.throws(() => decode(downloadsPending, { ...downloadTask, retry_count: -1 }), invalid);
  });

  it('with the trace id as key', () => {
    assert.equal(eventsRaw.key(decode(eventsRaw, rowWithObject)), TRACE);
    assert.equal(downloadsPending.key(decode(downloadsPending, downloadTask)), TRACE);
    assert.equal(downloadsCached.key(decode(downloadsCached, cachedDownload)), TRACE);
    assert.equal(downloadsResults.key(decode(downloadsResults, completedResult)), TRACE);
  });
});
