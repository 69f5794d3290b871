import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testWorker } from '../../host/src/testing/index.ts';
import plugin from '../../plugins/claimx/src/index.ts';
import { entityWriter } from '../../plugins/claimx/src/writers/entity-writer.ts';
import { entityRows, PROJECT } from './samples.ts';
import { config } from './testing.ts';

const [fullProject] = entityRows.projects;
const rows = (...projects: readonly object[]) => ({
  trace_id: 'cx-evt-1',
  event_type: null,
  project_id: PROJECT,
  projects: projects.map((row) => ({ project_id: PROJECT, ...row })),
});
const unlinked = (at: string) => ({ xa_autolink_fail: true, xa_autolink_fail_at: at });

describe('what an event alone told of a project', () => {
  it('stays the newest, though the events come out of order', async () => {
    await using tested = testWorker(entityWriter, { plugin, config });
    await tested.handle(rows(unlinked('2026-01-05T10:00:00Z')));
    await tested.handle(rows(unlinked('2026-01-05T09:00:00Z')));
    const [stored] = await tested.rows('claimx_projects');
    assert.equal(stored?.['xa_autolink_fail_at'], '2026-01-05T10:00:00.000000Z');
    await tested.handle(rows(unlinked('2026-01-05T12:00:00Z'), unlinked('2026-01-05T11:00:00Z')));
    const [next] = await tested.rows('claimx_projects');
    assert.equal(next?.['xa_autolink_fail_at'], '2026-01-05T12:00:00.000000Z');
  });

  it('is not taken away by rows that say null for it', async () => {
    await using tested = testWorker(entityWriter, { plugin, config });
    await tested.handle(rows({ ...unlinked('2026-01-05T10:00:00Z'), master_file_name: '04XQ7PK' }));
    await tested.handle(rows({ ...fullProject, master_file_name: null, xa_autolink_fail: null, xa_autolink_fail_at: null }));
    const [stored] = await tested.rows('claimx_projects');
    assert.deepEqual(
      [stored?.['master_file_name'], stored?.['xa_autolink_fail'], stored?.['xa_autolink_fail_at'], stored?.['city']],
      ['04XQ7PK', true, '2026-01-05T10:00:00.000000Z', 'Austin'],
    );
  });
});
