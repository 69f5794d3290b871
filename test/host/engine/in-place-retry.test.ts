import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { defineWorker, done, type Outcome, TransientError, UnavailableError } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, until } from './in-memory-unit.ts';

interface Call {
  readonly id: string;
  readonly n: number;
  readonly attempt: number;
}

async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker that holds failed records, on a clock of the test. */
async function open(t: TestContext, handle: (call: Call) => Outcome<never>, byteBudget = 1e9) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  t.mock.method(performance, 'now', () => Date.now());
  const calls: Call[] = [];
  const unit = new MemoryUnit({
    onRetry: 'hold',
    delays: [],
    byteBudget,
    definition: defineWorker({
      consumes: jobs,
      handle: async ({ id, n }, { attempt }) => {
        const call = { id, n, attempt };
        calls.push(call);
        return handle(call);
      },
    }),
  });
  await unit.assign();
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      t.mock.timers.tick(1_000);
      await settleDown();
    }
  };
  return { unit, calls, pass };
}

const busy = (): never => {
  throw new TransientError('SHOP_BUSY', 'busy');
};

describe("onRetry: 'hold'", () => {
  it('tries a failed record again in place, while its key waits behind it and others go on', async (t) => {
    const { unit, calls, pass } = await open(t, ({ n, attempt }) => (n === 0 && attempt < 4 ? busy() : done()));
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ]);
    await settleDown();
    assert.deepEqual(calls.map(({ n }) => n), [0, 2]); // biome-ignore format: one step
    await pass(8);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      calls.filter(({ id }) => id === 'a').map(({ n, attempt }) => [n, attempt]),
      [
        [0, 1],
        [0, 2],
        [0, 3],
        [0, 4],
        [1, 1],
      ],
    );
    assert.equal(unit.producer.sent.length, 0);
    unit.close();
  });

  it('gives a record up after five minutes, and its key goes on', async (t) => {
    const { unit, calls, pass } = await open(t, ({ n }) => (n === 0 ? busy() : done()));
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'a', n: 1 },
    ]);
    await pass(299);
    assert.equal(unit.intake.tally.dead, 0);
    assert.ok(calls.length > 25, `${calls.length} tries`);
    await pass(2);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.intake.tally.dead, unit.intake.tally.done], [1, 1]);
    const [letter] = unit.producer.sent;
    assert.deepEqual([letter?.topic, letter?.headers?.['ph.attempts']], ['p.dlq', String(calls.length - 1)]);
    unit.close();
  });

  it('gives a record up when 1,000 of its key wait behind it', async (t) => {
    const { unit, pass } = await open(t, ({ n }) => (n === 0 ? busy() : done()));
    unit.deliverJobs(Array.from({ length: 1_000 }, (_, n) => ({ id: 'a', n })));
    await pass(2);
    assert.equal(unit.intake.tally.dead, 0);
    unit.deliverJobs([{ id: 'a', n: 1_000 }]);
    await pass(12);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.intake.tally.dead, unit.intake.tally.done], [1, 1_000]);
    unit.close();
  });

  for (const [what, others] of [
    ['while others go on', true],
    ['of which the whole worker is paused', false],
  ] as const)
    it(`does not count the time of an outage against a record, ${what}`, async (t) => {
      let down = false;
      const { unit, pass } = await open(t, ({ n, attempt }) => {
        if (down && (n !== 1 || !others)) throw new UnavailableError('SHOP_DOWN', 'down');
        return n === 0 && attempt < 3 ? busy() : done();
      });
      unit.deliverJobs([{ id: 'a', n: 0 }]);
      await settleDown();
      down = true;
      // Of fewer keys it would be no outage while others are done.
      unit.deliverJobs(Array.from({ length: 10 }, (_, index) => ({ id: `c${index}`, n: 2 })));
      for (let second = 0; second < 900; second++) {
        if (second % 30 === 0) unit.deliverJobs([{ id: `b${second}`, n: 1 }]);
        await pass(1);
      }
      assert.equal(unit.pause === null, others);
      assert.equal(unit.intake.open, others ? 11 : 41);
      down = false;
      await pass(200);
      await until(() => unit.intake.open === 0, 'settled');
      assert.deepEqual([unit.intake.tally.dead, unit.intake.tally.done], [0, 41]);
      unit.close();
    });

  it('leaves what it holds to the next owner, uncommitted', async (t) => {
    const { unit } = await open(t, ({ n }) => (n === 0 ? busy() : done()));
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'b', n: 1 },
    ]);
    await settleDown();
    await unit.intake.revoke();
    // What is settled behind it rides in the metadata; the offset stays at it.
    assert.ok(unit.commits.every(({ offset }) => offset === 0));
    await unit.assign();
    unit.close();
  });
});
