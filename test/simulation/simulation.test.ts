import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandlerDeadlines } from '../../host/src/engine/handling/handler-deadlines.ts';
import { Ledger } from '../../host/src/engine/intake/ledger.ts';
import { ReplayGuard } from '../../host/src/engine/intake/replay-guard.ts';
import type { WritableTable } from '../../host/src/engine/tables/row-maker.ts';
import type { Entry } from '../../host/src/engine/tables/table-batch.ts';
import { TableCommits } from '../../host/src/engine/tables/table-commits.ts';
import { findFailure } from './failing-seed.ts';
import { planSchedule } from './ingredients.ts';
import { simulate } from './simulate.ts';

/** The same for everyone, always: where they begin, and how many. New ones are for `npm run simulate`, where time is no matter. */
const FIXED = [1, 351, 701, 1_051] as const;
const EACH = 350;
/** Each broke a promise once, long after it was new. */
const ONCE_FAILED = [665_784_338, 504_380] as const;

describe('the engine in a simulated group', () => {
  for (const first of FIXED)
    it(`keeps its promises under the schedules that everyone runs, from ${first} on`, async () => {
      assert.equal(await findFailure(first, EACH), null);
    });

  it('keeps its promises under the schedules that broke one before', async () => {
    for (const seed of ONCE_FAILED) assert.equal(await findFailure(seed, 1), null);
  });

  it('tells the same story for the same seed, byte for byte, and another one for another seed', async () => {
    for (const seed of [3, 31, 801]) {
      const [once, again, other] = [
        await simulate(planSchedule(seed), { trace: true }),
        await simulate(planSchedule(seed), { trace: true }),
        await simulate(planSchedule(seed + 1), { trace: true }),
      ];
      assert.deepEqual(again, once);
      assert.notDeepEqual(other.story, once.story);
    }
  });

  it('finds an engine that commits past an open record, and tells it by a few records', async (t) => {
    t.mock.getter(Ledger.prototype, 'watermark', function (this: Ledger) {
      return this.end;
    });
    const story = await findFailure(1, 20);
    assert.match(story ?? '', /committed past record \d+ at .*, which is open/);
    assert.match(story ?? '', /shrunk to [1-3] records and [01] faults/);
    assert.match(story ?? '', /replay: npm run simulate -- --seed \d+ --trace/);
  });

  it('finds an engine that does not stop the handlers of a lost partition', async (t) => {
    t.mock.method(HandlerDeadlines.prototype, 'handOver', () => {});
    assert.match((await findFailure(1, 100)) ?? '', /was not told that its partition was lost|while m\d+ handled record/);
  });

  it('finds an engine that handles a replay as often as it stands in its lane', async (t) => {
    t.mock.method(ReplayGuard.prototype, 'verdict', () => 'first');
    assert.match((await findFailure(1, 500)) ?? '', /handles a replay of record \d+ that stands in its lane twice/);
  });

  it('finds an engine that writes the rows of records again which come again', async (t) => {
    t.mock.method(TableCommits.prototype, 'fresh', (table: WritableTable, entries: readonly Entry[]) =>
      entries.filter(({ lines }) => lines.has(table)),
    );
    assert.match((await findFailure(1, 100)) ?? '', /is in table \w+ twice|another host writes the same records/);
  });
});
