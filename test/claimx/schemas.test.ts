import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  downloadsCached,
  downloadsPending,
  downloadsResults,
  enrichmentPending,
  entitiesRows,
  eventsRaw,
} from '../../plugins/claimx/src/index.ts';
import { decode, encode } from './messages.ts';
import {
  cachedDownload,
  downloadTask,
  enrichmentTasks,
  entityRows,
  failedDownload,
  failedEnrichment,
  LINK,
  newEvent,
  oldEvent,
  PROJECT,
  sourceRows,
  TRACE,
  uploadResult,
} from './samples.ts';

const invalid = { code: 'PH_MESSAGE_INVALID' };
/** The older form: another name for the id of the event. */
function renamed<Message extends { readonly trace_id: string }>({ trace_id, ...rest }: Message, name: string) {
  return { [name]: trace_id, ...rest };
}

describe('claimx events are read', () => {
  it('as both systems before us write them', () => {
    assert.deepEqual(decode(eventsRaw, newEvent), { ...newEvent, ingested_at: '2026-01-05T11:40:09.550000Z' });
    const { event_id, ...rest } = oldEvent;
    assert.deepEqual(decode(eventsRaw, oldEvent), { trace_id: event_id, ...rest });
  });

  it('as rows in snake and camel case, with their own id or with the hash of what they are about', () => {
    const [first, second, third] = sourceRows.map((row) => decode(eventsRaw, row));
    assert.equal(first?.trace_id, 'cx-evt-90017');
    assert.equal(first?.ingested_at, '2026-01-05T10:00:00Z');
    assert.deepEqual(first?.raw_data?.['media_id'], '88231190');
    assert.deepEqual(
      [second?.event_type, second?.project_id, second?.task_assignment_id, second?.ingested_at],
      ['CUSTOM_TASK_COMPLETED', PROJECT, '7741025', '2026-01-05T10:04:31.220Z'],
    );
    assert.match(second?.trace_id ?? '', /^[0-9a-f]{64}$/);
    assert.equal(third?.master_file_name, '04XQ7PK');
  });

  it('with one id for one instant, however it is written, and the id of its test vector', () => {
    const { event_id: _, ...row } = sourceRows[0];
    for (const time of ['2026-01-05T10:00:00+00:00', '2026-01-05T10:00:00Z', '2026-01-05T12:00:00.000+02:00', '2026-01-05 10:00:00'])
      assert.equal(decode(eventsRaw, { ...row, ingested_at: time }).trace_id, TRACE);
    const short = { event_type: 'PROJECT_FILE_ADDED', project_id: 123, media_id: 456, ingested_at: '2026-01-05T10:00:00Z' };
    const id = '2057280f7922a0b8576028bb412043be1a9c5a4c08e1432fc3c58cec8f4a5f71';
    assert.equal(decode(eventsRaw, short).trace_id, id);
    assert.equal(decode(eventsRaw, { ...short, project_id: ' 123 ', task_assignment_id: 0 }).trace_id, id, 'trimmed, and 0 is no id');
  });

  it('with a fraction of six digits in the hash where it is not zero', () => {
    const task = { event_type: 'CUSTOM_TASK_ASSIGNED', project_id: PROJECT, task_assignment_id: 7741025 };
    const ids = ['2026-01-05T10:04:31.22Z', '2026-01-05T10:04:31.220000+00:00'].map(
      (ingested_at) => decode(eventsRaw, { ...task, ingested_at }).trace_id,
    );
    assert.equal(new Set(ids).size, 1);
    const video = { event_type: newEvent.event_type, project_id: PROJECT, video_collaboration_id: 30099 };
    const other = decode(eventsRaw, { ...video, ingested_at: newEvent.ingested_at }).trace_id;
    assert.notEqual(other, newEvent.trace_id, 'it was hashed with Z there');
  });

  it('with all digits of ids that no double holds', () => {
    const text = '{"event_type":"PROJECT_CREATED","project_id":90071992547409931,"ingested_at":"2026-01-05T10:00:00Z"}';
    assert.equal(decode(eventsRaw, text).project_id, '90071992547409931');
  });

  it('and refused without type, project, or both id and time', () => {
    const row = sourceRows[2];
    for (const missing of ['event_type', 'project_id', 'ingested_at'])
      assert.throws(() => decode(eventsRaw, { ...row, [missing]: null }), invalid, missing);
    assert.equal(decode(eventsRaw, { ...row, event_id: ' e-1 ', ingested_at: null }).trace_id, 'e-1');
    assert.throws(() => decode(eventsRaw, { ...newEvent, trace_id: '  ' }), invalid);
    assert.throws(() => decode(eventsRaw, { ...newEvent, ingested_at: 'soon' }), invalid);
  });
});

describe('claimx tasks, results and rows are read', () => {
  it('in both forms, and written in the newer one', () => {
    for (const task of enrichmentTasks) {
      const read = decode(enrichmentPending, task);
      assert.equal(read.trace_id, task.trace_id);
      assert.deepEqual(decode(enrichmentPending, renamed(task, 'event_id')), read);
      assert.ok('trace_id' in (encode(enrichmentPending, read) as object));
    }
    for (const [topic, message] of [
      [downloadsPending, downloadTask],
      [downloadsCached, cachedDownload],
      [downloadsResults, uploadResult],
    ] as const) {
      const read = decode<typeof topic>(topic, message) as { readonly trace_id: string };
      assert.equal(read.trace_id, TRACE);
      assert.deepEqual(decode<typeof topic>(topic, renamed(message, 'source_event_id')), read);
      assert.equal((encode(topic, read as never) as { readonly trace_id: string }).trace_id, TRACE);
    }
  });

  it('without an id of the event where the older form has none', () => {
    const { trace_id: _, ...rest } = downloadTask;
    assert.equal(decode(downloadsPending, rest).trace_id, null);
    assert.equal(decode(downloadsPending, { ...rest, source_event_id: '' }).trace_id, null);
  });

  it('out of dead letters that are put back', () => {
    const { metadata: _, ...task } = decode(enrichmentPending, failedEnrichment);
    assert.equal(task.retry_count, 4);
    assert.equal(task.task_assignment_id, '7741025');
    const old = { ...renamed(failedEnrichment, 'event_id'), original_task: renamed(failedEnrichment.original_task, 'event_id') };
    assert.equal(decode(enrichmentPending, old).trace_id, failedEnrichment.trace_id);
    assert.deepEqual(
      [decode(downloadsPending, failedDownload).file_name, decode(downloadsPending, failedDownload).refresh_count],
      ['roof_01.jpg', 1],
    );
    const { trace_id: _id, ...oldDownload } = {
      ...failedDownload,
      original_task: renamed(failedDownload.original_task, 'source_event_id'),
    };
    assert.deepEqual(
      [decode(downloadsPending, oldDownload).file_name, decode(downloadsPending, oldDownload).trace_id],
      ['roof_01.jpg', TRACE],
    );
  });

  it('with name and type of a file that are null', () => {
    const read = decode(downloadsPending, { ...downloadTask, file_name: null, file_type: null });
    assert.deepEqual([read.file_name, read.file_type], [null, null]);
  });

  it('as rows of any list, in which a column that is left out stays left out', () => {
    const read = decode(entitiesRows, entityRows);
    assert.deepEqual(read.projects[0], entityRows.projects[0]);
    assert.equal(read.media[0]?.full_download_link, LINK);
    assert.deepEqual(read.event_log, []);
    const partial = { project_id: 7, xa_autolink_fail: true, updated_at: '2026-01-05T10:00:06+00:00', more: 1 };
    const [row] = decode(entitiesRows, { trace_id: null, projects: [partial] }).projects;
    assert.deepEqual(row, { ...partial, project_id: '7', updated_at: '2026-01-05T10:00:06Z' });
  });

  it('and refused where an identifier is blank', () => {
    for (const [topic, message] of [
      [enrichmentPending, { ...enrichmentTasks[0], project_id: ' ' }],
      [downloadsPending, { ...downloadTask, media_id: '' }],
      [downloadsCached, { ...cachedDownload, destination_path: ' ' }],
      [downloadsResults, { ...uploadResult, status: 'gone' }],
      [entitiesRows, { ...entityRows, projects: [{ status: 'Active' }] }],
    ] as const)
      assert.throws(() => decode<typeof topic>(topic, message), invalid);
  });
});

it('keys are the project for enrichment and rows, and the media file for downloads', () => {
  const task = decode(enrichmentPending, enrichmentTasks[0]);
  assert.equal(enrichmentPending.key(task), PROJECT);
  assert.equal(entitiesRows.key({ ...decode(entitiesRows, entityRows), project_id: PROJECT }), PROJECT);
  assert.equal(downloadsPending.key(decode(downloadsPending, downloadTask)), '88231190');
  assert.equal(downloadsCached.key(decode(downloadsCached, cachedDownload)), '88231190');
  assert.equal(downloadsResults.key(decode(downloadsResults, uploadResult)), '88231190');
});
