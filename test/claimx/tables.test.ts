import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { TableWriterDefinition } from '@pipeline-host/sdk';
import { DeltaTable, openDeltaEngine, openStore } from '../../host/src/delta/index.ts';
import { tableSpec } from '../../host/src/engine/tables/table-rows.ts';
import { type StoredRow, type TestedTableWriter, testWorker } from '../../host/src/testing/index.ts';
import plugin, { ENTITY_TABLES } from '../../plugins/claimx/src/index.ts';
import { entityWriter } from '../../plugins/claimx/src/writers/entity-writer.ts';
import { eventWriter } from '../../plugins/claimx/src/writers/event-writer.ts';
import { resultProcessor } from '../../plugins/claimx/src/writers/result-processor.ts';
import { entityRows, LINK, newEvent, PROJECT, sourceRows, TRACE, uploadResult } from './samples.ts';
import { configFor } from './workers.ts';

const FIRST = '2026-01-05T10:01:00.000Z';
const SECOND = '2026-01-05T11:01:00.000Z';

const CONFIG = configFor('http://127.0.0.1:1/service');

/** A table writer of the plugin, with tables of its own. */
interface Tables {
  /** In a commit of its own. @throws for what becomes a dead letter */
  write(message: unknown): Promise<void>;
  rows(name: string): Promise<readonly StoredRow[]>;
  /** The one row of a table. */
  row(name: string): Promise<StoredRow>;
}

const opened: TestedTableWriter[] = [];
after(async () => {
  for (const tested of opened) await tested.close();
});

/** With `tables` they are there already. */
function open(
  writer: TableWriterDefinition,
  { tables, ...config }: { readonly tables?: string; readonly keepUrlQuery?: boolean } = {},
): Tables {
  const tested = testWorker(writer, { plugin, config: { ...CONFIG, ...config }, ...(tables !== undefined && { tables }) });
  opened.push(tested);
  return {
    write: async (message) => {
      const { outcome, code, reason } = await tested.handle(message);
      if (outcome === 'dead') throw Object.assign(new Error(reason), { code });
    },
    rows: (name) => tested.rows(name),
    row: async (name) => {
      const [row, ...more] = await tested.rows(name);
      if (row === undefined || more.length > 0) throw new Error(`${name} has ${more.length + (row === undefined ? 0 : 1)} rows`);
      return row;
    },
  };
}

/** Tables of a writer as an older system made them, with its name for the id of the event. Returns their folder. */
async function makeOldTables(writer: TableWriterDefinition, oldId: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ph-old-tables-'));
  after(() => rm(folder, { recursive: true, force: true }));
  const engine = await openDeltaEngine({ tempDirectory: join(folder, '.temp') });
  for (const definition of writer.writes) {
    const spec = tableSpec(definition);
    const columns = spec.columns.map(({ aliases: _, ...column }) => (column.name === 'trace_id' ? { ...column, name: oldId } : column));
    const key = spec.key?.map((name) => (name === 'trace_id' ? oldId : name));
    const create = { ...spec, columns, ...(key !== undefined && { key }) };
    await (await DeltaTable.open(engine, openStore(folder), definition.name, { create })).close();
  }
  await engine.close();
  return folder;
}

const rows = (lists: object) => ({ trace_id: TRACE, event_type: null, project_id: PROJECT, ...lists });
const [fullProject] = entityRows.projects;
const [contact] = entityRows.contacts;
const [media] = entityRows.media;

describe('claimx_events', () => {
  it('holds each event by the day on which it came in', async () => {
    const tables = open(eventWriter);
    const began = Date.now();
    await tables.write(newEvent);
    const { created_at, ...event } = await tables.row('claimx_events');
    assert.ok(Date.parse(String(created_at)) >= began);
    assert.deepEqual(event, {
      trace_id: newEvent.trace_id,
      event_type: 'VIDEO_COLLABORATION_COMPLETED',
      project_id: PROJECT,
      media_id: null,
      task_assignment_id: null,
      video_collaboration_id: '30099',
      master_file_name: null,
      ingested_at: '2026-01-05T11:40:09.550000Z',
      event_date: '2026-01-05',
    });
    for (const row of sourceRows) await tables.write(row);
    const ids = (await tables.rows('claimx_events')).map(({ trace_id }) => trace_id);
    assert.ok(ids.includes('cx-evt-90017'));
    assert.equal(new Set(ids).size, 4);
  });
});

describe('the entity tables', () => {
  it('have the columns and keys of the systems before us, with trace_id for the id of the event', () => {
    const keys = Object.values(ENTITY_TABLES).map(({ name, options }) => [name, options.mode === 'merge' ? options.key : null]);
    assert.deepEqual(Object.fromEntries(keys), {
      claimx_projects: ['project_id'],
      claimx_contacts: ['project_id', 'contact_email', 'contact_type'],
      claimx_attachment_metadata: ['media_id'],
      claimx_tasks: ['assignment_id'],
      claimx_task_templates: ['task_id'],
      claimx_external_links: ['link_id'],
      claimx_video_collab: ['video_collaboration_id'],
      claimx_event_log: ['trace_id', 'attempt'],
    });
    assert.equal(plugin.tables.length, 10);
    for (const { row } of plugin.tables) assert.ok('trace_id' in row.properties);
  });

  it('take the rows of an older sender, further fields left out', async () => {
    const tables = open(entityWriter);
    const more = { street2: 'back door' };
    await tables.write({ ...entityRows, projects: [{ ...fullProject, ...more }] });
    assert.partialDeepStrictEqual(await tables.row('claimx_projects'), {
      project_id: PROJECT,
      created_date: '2026-01-04T18:00:00+00:00',
      created_at: '2026-01-05T10:00:06.900000Z',
      coverages: null,
    });
    assert.partialDeepStrictEqual(await tables.row('claimx_contacts'), {
      contact_email: 'rosa.ibarra@example.test',
      phone_country_code: '1',
      is_primary_contact: true,
      created_date: '2026-01-05',
      updated_at: '2026-01-05T10:00:06.900000Z',
    });
    assert.equal((await tables.row('claimx_attachment_metadata'))['latitude'], '30.2672');
  });

  it('keep the signature of links only where config says so', async () => {
    const [without, kept] = [open(entityWriter), open(entityWriter, { keepUrlQuery: true })];
    for (const tables of [without, kept]) await tables.write(rows({ media: [media] }));
    assert.equal((await without.row('claimx_attachment_metadata'))['full_download_link'], LINK.replace(/\?.*/, ''));
    assert.equal((await kept.row('claimx_attachment_metadata'))['full_download_link'], LINK);
  });

  it('take null out of a full image for a value, and keep the first time of a row', async () => {
    const tables = open(entityWriter);
    await tables.write(rows({ projects: [fullProject] }));
    await tables.write(rows({ projects: [{ ...fullProject, status: null, created_at: SECOND, updated_at: SECOND }] }));
    assert.partialDeepStrictEqual(await tables.row('claimx_projects'), {
      status: null,
      city: 'Austin',
      created_at: '2026-01-05T10:00:06.900000Z',
      updated_at: '2026-01-05T11:01:00.000000Z',
    });
  });

  it('keep what a partial row does not know, in one batch and in the next', async () => {
    const linked = { project_id: PROJECT, xa_autolink_fail: true, xa_autolink_fail_at: '2026-01-05T09:59:00Z', updated_at: SECOND };
    const together = open(entityWriter);
    await together.write(rows({ projects: [fullProject, linked] }));
    const apart = open(entityWriter);
    await apart.write(rows({ projects: [linked] }));
    await apart.write(rows({ projects: [fullProject] }));
    for (const tables of [together, apart]) {
      assert.partialDeepStrictEqual(await tables.row('claimx_projects'), {
        master_file_name: '04XQ7PK',
        primary_email: 'rosa.ibarra@example.test',
        xa_autolink_fail: true,
        xa_autolink_fail_at: '2026-01-05T09:59:00.000000Z',
      });
    }
  });

  it('keep what the project says of a contact to whom a link is sent', async () => {
    const tables = open(entityWriter);
    await tables.write(rows({ contacts: [contact] }));
    const { project_id, contact_email, contact_type } = contact ?? assert.fail('no contact');
    await tables.write(rows({ contacts: [{ project_id, contact_email, contact_type, task_assignment_id: 7 }] }));
    assert.partialDeepStrictEqual(await tables.row('claimx_contacts'), {
      is_primary_contact: true,
      phone_number: '5125550182',
      task_assignment_id: 7,
    });
  });

  it('leave a template alone that is stored as it was modified last', async () => {
    const tables = open(entityWriter);
    const template = { task_id: 3301, name: 'Contents', modified_date: '2025-11-30T09:00:00+00:00', updated_at: FIRST };
    for (const [name, modified_date] of [
      ['Contents', template.modified_date],
      ['stale', template.modified_date],
    ] as const)
      await tables.write(rows({ task_templates: [{ ...template, name, modified_date }] }));
    assert.equal((await tables.row('claimx_task_templates'))['name'], 'Contents');
    await tables.write(rows({ task_templates: [{ ...template, name: 'Inventory', modified_date: '2026-01-05T09:00:00+00:00' }] }));
    assert.equal((await tables.row('claimx_task_templates'))['name'], 'Inventory');
    await tables.write(rows({ task_templates: [{ ...template, name: 'unknown', modified_date: null }] }));
    assert.equal((await tables.row('claimx_task_templates'))['name'], 'unknown');
  });

  it('write the id of the event under the name that a table of older systems has for it', async () => {
    for (const oldId of ['event_id', 'source_event_id']) {
      const tables = open(entityWriter, { tables: await makeOldTables(entityWriter, oldId) });
      await tables.write(rows({ projects: [{ ...fullProject, trace_id: TRACE }] }));
      await tables.write(rows({ projects: [{ ...fullProject, trace_id: null }] }));
      const row = await tables.row('claimx_projects');
      assert.equal(row[oldId], TRACE);
      assert.ok(!('trace_id' in row));
      const events = open(eventWriter, { tables: await makeOldTables(eventWriter, oldId) });
      await events.write(newEvent);
      assert.equal((await events.row('claimx_events'))[oldId], newEvent.trace_id);
    }
  });

  it('never set back what others count in a link', async () => {
    const tables = open(entityWriter);
    const link = { link_id: 66012, url: 'https://a', accessed_count: 0, created_at: FIRST };
    await tables.write(rows({ external_links: [{ ...link, accessed_count: 5, last_accessed: '2026-01-05', created_date: '2026-01-04' }] }));
    await tables.write(rows({ external_links: [{ ...link, url: 'https://b', last_accessed: null, created_date: null }] }));
    assert.partialDeepStrictEqual(await tables.row('claimx_external_links'), {
      url: 'https://b',
      accessed_count: '5',
      last_accessed: '2026-01-05',
      created_date: '2026-01-04',
    });
  });

  it('hold ids of 64 bits, and one row a person, file, task and video however often they are told', async () => {
    const tables = open(entityWriter);
    const all = {
      tasks: [{ assignment_id: '9007199254740993', task_id: 1 }],
      task_templates: [{ task_id: 1, name: 'a', is_default: false }],
      video_collab: [{ video_collaboration_id: 30099, total_time_seconds: '754.25' }],
      contacts: [contact],
      media: [media],
    };
    for (let count = 0; count < 2; count++) await tables.write(rows(all));
    assert.equal((await tables.row('claimx_tasks'))['assignment_id'], '9007199254740993');
    assert.equal((await tables.row('claimx_task_templates'))['is_default'], false);
    assert.equal((await tables.row('claimx_video_collab'))['total_time_seconds'], '754.25');
    for (const name of ['claimx_contacts', 'claimx_attachment_metadata']) await tables.row(name);
  });

  it('refuse a row without its key', async () => {
    const tables = open(entityWriter);
    await assert.rejects(tables.write(rows({ tasks: [{ task_id: 1 }] })), { code: 'PH_MESSAGE_INVALID' });
  });
});

describe('claimx_event_log', () => {
  it('has one row an attempt, however often it is told', async () => {
    const tables = open(entityWriter);
    const entry = { trace_id: TRACE, attempt: 1, status: 'success', processed_at: FIRST, processed_date: '2026-01-05', api_calls: 2 };
    for (const event_log of [
      [entry],
      [{ ...entry, api_calls: 3, processed_date: '2026-01-06' }],
      [{ ...entry, attempt: 2, status: 'failed' }],
    ])
      await tables.write(rows({ event_log }));
    const log = await tables.rows('claimx_event_log');
    const told = log.map(({ attempt, api_calls, processed_date }) => [attempt, api_calls, processed_date]);
    assert.deepEqual(
      told.toSorted(([a], [b]) => Number(a) - Number(b)),
      [
        [1, 3, '2026-01-05'],
        [2, 2, '2026-01-05'],
      ],
    );
  });
});

describe('claimx_contacts', () => {
  it('keeps where a contact came from, whatever a sender that does not know it writes', async () => {
    const tables = open(entityWriter);
    await tables.write(rows({ contacts: [{ ...contact, task_assignment_id: 7, video_collaboration_id: '8' }] }));
    await tables.write(rows({ contacts: [{ ...contact, task_assignment_id: null, video_collaboration_id: null }] }));
    const { task_assignment_id, video_collaboration_id } = await tables.row('claimx_contacts');
    assert.deepEqual([task_assignment_id, video_collaboration_id], [7, '8']);
  });
});

describe('claimx_event_log of a replayed event', () => {
  it('tells of its success and no more of the failure before', async () => {
    const tables = open(entityWriter);
    const entry = { trace_id: TRACE, attempt: 1, processed_at: FIRST, processed_date: '2026-01-05' };
    const failure = { status: 'failed', error_message: 'not there', error_category: 'CLAIMX_MEDIA_MISSING', api_calls: null };
    const success = { status: 'success', error_message: null, error_category: null, api_calls: 2 };
    for (const told of [failure, success]) await tables.write(rows({ event_log: [{ ...entry, ...told }] }));
    const { status, error_message, error_category, api_calls } = await tables.row('claimx_event_log');
    assert.deepEqual({ status, error_message, error_category, api_calls }, success);
  });
});

describe('claimx_attachments', () => {
  it('holds completed results in the columns of both systems before us, without the signature of the link', async () => {
    const tables = open(resultProcessor);
    await tables.write({ ...uploadResult, content_type: 'image/jpeg', downloaded_at: '2026-01-05T10:00:09.77Z' });
    await tables.write({ ...uploadResult, media_id: '1', status: 'failed_permanent', bytes_uploaded: 0 });
    await tables.write({ ...uploadResult, bytes_uploaded: 7 });
    const { created_at, created_date, updated_at, ...attachment } = await tables.row('claimx_attachments');
    assert.ok(String(created_at) < String(updated_at), 'the first time is kept');
    assert.equal(created_date, String(created_at).slice(0, 10));
    assert.deepEqual(attachment, {
      media_id: '88231190',
      project_id: PROJECT,
      file_name: 'roof_01.jpg',
      file_type: 'jpg',
      blob_path: '5512034/media/roof_01.jpg',
      bytes: '7',
      bytes_downloaded: '7',
      media_type: 'image/jpeg',
      media_name: 'roof_01.jpg',
      download_url: LINK.replace(/\?.*/, ''),
      trace_id: TRACE,
      downloaded_at: '2026-01-05T10:00:11.020000Z',
    });
  });
});
