import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AuthError, defineWorker, done, type Outcome, retry, skip, TransientError, UnavailableError } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, type MemoryUnitOptions, until } from './in-memory-unit.ts';

interface Job {
  readonly id: string;
  readonly n: number;
}

async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker on a clock of the test, and what its handler was called for. */
function open(t: TestContext, handle: (job: Job) => Promise<Outcome<never>>, options: Partial<MemoryUnitOptions> = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  t.mock.method(performance, 'now', () => Date.now());
  const calls: Job[] = [];
  const definition = defineWorker({
    consumes: jobs,
    handle: (job) => {
      calls.push(job);
      return handle(job);
    },
  });
  return { unit: new MemoryUnit({ definition, ...options }), calls };
}

const keys = (count: number): Job[] => Array.from({ length: count }, (_, n) => ({ id: `k${n}`, n }));

/** Lets time pass until a condition holds. */
async function pass(t: TestContext, condition: () => boolean, what: string, seconds = 600): Promise<void> {
  for (let second = 0; second < seconds && !condition(); second++) {
    t.mock.timers.tick(1_000);
    await settleDown();
  }
  assert.ok(condition(), what);
}

describe('an outage', () => {
  for (const [what, error] of [
    ['transient failures', () => new TransientError('SHOP_BUSY', 'busy')],
    ['errors of no class', () => new Error('connect ECONNREFUSED')],
  ] as const)
    it(`is seen where many records fail alike, with ${what}: no further attempt is burned until it is over`, async (t) => {
      let down = true;
      const { unit, calls } = open(t, async () => {
        if (down) throw error();
        return done();
      });
      await unit.assign();
      unit.deliverJobs(keys(400));
      await until(() => unit.pause !== null, 'paused');
      await settleDown();
      const { retried } = unit.intake.tally;
      assert.equal(retried, 9, 'the tenth key makes it an outage');
      const before = calls.length;
      t.mock.timers.tick(6 * 3_600_000);
      await settleDown();
      assert.equal(calls.length, before + 2, 'one probe at a time, and one new record beside it');
      assert.equal(unit.intake.tally.retried, retried);
      down = false;
      await pass(t, () => unit.intake.open === 0, 'all through');
      assert.deepEqual({ ...unit.intake.tally }, { received: 400, done: 400 - retried, skipped: 0, retried, dead: 0 });
      assert.equal(unit.pause, null);
      unit.close();
    });

  it('is over for records that each fail in their own way afterwards, also where no other record comes to prove it', async (t) => {
    let down = true;
    const { unit } = open(
      t,
      async ({ n }) => {
        if (down) throw new UnavailableError('SHOP_DOWN', 'down');
        throw new TransientError(`SHOP_ORDER_${n}`, 'no such order');
      },
      { delays: [1_000] },
    );
    await unit.assign();
    unit.deliverJobs(keys(3));
    await until(() => unit.pause !== null, 'paused');
    await pass(t, () => unit.pauses > 6, 'probed');
    assert.equal(unit.intake.tally.retried, 0, 'an outage burns no attempt, however few records it meets');
    down = false;
    await pass(t, () => unit.intake.tally.retried === 3, 'each in its delay lane');
    assert.equal(unit.pause, null);
    unit.close();
  });

  it('is probed after waits that double from one second to a minute, with jitter on top', async (t) => {
    const { unit, calls } = open(t, async () => {
      throw new UnavailableError('SHOP_DOWN', 'down');
    });
    await unit.assign();
    unit.deliverJobs(keys(1));
    await until(() => unit.pause !== null, 'paused');
    await settleDown();
    for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      const before = calls.length;
      t.mock.timers.tick(wait - 1);
      await settleDown();
      assert.equal(calls.length, before, `no probe before ${wait} ms`);
      t.mock.timers.tick(Math.min(wait * 1.25, 60_000) - wait + 1);
      await settleDown();
      assert.equal(calls.length, before + 1, `a probe soon after ${wait} ms`);
    }
    unit.close();
  });

  it('is none where handlers say themselves when to try again, or where failures differ', async (t) => {
    const { unit } = open(t, async ({ n }) =>
      n % 2 === 0 ? retry(new TransientError('SHOP_LATER', 'later'), { after: '1s' }) : retry(new TransientError(`SHOP_${n}`, 'odd')),
    );
    await unit.assign();
    unit.deliverJobs(keys(100));
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.pauses, 0);
    assert.equal(unit.intake.tally.retried, 100);
    unit.close();
  });

  it('of one dependency is not mixed up with failures of others', async (t) => {
    const { unit } = open(t, async ({ n }) => {
      throw new TransientError('SHOP_BUSY', 'busy', { dependency: `shop ${n % 10}` });
    });
    await unit.assign();
    unit.deliverJobs(keys(90));
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.pauses, 0);
    unit.close();
  });

  it('is not over because records are skipped that do not meet it, and none of the others is taken for poison', async (t) => {
    let down = true;
    const { unit } = open(t, async ({ n }) => {
      if (n % 4 === 3) return skip('nothing to do');
      if (down) throw new UnavailableError('SHOP_DOWN', 'down');
      return done();
    });
    await unit.assign();
    unit.deliverJobs(keys(200));
    await until(() => unit.pause !== null, 'paused');
    await pass(t, () => unit.pauses > 30, 'probed again and again', 4_000);
    assert.notEqual(unit.pause, null);
    assert.equal(unit.intake.tally.retried, 0);
    assert.equal(unit.resumes, 0, 'a skipped record says nothing about the dependency');
    down = false;
    await pass(t, () => unit.intake.open === 0, 'all through');
    assert.equal(unit.intake.tally.done + unit.intake.tally.skipped, 200);
    unit.close();
  });

  it('ends with the attempts that it began with, and the records in the order of their keys', async (t) => {
    let down = true;
    const seen = new Map<string, number[]>();
    const { unit } = open(t, async ({ id, n }) => {
      if (down) throw new UnavailableError('SHOP_DOWN', 'down');
      seen.set(id, [...(seen.get(id) ?? []), n]);
      return done();
    });
    await unit.assign();
    unit.deliverJobs(Array.from({ length: 60 }, (_, n) => ({ id: `k${n % 6}`, n })));
    await until(() => unit.pause !== null, 'paused');
    await pass(t, () => unit.pauses > 12, 'probed');
    down = false;
    await pass(t, () => unit.intake.open === 0, 'all through');
    assert.equal(unit.producer.sent.length, 0);
    for (const [id, given] of seen) assert.deepEqual(given, given.toSorted((a, b) => a - b), id); // biome-ignore format: one step
    unit.close();
  });
});

describe('a record that always fails with an outage', () => {
  for (const [what, error] of [
    ['a dependency that is down', () => new UnavailableError('SHOP_DOWN', 'down')],
    ['refused credentials', () => new AuthError('SHOP_AUTH', 'refused')],
  ] as const)
    it(`pauses nobody: once others are done, it fails for itself (${what})`, async (t) => {
      const { unit, calls } = open(t, async ({ id }) => {
        if (id === 'k3') throw error();
        return done();
      });
      await unit.assign();
      unit.deliverJobs(keys(50));
      await until(() => unit.intake.open === 1, 'the others done');
      await pass(t, () => unit.intake.open === 0, 'settled', 60);
      assert.deepEqual([unit.intake.tally.done, unit.intake.tally.retried], [49, 1]);
      assert.equal(unit.pauses, 0);
      assert.ok(calls.filter(({ id }) => id === 'k3').length >= 3, 'it was given a chance');
      const [copy] = unit.producer.sent;
      assert.deepEqual([copy?.topic, String(copy?.key), copy?.headers?.['ph.attempts']], ['p.w.retry', 'k3', '1']);
      unit.close();
    });

  it('is found out also where one record is handled at a time, by probes with new ones', async (t) => {
    const { unit } = open(
      t,
      async ({ id }) => {
        if (id === 'k0') throw new UnavailableError('SHOP_DOWN', 'down');
        return done();
      },
      { concurrency: 1 },
    );
    await unit.assign();
    unit.deliverJobs(keys(20));
    await pass(t, () => unit.intake.open === 0, 'settled', 120);
    assert.deepEqual([unit.intake.tally.done, unit.intake.tally.retried], [19, 1]);
    unit.close();
  });

  it('is found out also where records come in batches', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const unit = new MemoryUnit({
      batchSize: 5,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) =>
          items.map(({ message }) => (message.id === 'k2' ? retry(new UnavailableError('SHOP_DOWN', 'down')) : done())),
      }),
    });
    await unit.assign();
    unit.deliverJobs(keys(30));
    await pass(t, () => unit.intake.open === 0, 'settled', 120);
    assert.deepEqual([unit.intake.tally.done, unit.intake.tally.retried], [29, 1]);
    unit.close();
  });
});

describe('bad records', () => {
  it('never pause a worker, and raise an alert where they are many', async (t) => {
    const { unit } = open(t, async () => done());
    await unit.assign();
    unit.deliver(Array.from({ length: 150 }, () => ({ value: Buffer.from('no JSON') })));
    unit.deliverJobs(keys(300));
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.pauses, 0);
    assert.deepEqual([unit.intake.tally.dead, unit.intake.tally.done], [150, 300]);
    assert.deepEqual(unit.badRecords, [true, false]);
    unit.close();
  });
});
