import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, done, TransientError, UnavailableError } from '@pipeline-host/sdk';
import { DRAIN_DEADLINE } from '../../../host/src/engine/intake/intake.ts';
import { jobs, MemoryUnit, until } from './in-memory-unit.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Enough turns for everything that can happen without a timer. */
async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await turn();
}

describe('an assignment that ends', () => {
  it('does not leave the worker paused when it is lost while a probe is under way', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const open: ((error?: Error) => void)[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: () => new Promise((resolve, reject) => open.push((error) => (error === undefined ? resolve(done()) : reject(error)))),
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    open.shift()?.(new UnavailableError('SHOP_DOWN', 'down'));
    await until(() => unit.pause !== null, 'paused');
    t.mock.timers.tick(1_250);
    await until(() => open.length === 1, 'the probe runs');
    unit.lose();
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'b', n: 1 },
    ]);
    open.shift()?.();
    await until(() => open.length === 2, 'the records of the new assignment are handled');
    for (const finish of open) finish();
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(await unit.committedOffset(), 2);
    unit.close();
  });

  it('tells its handlers to stop when it is lost: others handle their records now', async () => {
    const signals: AbortSignal[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (_job, { signal }) => {
          signals.push(signal);
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve(done())));
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    assert.equal(signals[0]?.aborted, false);
    unit.lose();
    assert.equal(signals[0]?.aborted, true);
    await settleDown();
    assert.equal(unit.intake.tally.done, 0, 'what it says of a lost record changes nothing');
    unit.close();
  });

  it('is repeated elsewhere, not retried, where its handlers outlast the drain', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (_job, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new TransientError('SHOP_STOPPED', 'stopped')))),
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    let open = (): void => {};
    unit.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    const revoked = unit.intake.revoke();
    await settleDown();
    t.mock.timers.tick(DRAIN_DEADLINE);
    await settleDown();
    open();
    await revoked;
    assert.deepEqual(unit.producer.sent, []);
    assert.equal(unit.intake.tally.retried, 0);
    unit.close();
  });

  it('leaves the rest of a key to the next owner, also where a batch could take it along', async () => {
    const seen: number[] = [];
    const calls: (() => void)[] = [];
    const unit = new MemoryUnit({
      batchSize: 2,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) => {
          for (const { message } of items) seen.push(message.n);
          await new Promise<void>((resolve) => calls.push(resolve));
          return items.map(() => done());
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs(['a', 'b', 'b', 'c', 'a', 'a', 'b'].map((id, n) => ({ id, n })));
    await until(() => calls.length === 2, 'one call with the first of a and b, one with c');
    const revoked = unit.intake.revoke();
    await settleDown();
    while (calls.length > 0) {
      calls.shift()?.();
      await settleDown();
    }
    await revoked;
    assert.deepEqual(seen, [0, 1, 3, 2], 'what c has overtaken is handled, and nothing behind it');
    assert.equal(await unit.committedOffset(), 4);
    unit.close();
  });

  it('is over before the next one begins, however late its commit comes', async () => {
    const seen: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          seen.push(job.n);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    let open = (): void => {};
    unit.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    const revoked = unit.intake.revoke();
    await settleDown();
    // The driver's own deadline has passed: it joins again.
    const assigned = unit.assign([{ topic: 'p.jobs', partition: 0, committed: 1 }]);
    await settleDown();
    open();
    await Promise.all([revoked, assigned]);
    unit.deliverJobs([{ id: 'a', n: 1 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(seen, [0, 1]);
    assert.equal(await unit.committedOffset(), 2);
    unit.close();
  });

  it('drops no record of the next one that waits in its lane', async () => {
    const finish: (() => void)[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => finish.push(() => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    const revoked = unit.intake.revoke();
    await settleDown();
    // The member crashed while it drained, and a new one has joined.
    const assigned = unit.assign([{ topic: 'p.jobs', partition: 0, committed: 0 }]);
    await settleDown();
    finish.shift()?.();
    await Promise.all([revoked, assigned]);
    unit.deliverJobs([
      { id: 'a', n: 1 },
      { id: 'a', n: 2 },
    ]);
    await until(() => finish.length === 1, 'the first is handled');
    finish.shift()?.();
    await until(() => finish.length === 1, 'the second is handled');
    finish.shift()?.();
    await until(() => unit.intake.open === 0, 'settled');
    unit.close();
  });
});

describe('a partition that was cut off below its committed offset', () => {
  it('is read from where it begins now, and committed from there', async () => {
    const seen: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          seen.push(job.n);
          return done();
        },
      }),
    });
    await unit.assign([{ topic: 'p.jobs', partition: 0, committed: 1_000 }]);
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'a', n: 1 },
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(seen, [0, 1]);
    assert.equal(await unit.committedOffset(), 2);
    unit.close();
  });

  it('is not mistaken for one whose first batch begins before the committed offset', async () => {
    const seen: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          seen.push(job.n);
          return done();
        },
      }),
    });
    await unit.assign([{ topic: 'p.jobs', partition: 0, committed: 2 }]);
    unit.deliverJobs([0, 1, 2, 3].map((n) => ({ id: 'a', n })));
    await until(() => unit.intake.open === 0 && seen.length === 2, 'settled');
    assert.deepEqual(seen, [2, 3]);
    unit.close();
  });
});

describe('commits', () => {
  it('do not pile up while one is slow', async () => {
    const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle: () => done() }) });
    await unit.assign();
    let open = (): void => {};
    unit.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    const commits = Array.from({ length: 50 }, () => {
      void unit.intake.commit();
      unit.deliverJobs([{ id: 'a', n: 1 }]);
      return unit.intake.commit();
    });
    await settleDown();
    assert.equal(unit.commitCalls, 1);
    assert.ok(new Set(commits).size <= 2, `${new Set(commits).size} commits wait`);
    open();
    await Promise.all(commits);
    assert.equal(unit.commits.at(-1)?.offset, 51);
    unit.close();
  });
});

describe('staged files', () => {
  it('are kept where the handler that released them failed afterwards', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job, { staging }) => {
          staging.release(`staging://x/${job.n}`);
          throw new TransientError('SHOP_BUSY', 'busy');
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 7 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(await unit.committedOffset(), 1);
    assert.deepEqual(unit.released, []);
    unit.close();
  });

  it('are kept where the handler that releases them is over its time', async () => {
    const unit = new MemoryUnit({
      timeout: 20,
      definition: defineWorker({
        consumes: jobs,
        handle: async (job, { staging, signal }) => {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          staging.release(`staging://x/${job.n}`);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 7 }]);
    await until(() => unit.intake.open === 0, 'settled');
    await settleDown();
    assert.equal(await unit.committedOffset(), 1);
    assert.deepEqual(unit.released, []);
    unit.close();
  });
});
