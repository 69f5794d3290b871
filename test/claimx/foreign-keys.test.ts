import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, startService, startTestHost } from '../../host/src/testing/index.ts';
import plugin, { enrichmentPending, entitiesRows } from '../../plugins/claimx/src/index.ts';
import { PROJECT, projectAnswer } from './samples.ts';
import { config, enricherAsking, eventOf } from './testing.ts';

const created = eventOf({ event_type: 'PROJECT_CREATED' });

describe('an event that was sent under another key than its project', () => {
  it('is sent once more under its project, and nothing is asked for it before', async () => {
    await using asking = await enricherAsking({ 'GET /export/project/:id': () => answer.json(projectAnswer) });
    for (const key of ['cx-evt-1', null]) {
      const { outcome, sentTo } = await asking.worker.handle(created, { key });
      assert.equal(outcome, 'done');
      const [again, ...more] = sentTo(enrichmentPending);
      assert.deepEqual([again?.trace_id, again?.project_id, more.length], ['cx-evt-1', PROJECT, 0]);
    }
    assert.equal(asking.api.asked(`/api/export/project/${PROJECT}`), 0);
    const right = await asking.worker.handle(created);
    assert.deepEqual([right.sentTo(enrichmentPending).length, right.sentTo(entitiesRows).length], [0, 1]);
  });

  it('is enriched beside no other of its project, however that writes the id', async () => {
    await using api = await startService({ routes: { 'GET /api/export/project/:id': () => answer.json(projectAnswer) }, latency: 30 });
    await using host = await startTestHost({
      plugins: [plugin],
      config: { plugins: { claimx: { config } } },
      workers: ['enricher'],
      standIns: { 'https://api.example.test': api },
    });
    const ids = [PROJECT, `0${PROJECT}`];
    for (let sent = 0; sent < 8; sent++) {
      const event_id = `cx-evt-${sent}`;
      const event = { ...created, trace_id: undefined, event_id, project_id: ids[sent % 2] };
      await host.send(enrichmentPending, JSON.stringify(event), { key: event_id });
    }
    await host.settled();
    assert.equal((await host.messages(entitiesRows)).length, 8);
    assert.equal(api.mostAtOnce, 1);
  });
});
