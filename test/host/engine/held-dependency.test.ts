import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AuthError, defineWorker, done, type Outcome, retry, TransientError, UnavailableError } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, type MemoryUnitOptions, until } from './in-memory-unit.ts';

interface Job {
  readonly id: string;
  readonly n: number;
}

async function settleDown(): Promise<void> {
  for (let count = 0; count < 40; count++) await new Promise((resolve) => setImmediate(resolve));
}

const down = (dependency: string) => new UnavailableError('SHOP_DOWN', 'down', { dependency });

/** A worker on a clock of the test, whose records with an odd number need `b`, and the others `a`. */
function open(t: TestContext, options: Partial<MemoryUnitOptions> = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  t.mock.method(performance, 'now', () => Date.now());
  const calls: (Job & { readonly attempt: number; readonly at: number })[] = [];
  const broken = new Map<string, (job: Job) => Error>();
  const definition = defineWorker({
    consumes: jobs,
    handle: async (job, { attempt }): Promise<Outcome<never>> => {
      calls.push({ ...job, attempt, at: Date.now() });
      const error = broken.get(job.n % 2 === 1 ? 'b' : 'a')?.(job);
      if (error !== undefined) throw error;
      return done();
    },
  });
  return { unit: new MemoryUnit({ definition, ...options }), calls, broken };
}

const range = (from: number, count: number): Job[] => Array.from({ length: count }, (_, n) => ({ id: `k${from + n}`, n: from + n }));
const odd = ({ n }: Job): boolean => n % 2 === 1;

/** Lets seconds pass, one after the other. */
async function pass(t: TestContext, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    t.mock.timers.tick(1_000);
    await settleDown();
  }
}

describe('a dependency that half of the records need', () => {
  for (const [what, error] of [
    ['is down', () => down('b')],
    ['refuses our credentials', () => new AuthError('SHOP_AUTH', 'refused', { dependency: 'b' })],
    ['fails each request', () => new TransientError('SHOP_503', 'busy', { dependency: 'b' })],
  ] as const)
    it(`holds those alone while it ${what}: the others go on, nobody is paused, and no attempt is burned`, async (t) => {
      const { unit, calls, broken } = open(t);
      await unit.assign();
      unit.deliverJobs(range(0, 20));
      await until(() => unit.intake.open === 0, 'all well');
      broken.set('b', error);
      // Failures that do not say so are an outage only from the tenth key on.
      const warmUp = what === 'fails each request' ? 40 : 0;
      unit.deliverJobs(range(20, warmUp));
      await settleDown();
      const { retried } = unit.intake.tally;
      assert.ok(retried <= 9, `${retried} attempts before it was seen to be an outage`);
      const doneBefore = unit.intake.tally.done;
      for (let minute = 0; minute < 60; minute++) {
        unit.deliverJobs(range(100 + minute * 10, 10));
        await pass(t, 60);
        assert.equal(unit.intake.tally.done, doneBefore + (minute + 1) * 5, `minute ${minute}: all that need it not`);
      }
      assert.deepEqual([unit.pauses, unit.intake.tally.retried, unit.intake.tally.dead], [0, retried, 0]);
      const [held, ...more] = unit.sink.held;
      assert.equal(more.length, 0);
      assert.deepEqual([held?.dependency, held?.records, held?.behind, held?.postponed], ['b', unit.intake.open, 0, 0]);
      assert.equal(unit.intake.open, 300 + warmUp / 2 - retried);
      const probes = calls.filter(({ at }) => at > Date.now() - 600_000).filter(odd).length - 50;
      assert.ok(probes >= 8 && probes <= 11, `${probes} probes in ten minutes`);
      broken.clear();
      await pass(t, 70);
      assert.equal(unit.intake.open, 0);
      assert.ok(calls.filter(({ n }) => n >= 100).every(({ attempt }) => attempt === 1));
      assert.deepEqual([unit.sink.held, unit.sink.alerts], [[], []]);
      unit.close();
    });

  it('is told of once, as an alert too, when it stands its first probe, and when it is over', async (t) => {
    const { unit, broken } = open(t);
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(2, 40));
    await settleDown();
    assert.deepEqual([unit.told, unit.sink.alerts], [[], []], 'it may be a moment only');
    await pass(t, 300);
    assert.deepEqual(unit.told, [true]);
    const [alert] = unit.sink.alerts;
    assert.equal(alert?.code, 'PH_DEPENDENCY_HELD');
    assert.equal(alert?.reason, 'b fails since 1970-01-01T00:16:40.000Z, 20 records wait for it: SHOP_DOWN: down');
    const [held] = unit.sink.held;
    assert.ok(Date.parse(held?.nextProbe ?? '') > Date.now() && Date.parse(held?.nextProbe ?? '') <= Date.now() + 60_000);
    broken.clear();
    await pass(t, 70);
    assert.deepEqual(unit.told, [true, false]);
    unit.close();
  });

  it('pauses the worker where the other one fails too, which goes on with whichever works first', async (t) => {
    const { unit, broken } = open(t);
    await unit.assign();
    unit.deliverJobs(range(0, 20));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(20, 20));
    await settleDown();
    broken.set('a', () => down('a'));
    unit.deliverJobs(range(40, 200));
    await settleDown();
    assert.equal(unit.pause?.code, 'SHOP_DOWN');
    assert.ok(unit.sink.held.reduce((sum, { records }) => sum + records, 0) < 60, 'the topic keeps the rest');
    assert.deepEqual(unit.sink.held.map(({ dependency }) => dependency), ['b', 'a']); // biome-ignore format: one step
    await pass(t, 600);
    assert.notEqual(unit.pause, null);
    broken.delete('a');
    await pass(t, 125);
    assert.equal(unit.pause, null);
    assert.deepEqual(unit.sink.held.map(({ dependency }) => dependency), ['b']); // biome-ignore format: one step
    assert.equal(unit.intake.tally.done, 20 + 10 + 100, 'all that need a');
    broken.clear();
    await pass(t, 125);
    assert.deepEqual([unit.intake.open, unit.intake.tally.retried], [0, 0]);
    unit.close();
  });

  it('has its records released at a limited rate, in order, a second after its probe, and held again where they fail', async (t) => {
    const { unit, calls, broken } = open(t, { release: 50, concurrency: 100 });
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(2, 400));
    await settleDown();
    broken.clear();
    t.mock.timers.tick(1_250);
    await settleDown();
    let before = unit.intake.open;
    assert.ok(before >= 200 - 6 && before < 200, `${200 - before} at first`);
    t.mock.timers.tick(900);
    await settleDown();
    assert.equal(unit.intake.open, before, 'what has failed before comes after what has not');
    for (let step = 0; step < 10; step++) {
      t.mock.timers.tick(100);
      await settleDown();
      assert.equal(before - unit.intake.open, 5, 'five in a tenth of a second');
      before = unit.intake.open;
    }
    broken.set('b', () => down('b'));
    t.mock.timers.tick(100);
    await settleDown();
    const called = calls.length;
    t.mock.timers.tick(900);
    await settleDown();
    assert.equal(calls.length, called, 'nothing of it goes on');
    broken.clear();
    await pass(t, 40); // one step of the release a turn of this clock
    assert.equal(unit.intake.open, 0);
    const last = new Map(calls.filter(odd).map(({ n }, index) => [n, index]));
    const order = [...last].toSorted(([, one], [, other]) => one - other).map(([n]) => n);
    assert.deepEqual(order.slice(0, 50), order.slice(0, 50).toSorted((a, b) => a - b), 'the oldest first'); // biome-ignore format: one step
    unit.close();
  });

  it('makes a held record keep its key, and no other', async (t) => {
    const { unit, calls, broken } = open(t);
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    const key = (id: string, ...numbers: number[]): Job[] => numbers.map((n) => ({ id, n }));
    unit.deliverJobs([...key('x', 11, 12, 13), ...key('y', 14, 16)]);
    await pass(t, 30);
    assert.deepEqual([...new Set(calls.slice(2).map(({ n }) => n))], [11, 14, 16]);
    assert.deepEqual(unit.sink.held.map(({ records, behind }) => [records, behind]), [[1, 2]]); // biome-ignore format: one step
    broken.clear();
    await pass(t, 60);
    assert.deepEqual(calls.filter(({ id }) => id === 'x').map(({ n }) => n).slice(-3), [11, 12, 13]); // biome-ignore format: one step
    unit.close();
  });
});

describe('a host that is held', () => {
  /** A worker whose records with an odd number ask `b.example` over `ctx.http`. */
  function openAsking(t: TestContext, answer: (n: number) => Error | null) {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const asked: number[] = [];
    const ask = async ({ url }: { readonly url: string }): Promise<never> => {
      const n = Number(new URL(url).searchParams.get('n'));
      asked.push(n);
      const error = answer(n);
      if (error !== null) throw error;
      return { status: 200, headers: {}, body: new Uint8Array() } as never;
    };
    const unit = new MemoryUnit({
      concurrency: 4,
      http: { request: ask, download: ask, api: () => assert.fail('no API is asked') },
      definition: defineWorker({
        consumes: jobs,
        handle: async ({ n }, { http }) => {
          const request = { url: `https://${n % 2 === 1 ? 'b' : 'a'}.example/?n=${n}`, policy: { hosts: ['a.example', 'b.example'] } };
          await (n % 3 === 0 ? http.request(request) : http.download({ ...request, fileName: 'f' }));
          return done();
        },
      }),
    });
    return { unit, asked };
  }

  it('is asked by its probes alone, and no record takes the time that it needs to fail', async (t) => {
    let broken = false;
    const { unit, asked } = openAsking(t, (n) =>
      broken && n % 2 === 1 ? new UnavailableError('SHOP_DOWN', 'down', { place: 'https://b.example/x' }) : null,
    );
    await unit.assign();
    unit.deliverJobs(range(0, 20));
    await until(() => unit.intake.open === 0, 'all well');
    broken = true;
    unit.deliverJobs(range(20, 40));
    await pass(t, 2);
    const before = asked.filter((n) => n % 2 === 1).length;
    for (let minute = 0; minute < 10; minute++) {
      unit.deliverJobs(range(100 + 40 * minute, 40));
      await pass(t, 60);
    }
    const probes = asked.filter((n) => n % 2 === 1).length - before;
    assert.ok(probes >= 8 && probes <= 20, `${probes} probes in ten minutes`);
    assert.deepEqual([unit.intake.tally.done, unit.intake.open, unit.pauses], [20 + 20 + 200, 20 + 200, 0]);
    assert.deepEqual([unit.sink.held[0]?.dependency, unit.sink.held[0]?.code], ['b.example', 'SHOP_DOWN']);
    broken = false;
    await pass(t, 70);
    assert.deepEqual([unit.intake.open, unit.intake.tally.retried, unit.sink.held], [0, 0, []]);
    unit.close();
  });

  it('is asked on where it fails for a few keys only', async (t) => {
    const { unit, asked } = openAsking(t, (n) =>
      n === 21 ? new AuthError('SHOP_AUTH', 'not this one', { dependency: 'b.example' }) : null,
    );
    await unit.assign();
    unit.deliverJobs(range(0, 200));
    await until(() => unit.intake.open === 1, 'all but one');
    for (let second = 0; second < 20; second++) {
      unit.deliverJobs(range(1_000 + 10 * second, 10));
      await pass(t, 1);
      assert.equal(unit.intake.open <= 1, true, 'nobody waits for it');
    }
    assert.deepEqual([unit.intake.tally.retried, unit.intake.open], [1, 0], 'its failure is its own');
    assert.ok(asked.filter((n) => n === 21).length >= 3);
    unit.close();
  });
});

describe('records that come back while their dependency is held', () => {
  /** As they stand in a delay lane. */
  const comingBack = (count: number) =>
    Array.from({ length: count }, (_, at) => ({
      key: Buffer.from(`z${at}`),
      value: Buffer.from(JSON.stringify({ id: `z${at}`, n: 2 * at + 1 })),
      headers: { 'ph.due-at': '0', 'ph.attempts': '0', 'ph.held-by': 'b', 'ph.origin.partition': '0' },
    }));
  const lane = { topic: 'p.w.retry', partition: 1 };

  it('wait again in whatever number they come, all of them counted', async (t) => {
    const { unit, broken } = open(t, { concurrency: 4, release: 20_000 });
    await unit.assign([{ topic: 'p.jobs', partition: 0 }, lane]);
    unit.deliverJobs(range(0, 1));
    await until(() => unit.intake.open === 0, 'well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(1, 1));
    await settleDown();
    unit.deliver(comingBack(10_000), lane);
    await until(() => unit.intake.open <= 1_001, 'those that find no room');
    const [held] = unit.sink.held;
    assert.equal((held?.records ?? 0) + (held?.postponed ?? 0), 10_001);
    assert.equal(unit.intake.tally.retried, held?.postponed);
    unit.close();
  });

  it('make no worker of batches begin more calls than it may', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    let broken = false;
    let running = 0;
    let most = 0;
    const definition = defineWorker({
      consumes: jobs,
      handleBatch: async (items) => {
        most = Math.max(most, ++running);
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        running--;
        return items.map(({ message: { n } }) => (n % 2 === 1 && broken ? retry(down('b')) : done()));
      },
    });
    const unit = new MemoryUnit({ definition, concurrency: 1, batchSize: 10 });
    await unit.assign([{ topic: 'p.jobs', partition: 0 }, lane]);
    unit.deliverJobs(range(0, 1));
    await until(() => unit.intake.open === 0, 'well');
    broken = true;
    unit.deliverJobs(range(1, 1));
    await settleDown();
    // One call keeps the worker busy while records pile up.
    unit.deliverJobs(range(2, 1));
    unit.deliver(comingBack(60), lane);
    unit.deliverJobs(Array.from({ length: 60 }, (_, at) => ({ id: `even${at}`, n: 2 * at })));
    await settleDown();
    await settleDown();
    assert.equal(most, 1);
    unit.close();
  });
});

describe('a dependency that few of the records need and that fails most of its calls', () => {
  for (const [share, every] of [
    [0.5, 50],
    [0.8, 20],
  ] as const)
    it(`burns no attempt: ${share * 100} % of the calls, one of ${every} records`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
      t.mock.method(performance, 'now', () => Date.now());
      let seed = 7;
      const random = (): number => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        return seed / 2_147_483_648;
      };
      let broken = false;
      const definition = defineWorker({
        consumes: jobs,
        handle: async ({ n }) => {
          if (n % every === 1 && broken && random() < share) throw down('b');
          return done();
        },
      });
      const unit = new MemoryUnit({ definition, concurrency: 20 });
      await unit.assign();
      unit.deliverJobs(range(0, 100));
      await until(() => unit.intake.open === 0, 'well');
      broken = true;
      for (let second = 0; second < 600; second++) {
        unit.deliverJobs(range(1_000 + second * 20, 20));
        t.mock.timers.tick(1_000);
        await settleDown();
      }
      const postponed = unit.sink.held.reduce((sum, held) => sum + held.postponed, 0);
      assert.deepEqual([unit.intake.tally.retried - postponed, unit.intake.tally.dead], [0, 0]);
      unit.close();
    });
});

describe('records that find no room to wait in', () => {
  it('wait in a delay lane, without an attempt, for about as long as the outage lasts, while the others go on', async (t) => {
    const { unit, calls, broken } = open(t, { delays: [10_000, 100_000] });
    await unit.assign();
    unit.deliverJobs(range(0, 20));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(20, 2_400));
    await until(() => unit.intake.tally.done === 20 + 1_200, 'the others are done');
    await settleDown();
    assert.deepEqual([unit.intake.open, unit.intake.tally.retried], [1_000, 200]);
    assert.equal(unit.sink.held[0]?.postponed, 200);
    const copies = unit.producer.sent.filter(({ topic }) => topic === 'p.w.retry');
    assert.deepEqual([...new Set(copies.map(({ partition }) => partition))], [1], 'the shortest lane');
    const [copy] = copies;
    assert.deepEqual([copy?.headers?.['ph.attempts'], copy?.headers?.['ph.held-by']], ['0', 'b']);
    await pass(t, 60);
    unit.deliverJobs(range(3_000, 2));
    await settleDown();
    assert.equal(unit.producer.sent.at(-1)?.partition, 2, 'after a minute, the longer one');
    assert.equal(calls.filter(({ n }) => n === 3_001).length, 1);
    broken.clear();
    await pass(t, 70);
    assert.equal(unit.intake.open, 0);
    assert.equal(unit.intake.tally.dead, 0);
    unit.close();
  });

  it('are not called when they come back while it is still out, and are when it is not', async (t) => {
    const { unit, calls, broken } = open(t, { delays: [10_000, 100_000] });
    await unit.assign([
      { topic: 'p.jobs', partition: 0 },
      { topic: 'p.w.retry', partition: 1 },
    ]);
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(2, 20));
    await settleDown();
    const before = calls.length;
    const copy = (n: number) => ({
      key: Buffer.from(`k${n}`),
      value: Buffer.from(JSON.stringify({ id: `k${n}`, n })),
      headers: { 'ph.due-at': '0', 'ph.attempts': '2', 'ph.held-by': 'b', 'ph.origin.partition': '0' },
    });
    unit.deliver([copy(101), copy(103)], { topic: 'p.w.retry', partition: 1 });
    await settleDown();
    assert.equal(calls.length, before);
    assert.equal(unit.sink.held[0]?.records, 12);
    broken.clear();
    await pass(t, 3);
    assert.equal(unit.intake.open, 0);
    assert.deepEqual(calls.filter(({ n }) => n > 100).map(({ n, attempt }) => [n, attempt]), [[101, 3], [103, 3]]); // biome-ignore format: one step
    unit.deliver([copy(105)], { topic: 'p.w.retry', partition: 1 });
    await settleDown();
    assert.equal(calls.at(-1)?.n, 105, 'nothing is held: it is called at once');
    unit.close();
  });

  it('give their lane to the next of their key where too many wait behind them', async (t) => {
    const { unit, calls, broken } = open(t, { delays: [10_000] });
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs([{ id: 'x', n: 11 }]);
    await settleDown();
    unit.deliverJobs(Array.from({ length: 1_100 }, (_, index) => ({ id: 'x', n: 12 + 2 * index })));
    await settleDown();
    assert.deepEqual([unit.intake.tally.retried, unit.intake.tally.done, unit.intake.open], [1, 2 + 1_100, 0]);
    assert.deepEqual(calls.slice(2).map(({ n }) => n).slice(0, 3), [11, 12, 14]); // biome-ignore format: one step
    unit.close();
  });

  it('are bounded by bytes too', async (t) => {
    const { unit, broken } = open(t, { delays: [10_000], byteBudget: 40_000 });
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    for (let from = 2; from < 402; from += 20) {
      unit.deliverJobs(range(from, 20));
      await settleDown();
      assert.equal(unit.paused.size, 0, 'intake goes on');
    }
    assert.equal(unit.intake.tally.done, 1 + 1 + 200);
    assert.ok(unit.intake.open > 40 && unit.intake.open * 150 <= 10_000 + 150, `${unit.intake.open} held`);
    assert.equal(unit.intake.tally.retried, 200 - unit.intake.open);
    unit.close();
  });

  it('pause the worker where it has no delay lanes', async (t) => {
    const { unit, broken } = open(t, { onRetry: 'hold', delays: [] });
    await unit.assign();
    unit.deliverJobs(range(0, 2));
    await until(() => unit.intake.open === 0, 'all well');
    broken.set('b', () => down('b'));
    unit.deliverJobs(range(2, 4_000));
    await settleDown();
    assert.equal(unit.pause?.code, 'SHOP_DOWN');
    assert.ok((unit.sink.held[0]?.records ?? 0) <= 1_000 + 4);
    assert.equal(unit.producer.sent.length, 0);
    broken.clear();
    await pass(t, 60);
    assert.deepEqual([unit.intake.open, unit.pause], [0, null]);
    unit.close();
  });
});

describe('batches in which some records need a dependency that is down', () => {
  for (const [what, how] of [
    ['says so of each record', 'outcomes'],
    ['throws for all of them', 'throws'],
  ] as const)
    it(`hold those alone, where the handler ${what}`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
      t.mock.method(performance, 'now', () => Date.now());
      let broken = false;
      let most = 0;
      let running = 0;
      const attempts = new Set<number>();
      const seen: number[] = [];
      const unit = new MemoryUnit({
        batchSize: 10,
        concurrency: 2,
        definition: defineWorker({
          consumes: jobs,
          handleBatch: async (items) => {
            most = Math.max(most, ++running);
            await new Promise((resolve) => setImmediate(resolve));
            running--;
            for (const { context } of items) attempts.add(context.attempt);
            const fails = ({ n }: Job): boolean => broken && n % 2 === 1;
            if (how === 'throws' && items.some(({ message }) => fails(message))) throw down('b');
            const outcomes = items.map(({ message }) => (fails(message) ? retry(down('b')) : done()));
            for (const [index, { message }] of items.entries()) if (outcomes[index]?.kind === 'done') seen.push(message.n);
            return outcomes;
          },
        }),
      });
      await unit.assign();
      unit.deliverJobs(range(0, 20));
      await until(() => unit.intake.open === 0, 'all well');
      broken = true;
      unit.deliverJobs(Array.from({ length: 200 }, (_, n) => ({ id: `k${n % 50}`, n: 100 + n })));
      await pass(t, 30);
      const even = seen.filter((n) => n >= 100);
      assert.equal(even.length, 100);
      assert.ok(even.every((n) => n % 2 === 0));
      assert.equal(unit.pauses, 0);
      assert.equal(unit.intake.open, 100);
      broken = false;
      await pass(t, 65);
      assert.equal(unit.intake.open, 0);
      assert.deepEqual([most, [...attempts], unit.intake.tally.retried], [2, [1], 0]);
      for (let id = 0; id < 50; id++) {
        const mine = seen.filter((n) => n >= 100 && (n - 100) % 50 === id);
        assert.deepEqual(mine, mine.toSorted((a, b) => a - b), `key ${id}`); // biome-ignore format: one step
      }
      unit.close();
    });
});
