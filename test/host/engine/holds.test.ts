import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, done, UnavailableError } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, until } from './in-memory-unit.ts';

async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a worker that is paused by a failure', () => {
  it('keeps the order of a key whose records were in one batch, and never has two batches with it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let down = true;
    let calls = 0;
    const seen: number[] = [];
    const unit = new MemoryUnit({
      concurrency: 4,
      batchSize: 3,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) => {
          calls++;
          if (down) throw new UnavailableError('SHOP_DOWN', 'down');
          const mine = items.map((item) => item.message.n);
          await new Promise((resolve) => setImmediate(resolve));
          seen.push(...mine);
          return items.map(() => done());
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs(Array.from({ length: 12 }, (_, n) => ({ id: 'a', n })));
    await until(() => unit.pause !== null, 'paused');
    // A probe that fails puts its record back before the others of its key.
    t.mock.timers.tick(1_250);
    await until(() => calls === 2, 'a probe');
    await settleDown();
    down = false;
    t.mock.timers.tick(2_500);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      seen,
      Array.from({ length: 12 }, (_, n) => n),
    );
    unit.close();
  });

  it('does not give a key away when its record fails at the moment in which a probe passes', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const open = new Map<string, { pass(): void; fail(): void }[]>();
    const running = new Map<string, number>();
    const unit = new MemoryUnit({
      concurrency: 4,
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          running.set(job.id, (running.get(job.id) ?? 0) + 1);
          assert.equal(running.get(job.id), 1, `two records of ${job.id} at once`);
          return new Promise((resolve, reject) => {
            const end = (): void => void running.set(job.id, (running.get(job.id) ?? 0) - 1);
            const calls = open.get(job.id) ?? [];
            open.set(job.id, calls);
            calls.push({
              pass: () => {
                end();
                resolve(done());
              },
              fail: () => {
                end();
                reject(new UnavailableError('SHOP_DOWN', 'down'));
              },
            });
          });
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'b', n: 1 },
      { id: 'b', n: 2 },
      { id: 'b', n: 3 },
    ]);
    open.get('a')?.shift()?.fail();
    await until(() => unit.pause !== null, 'paused');
    t.mock.timers.tick(1_250);
    await until(() => open.get('a')?.length === 1, 'the probe runs');
    open.get('b')?.shift()?.fail();
    open.get('a')?.shift()?.pass();
    await settleDown();
    while (unit.intake.open > 0) {
      t.mock.timers.tick(60_000);
      await settleDown();
      assert.ok((open.get('b')?.length ?? 0) <= 1);
      open.get('b')?.shift()?.pass();
      await settleDown();
    }
    assert.equal(unit.fatal, undefined);
    assert.equal(unit.intake.tally.done, 4);
    unit.close();
  });

  it('waits between probes also where the other side asks for no wait, or for an endless one', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const retryAfter of [0, Number.NaN, Number.POSITIVE_INFINITY, 1e12]) {
      let calls = 0;
      let down = true;
      const unit = new MemoryUnit({
        definition: defineWorker({
          consumes: jobs,
          handle: async () => {
            calls++;
            if (down) throw Object.assign(new UnavailableError('SHOP_DOWN', 'down'), { retryAfter });
            return done();
          },
        }),
      });
      await unit.assign();
      unit.deliverJobs([{ id: 'a', n: 0 }]);
      await until(() => unit.pause !== null, 'paused');
      t.mock.timers.tick(999);
      await settleDown();
      assert.equal(calls, 1, `no probe at once for ${retryAfter}`);
      down = false;
      t.mock.timers.tick(3_600_000);
      await until(() => unit.intake.open === 0, `a probe within the hour for ${retryAfter}`);
      unit.close();
    }
  });
});

describe('calls of a batch handler', () => {
  it('are never more at once than the concurrency, however small the batches are', async () => {
    let running = 0;
    let most = 0;
    const open: (() => void)[] = [];
    const unit = new MemoryUnit({
      concurrency: 2,
      batchSize: 10,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) => {
          most = Math.max(most, ++running);
          await new Promise<void>((resolve) => open.push(resolve));
          running--;
          return items.map(() => done());
        },
      }),
    });
    await unit.assign();
    for (let n = 0; n < 8; n++) {
      unit.deliverJobs([{ id: `k${n}`, n }]);
      await settleDown();
    }
    while (unit.intake.open > 0) {
      open.shift()?.();
      await settleDown();
    }
    assert.equal(most, 2);
    unit.close();
  });

  it('that never end give their place back at their deadline', async () => {
    let calls = 0;
    const unit = new MemoryUnit({
      concurrency: 1,
      timeout: 30,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) => {
          if (++calls === 1) await new Promise(() => {});
          return items.map(() => done());
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    unit.deliverJobs([{ id: 'b', n: 1 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.intake.tally.retried, 1);
    assert.equal(unit.intake.tally.done, 1);
    unit.close();
  });
});
