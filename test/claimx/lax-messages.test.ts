import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testWorker } from '../../host/src/testing/index.ts';
import plugin, { downloadsPending, enrichmentPending, entitiesRows } from '../../plugins/claimx/src/index.ts';
import { entityWriter } from '../../plugins/claimx/src/writers/entity-writer.ts';
import { decode } from './messages.ts';
import { entityRows, PROJECT } from './samples.ts';
import { config, enricherAsking, eventOf } from './testing.ts';

const unlinked = (project_id: unknown) => eventOf({ event_type: 'PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL', project_id });

describe('what other senders write', () => {
  it('may be a count as text', () => {
    assert.equal(decode(enrichmentPending, { ...unlinked(PROJECT), retry_count: '2' }).retry_count, 2);
    const { event_id, ...failed } = { ...unlinked(PROJECT), event_id: 'cx-evt-1', retry_count: '4' };
    assert.equal(decode(enrichmentPending, { ...failed, trace_id: undefined, event_id }).retry_count, 4);
    const task = { media_id: '1', project_id: PROJECT, download_url: 'https://a.example.test/b', blob_path: 'a/b', trace_id: 'cx-evt-1' };
    const { retry_count, refresh_count } = decode(downloadsPending, { ...task, retry_count: '1', refresh_count: '3' });
    assert.deepEqual([retry_count, refresh_count], [1, 3]);
  });

  it('may be rows with null for the time at which they were made', async () => {
    await using tested = testWorker(entityWriter, { plugin, config });
    const [project] = entityRows.projects;
    const { outcome } = await tested.handle({ ...entityRows, projects: [{ ...project, created_at: null, updated_at: null }] });
    assert.equal(outcome, 'done');
    const [stored] = await tested.rows('claimx_projects');
    assert.ok(stored?.['created_at'] !== null && stored?.['updated_at'] !== null);
  });

  it('is one project with leading zeros and without, and none where it is no number', async () => {
    await using asking = await enricherAsking({});
    const { sentTo } = await asking.worker.handle(unlinked(`0${PROJECT}`));
    assert.equal(sentTo(entitiesRows)[0]?.projects[0]?.project_id, PROJECT);
    const { outcome, code } = await asking.worker.handle(unlinked('proj_7'));
    assert.deepEqual([outcome, code], ['dead', 'CLAIMX_EVENT_INVALID']);
  });
});
