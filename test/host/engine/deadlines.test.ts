import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dead, defineWorker, done, type Outcome, output } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, results, until } from './in-memory-unit.ts';

async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a handler over its deadline', () => {
  it('is counted until it returns, and what it says then is dropped', async () => {
    let finish = (): void => {};
    const unit = new MemoryUnit({
      timeout: 30,
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => (finish = () => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.overdue, unit.intake.tally.retried], [1, 1]);
    finish();
    await until(() => unit.overdue === 0, 'returned');
    assert.equal(unit.intake.tally.done, 0);
    unit.close();
  });

  it('is none where only the clock was put forward', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 });
    let finish = (): void => {};
    const unit = new MemoryUnit({
      timeout: 60_000,
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => (finish = () => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    t.mock.timers.tick(3_600_000);
    await settleDown();
    assert.equal(unit.overdue, 0);
    finish();
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.intake.tally.done, unit.intake.tally.retried], [1, 0]);
    unit.close();
  });

  it('does not speak for the next try of its record, which has begun in the meantime', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const open: ((outcome: Outcome<never>) => void)[] = [];
    const unit = new MemoryUnit({
      onRetry: 'hold',
      delays: [],
      timeout: 5_000,
      definition: defineWorker({ consumes: jobs, handle: () => new Promise<Outcome<never>>((resolve) => open.push(resolve)) }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    for (let second = 0; second < 8 && open.length < 2; second++) {
      t.mock.timers.tick(1_000);
      await settleDown();
    }
    assert.equal(open.length, 2, 'it is tried again');
    open[0]?.(dead('SHOP_LATE', 'too late'));
    await settleDown();
    assert.deepEqual([unit.intake.open, unit.intake.tally.dead], [1, 0]);
    open[1]?.(done());
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.intake.tally.done, 1);
    unit.close();
  });

  it('is not one whose record is being buried: onDead has a deadline of its own', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const signals: AbortSignal[] = [];
    let finish = (): void => {};
    const unit = new MemoryUnit({
      timeout: 1_000,
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: async (_job, { signal }) => {
          signals.push(signal);
          t.mock.timers.tick(900);
          return dead('SHOP_NO', 'never');
        },
        onDead: (job) => new Promise((resolve) => (finish = () => resolve([output(results, job)]))),
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await settleDown();
    t.mock.timers.tick(900);
    await settleDown();
    finish();
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(signals[0]?.aborted, false);
    assert.equal(unit.overdue, 0);
    assert.deepEqual({ ...unit.intake.tally }, { received: 1, done: 0, skipped: 0, retried: 0, dead: 1 });
    assert.deepEqual(unit.producer.sent.map(({ topic }) => topic), ['p.results', 'p.dlq']); // biome-ignore format: one step
    unit.close();
  });
});
