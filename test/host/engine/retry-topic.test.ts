import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dead, defineWorker, done, retry, TransientError } from '@pipeline-host/sdk';
import { layoutFor, newLayout, retryPartition } from '../../../host/src/retry/layout.ts';
import { ReleaseRate } from '../../../host/src/retry/release-rate.ts';
import { jobs, MemoryUnit, until } from './in-memory-unit.ts';

const busy = defineWorker({ consumes: jobs, handle: () => retry(new TransientError('SHOP_BUSY', 'busy')) });
const job = (n: number, headers: Record<string, string> = {}) => ({
  key: Buffer.from('a'),
  value: Buffer.from(JSON.stringify({ id: 'a', n })),
  headers,
});

describe('the layout of a retry topic', () => {
  it('has lanes for each source partition where the cluster allows it, else as many sets as there is room for', () => {
    assert.deepEqual(newLayout(6, 5, Number.POSITIVE_INFINITY), { lanes: 5, classes: 6 });
    assert.deepEqual(newLayout(12, 5, 32), { lanes: 5, classes: 6 });
    assert.deepEqual(newLayout(32, 1, 32), { lanes: 1, classes: 32 });
    assert.equal(newLayout(1, 33, 32), null);
  });

  it('is read from the topic: lanes that left the policy stay, sets are shared where the source has grown', () => {
    assert.deepEqual(layoutFor({ lanes: 5, wholeSets: false }, 30, 6), { lanes: 5, classes: 6 });
    assert.deepEqual(layoutFor({ lanes: 3, wholeSets: false }, 30, 6), { lanes: 5, classes: 6 });
    assert.deepEqual(layoutFor({ lanes: 5, wholeSets: false }, 30, 12), { lanes: 5, classes: 6 });
    assert.deepEqual(layoutFor({ lanes: 5, wholeSets: false }, 20, 5), { lanes: 5, classes: 4 });
    assert.equal(layoutFor({ lanes: 6, wholeSets: false }, 20, 4), null);
    assert.equal(layoutFor({ lanes: 5, wholeSets: false }, 4, 4), null);
    assert.deepEqual(layoutFor({ lanes: 5, wholeSets: true }, 30, 6), { lanes: 5, classes: 6 });
    assert.equal(layoutFor({ lanes: 5, wholeSets: true }, 31, 6), null);
  });

  it('gives each class a set of lanes', () => {
    const layout = { lanes: 5, classes: 6 };
    assert.equal(retryPartition(layout, 7, 3), 1 * 5 + 3);
    assert.equal(retryPartition(layout, 5, 0), 25);
  });
});

describe('source partitions that share lanes', () => {
  const shared = { lanes: 3, classes: 2 };

  it('have their retries in the lanes of their class, and their dead letters in their own partition', async () => {
    const unit = new MemoryUnit({ definition: busy, shared });
    await unit.assign([{ topic: 'p.jobs', partition: 3 }]);
    unit.deliver([job(1)], { partition: 3 });
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.producer.sent[0]?.partition, unit.producer.sent[0]?.headers?.['ph.origin.partition']], [1 * 3 + 1, '3']);
    unit.close();
    const second = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle: () => dead('SHOP_NO', 'never') }), shared });
    await second.assign([{ topic: 'p.w.retry', partition: 3 }]);
    second.deliver([job(1, { 'ph.origin.topic': 'p.jobs', 'ph.origin.partition': '1', 'ph.origin.offset': '5' })], {
      topic: 'p.w.retry',
      partition: 3,
    });
    await until(() => second.intake.open === 0, 'settled');
    assert.equal(second.producer.sent[0]?.partition, 1);
    second.close();
  });

  it('never have a live and a retried record of one key in work at once', async () => {
    const open: (() => void)[] = [];
    const unit = new MemoryUnit({
      shared,
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => open.push(() => resolve(done()))) }),
    });
    await unit.assign([
      { topic: 'p.jobs', partition: 3 },
      { topic: 'p.w.retry', partition: 4 },
    ]);
    unit.deliver([job(1)], { partition: 3 });
    unit.deliver([job(2, { 'ph.due-at': '1', 'ph.origin.partition': '3' })], { topic: 'p.w.retry', partition: 4 });
    assert.equal(open.length, 1);
    open.shift()?.();
    await until(() => open.length === 1, 'the next one of the key');
    open.shift()?.();
    await until(() => unit.intake.open === 0, 'settled');
    unit.close();
  });

  it('stop the unit at a record whose lanes are elsewhere now, and leave it where it is', async () => {
    const unit = new MemoryUnit({ definition: busy, shared });
    const lane = { topic: 'p.w.retry', partition: 4 };
    await unit.assign([lane]);
    unit.deliver([job(1, { 'ph.due-at': '1', 'ph.origin.partition': '2' })], lane);
    await until(() => unit.fatal !== undefined, 'fatal');
    assert.equal((unit.fatal as { code?: string }).code, 'PH_RETRY_TOPIC_SHAPE');
    assert.deepEqual([unit.intake.open, unit.producer.sent.length], [1, 0]);
    unit.close();
  });
});

describe('a retry topic that several workers share', () => {
  it('has records of others in it, which are settled unread and delay nobody', async () => {
    const seen: number[] = [];
    const unit = new MemoryUnit({
      shared: { lanes: 3, classes: 2 },
      definition: defineWorker({
        consumes: jobs,
        handle: ({ n }) => {
          seen.push(n);
          return done();
        },
      }),
    });
    const lane = { topic: 'p.w.retry', partition: 1 };
    await unit.assign([lane]);
    unit.deliver(
      [
        job(1, { 'ph.worker': 'other', 'ph.due-at': String(Date.now() + 900) }),
        job(2, { 'ph.worker': 'w', 'ph.due-at': '1' }),
        { value: Buffer.from('not even JSON'), headers: { 'ph.worker': 'other' } },
      ],
      lane,
    );
    await until(() => seen.length === 1, 'handled');
    await unit.intake.commit();
    assert.deepEqual(seen, [2]);
    assert.equal(unit.commits.at(-1)?.offset, 3);
    assert.equal(unit.producer.sent.length, 0);
    unit.close();
  });
});

describe('the release of delayed records', () => {
  it('lets as many through at once as a second allows, and then one after the other', () => {
    const rate = new ReleaseRate(100, 0);
    for (let n = 0; n < 100; n++) assert.equal(rate.take(0), 0);
    assert.equal(rate.take(0), 50);
    for (let n = 0; n < 5; n++) assert.equal(rate.take(50), 0);
    assert.equal(rate.take(50), 50);
    for (let n = 0; n < 100; n++) assert.equal(rate.take(10_000), 0);
    assert.equal(rate.take(10_000), 50);
    assert.equal(new ReleaseRate(1, 0).take(0), 0);
  });

  it('keeps a lane full of due records from a stampede, and loses none', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const seen: number[] = [];
    const unit = new MemoryUnit({
      release: 10,
      definition: defineWorker({
        consumes: jobs,
        handle: ({ n }) => {
          seen.push(n);
          return done();
        },
      }),
    });
    const lane = { topic: 'p.w.retry', partition: 1 };
    await unit.assign([lane]);
    const records = Array.from({ length: 30 }, (_, n) => ({ offset: n, ...job(n, { 'ph.due-at': '1' }) }));
    unit.deliver(records, lane);
    assert.equal(seen.length, 10);
    assert.deepEqual([...unit.paused], ['p.w.retry/1']);
    assert.deepEqual(unit.seeks.at(-1), { ...lane, offset: 10 });
    for (let rounds = 0; rounds < 40 && seen.length < 30; rounds++) {
      t.mock.timers.tick(100);
      if (unit.paused.size === 0) unit.deliver(records.slice(seen.length), lane);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 30 }, (_, n) => n),
    );
    assert.ok(Date.now() >= 1_000_000 + 2_000, 'ten a second');
    unit.close();
  });
});

describe('a delayed lane and a full byte budget', () => {
  it('stay out of each other: neither resumes what the other has paused', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const open: (() => void)[] = [];
    const unit = new MemoryUnit({
      byteBudget: 2_000,
      concurrency: 100,
      delays: [10_000],
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => open.push(() => resolve(done()))) }),
    });
    const lane = { topic: 'p.w.retry', partition: 1 };
    await unit.assign([{ topic: 'p.jobs', partition: 0 }, lane]);
    const fill = (): void => unit.deliverJobs(Array.from({ length: 20 }, (_, n) => ({ id: `k${n}`, n })));
    const drain = async (): Promise<void> => {
      for (const finish of open.splice(0)) finish();
      await until(() => unit.intake.open === 0, 'settled');
    };
    unit.deliver([job(1, { 'ph.due-at': '1005000' })], lane);
    fill();
    assert.deepEqual([...unit.paused].toSorted(), ['p.jobs/0', 'p.w.retry/1']);
    await drain();
    assert.deepEqual([...unit.paused], ['p.w.retry/1'], 'there is room again, and the lane waits on');
    fill();
    t.mock.timers.tick(5_000);
    assert.deepEqual([...unit.paused].toSorted(), ['p.jobs/0', 'p.w.retry/1'], 'it is due, and there is no room');
    await drain();
    assert.deepEqual([...unit.paused], []);
    unit.close();
  });
});
