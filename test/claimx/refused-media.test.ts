import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer } from '../../host/src/testing/index.ts';
import { entitiesRows } from '../../plugins/claimx/src/index.ts';
import { mediaAnswer, PROJECT, projectAnswer } from './samples.ts';
import { enricherAsking, eventOf } from './testing.ts';

const [media] = mediaAnswer;
const path = `/api/export/project/${PROJECT}/media`;
const added = (media_id: string) => eventOf({ trace_id: `cx-evt-${media_id}`, event_type: 'PROJECT_FILE_ADDED', media_id });

describe('media of one project that are asked for together', () => {
  it('are asked for one by one where the API refuses the request, and the bad one fails alone', async () => {
    await using asking = await enricherAsking({
      'GET /export/project/:id': () => answer.json(projectAnswer),
      'GET /export/project/:id/media': ({ query }) => {
        const ids = (query.get('mediaIds') ?? '').split(',');
        return ids.includes('9') ? answer.status(400) : answer.json(ids.map((mediaID) => ({ ...media, mediaID })));
      },
    });
    const results = await asking.worker.handleBatch([added('8'), added('9'), added('10')]);
    assert.deepEqual(
      results.map(({ outcome, code, sentTo }) => [outcome, code ?? null, sentTo(entitiesRows)[0]?.media[0]?.media_id]),
      [
        ['done', null, '8'],
        ['dead', 'PH_HTTP_CLIENT_ERROR', undefined],
        ['done', null, '10'],
      ],
    );
    assert.equal(asking.api.asked(path), 4);
  });

  it('wait together where the API is away', async () => {
    await using asking = await enricherAsking({
      'GET /export/project/:id': () => answer.json(projectAnswer),
      'GET /export/project/:id/media': () => answer.status(503, { headers: { 'retry-after': '60' } }),
    });
    const results = await asking.worker.handleBatch([added('8'), added('10')]);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['paused', 'paused'],
    );
    assert.equal(asking.api.asked(path), 1);
  });
});
