import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AuthError, defineWorker, done, PermanentError, PipelineError, UnavailableError } from '@pipeline-host/sdk';
import { classifyFailure } from '../../../host/src/engine/failure-class.ts';
import type { HeldStatus } from '../../../host/src/engine/status.ts';
import { type OwnedSink, Unit, type UnitHooks } from '../../../host/src/engine/unit.ts';
import type { CommitOffset, ConsumerHandlers, KafkaAdmin, KafkaCluster, KafkaConsumer } from '../../../host/src/kafka/driver.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { jobs, resolvedWorker } from './in-memory-unit.ts';

const PARTITION = { topic: 'p.jobs', partition: 0, committed: 0, metadata: null };

/** A unit on a cluster that only notes what is asked of it. */
function openUnit(sink: Partial<OwnedSink> = {}, admin: () => Promise<KafkaAdmin> = async () => ({ offsets: async () => [] }) as never) {
  const closed = { consumer: 0 };
  const commits: CommitOffset[] = [];
  const given: { handlers?: ConsumerHandlers; hooks?: UnitHooks; refusal?: PipelineError; stray?: PipelineError } = {};
  const consumer: KafkaConsumer = {
    pause() {},
    resume() {},
    seek() {},
    commit: async (_epoch, offsets) => {
      commits.push(...offsets);
      return 'committed';
    },
    close: async () => void closed.consumer++,
  };
  const cluster = {
    consume: async (_options: unknown, handlers: ConsumerHandlers) => {
      given.handlers = handlers;
      return consumer;
    },
    admin,
  } as unknown as KafkaCluster;
  const unit = new Unit({
    id: 'p.w',
    worker: resolvedWorker({ definition: defineWorker({ consumes: jobs, handle: () => done() }), timeout: 1_000 }),
    topics: { retry: { lanes: 3, classes: 1 }, deadLetterPartitions: 1 },
    cluster,
    reads: 'source',
    byteBudget: 1e6,
    log: createLogger({ level: 'silent' as never }),
    releaseFile: async () => {},
    checkWaiting: async () => {
      if (given.stray !== undefined) throw given.stray;
    },
    onCommit: () => {},
    refusal: () => given.refusal ?? null,
    createSink: (hooks) => {
      given.hooks = hooks;
      return { isBusy: false, wake() {}, drain: async () => {}, abandon() {}, close() {}, ...sink };
    },
  });
  return { unit, closed, commits, given: given as Required<typeof given> };
}

describe('a unit', () => {
  it('has its consumer rebuilt where its tables cannot be read for a moment, and is not failed by it', async () => {
    let down = true;
    const { unit, given } = openUnit({
      assigned: async () => {
        if (down) throw new UnavailableError('PH_KAFKA_UNREACHABLE', 'down');
      },
    });
    await unit.start();
    await assert.rejects(async () => given.handlers.onAssigned(1, [PARTITION]));
    assert.equal(unit.status().state.kind, 'paused');
    given.handlers.onLost(1);
    down = false;
    await given.handlers.onAssigned(2, [PARTITION]);
    assert.equal(unit.status().state.kind, 'idle');
    await unit.stop();
  });

  it('is failed, and takes no further record, where waiting mends nothing', async () => {
    let taken = 0;
    const { unit, given } = openUnit({
      assigned: async () => {
        throw new PermanentError('PH_DELTA_OFFSETS_FOREIGN', 'foreign');
      },
      wake: () => void taken++,
    });
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    assert.equal(unit.status().state.kind, 'failed');
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    assert.equal(taken, 0);
    await unit.stop();
  });

  it('is stalled when nothing settles for too long while records are open, and not by a rest before them', async (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    t.mock.timers.tick(3_600_000);
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    assert.equal(unit.status().state.kind, 'working');
    t.mock.timers.tick(1_000 + 31_000);
    assert.equal(unit.status().state.kind, 'stalled');
    await unit.stop();
  });

  it('is failed where its group does not let it in', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    given.handlers.onError(new PipelineError('PH_RETRY_DIVISION', 'other lanes'));
    await assert.rejects(unit.failed, { code: 'PH_RETRY_DIVISION' });
    assert.deepEqual(unit.status().state, { kind: 'failed', code: 'PH_RETRY_DIVISION', reason: 'other lanes' });
    await unit.stop();
  });

  it('looks at the records that wait for a retry whenever another member may have put them there, and only then', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    await given.handlers.onRevoking(1);
    given.stray = new PipelineError('PH_RETRY_TOPIC_SHAPE', 'put there by another division');
    await given.handlers.onAssigned(2, [PARTITION]);
    assert.equal(unit.status().state.kind, 'idle');
    given.handlers.onLost(2);
    await given.handlers.onAssigned(3, [PARTITION]);
    await assert.rejects(unit.failed, { code: 'PH_RETRY_TOPIC_SHAPE' });
    await unit.stop();
  });

  it('is not stalled by records that wait for a dependency, and is by one that does not', async (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    const waiting = { dependency: 'b', code: 'SHOP_DOWN', reason: 'down', since: '', postponed: 0, nextProbe: null };
    const held: HeldStatus[] = [{ ...waiting, records: 1, behind: 1 }];
    const { unit, given } = openUnit({ held });
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    const deliver = (...offsets: number[]): void => {
      const records = offsets.map((offset) => ({ offset, timestamp: 0, key: null, value: null, headers: {} }));
      given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 9, lastOffset: offsets.at(-1) ?? 0, records });
    };
    deliver(0, 1);
    t.mock.timers.tick(3_600_000);
    assert.equal(unit.status().state.kind, 'working');
    assert.deepEqual(unit.status().held, held);
    deliver(2);
    t.mock.timers.tick(1_000 + 29_000);
    assert.equal(unit.status().state.kind, 'working');
    t.mock.timers.tick(2_000);
    assert.equal(unit.status().state.kind, 'stalled');
    await unit.stop();
  });

  it('is stalled when it has records to read and fetches none for too long, and not where it cannot know or may not read', async (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setInterval', 'setTimeout'], now: 1_000_000 });
    t.mock.method(performance, 'now', () => Date.now());
    let low = 0;
    let high = 0;
    let reachable = true;
    const admin = {
      offsets: async () => {
        if (!reachable) throw new UnavailableError('PH_KAFKA_UNREACHABLE', 'down');
        return [{ partition: 0, low, high }];
      },
      describeTopics: async () => new Map(),
    };
    const { unit, given } = openUnit({}, async () => admin as never);
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    const pass = async (seconds: number): Promise<string> => {
      for (let second = 0; second < seconds; second += 2) {
        t.mock.timers.tick(2_000);
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      return unit.status().state.kind;
    };
    assert.equal(await pass(600), 'idle', 'there is nothing to read');
    high = 3;
    assert.equal(await pass(30), 'idle', 'a moment ago it came');
    reachable = false;
    assert.equal(await pass(600), 'idle', 'what is not known is held against nobody');
    reachable = true;
    assert.equal(await pass(30), 'idle');
    assert.equal(await pass(4), 'stalled');
    const { state } = unit.status();
    assert.match('reason' in state ? state.reason : '', /^p\.jobs\/0 ends at offset 3 and nothing was fetched from 0 on for 3\d s$/);
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 3, lastOffset: 2, records: [] });
    assert.equal(await pass(600), 'idle', 'records that no reader sees are read too');
    const newer = { offset: 3, timestamp: 0, key: null, value: null, headers: { 'ph.schema': 'jobs@3' } };
    low = high = 9;
    assert.equal(await pass(600), 'idle', 'what was deleted unread cannot be read');
    [low, high] = [3, 4];
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 4, lastOffset: 3, records: [newer] });
    assert.equal(await pass(30), 'paused', 'it waits, and is not to read');
    await unit.stop();
  });

  it('is not stalled by a clock that was put forward', async (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    t.mock.timers.setTime(1_000_000 + 86_400_000);
    assert.equal(unit.status().state.kind, 'working');
    await unit.stop();
  });

  it('knows its lag and its account from the ends of its partitions, asked for while nothing comes', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const high = new Map([
      ['p.jobs', 7],
      ['p.w.retry', 3],
    ]);
    let reachable = true;
    const admin = {
      offsets: async (topic: string) => {
        if (!reachable) throw new UnavailableError('PH_KAFKA_UNREACHABLE', 'down');
        return [{ partition: 0, low: 0, high: high.get(topic) }];
      },
      describeTopics: async () => new Map(),
    };
    const { unit, given } = openUnit({}, async () => admin as never);
    await unit.start();
    assert.equal(unit.status().lag, null);
    await given.handlers.onAssigned(1, [PARTITION, { ...PARTITION, topic: 'p.w.retry' }]);
    const record = { timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({
      ...PARTITION,
      epoch: 1,
      highWatermark: 4,
      lastOffset: 3,
      records: [
        { ...record, offset: 1 },
        { ...record, offset: 2 },
      ],
    });
    assert.equal(unit.status().balance, null);
    const looked = async () => {
      t.mock.timers.tick(2_000);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await looked();
    const { lag, delayed, balance } = unit.status();
    assert.deepEqual({ lag, delayed }, { lag: 6, delayed: 3 }, 'the offset before the first record is invisible, and committed');
    assert.deepEqual(balance, [
      { topic: 'p.jobs', start: 0, end: 7, invisible: 2, settled: 0, open: 5, missing: 0 },
      { topic: 'p.w.retry', start: 0, end: 3, invisible: 0, settled: 0, open: 3, missing: 0 },
    ]);
    high.set('p.jobs', 9);
    await looked();
    assert.equal(unit.status().lag, 8);
    reachable = false;
    await looked();
    assert.equal(unit.status().lag, null, 'what is not known is not shown');
    await unit.stop();
  });

  it('is paused while a partition waits for a plugin that knows a newer schema', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: { 'ph.schema': 'jobs@3' } };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    const { state } = unit.status();
    assert.ok(state.kind === 'paused');
    assert.equal(state.code, 'PH_SCHEMA_NEWER');
    assert.equal(state.reason, 'newer schema: p.jobs/0 waits at offset 0 for a plugin that knows version 3');
    given.handlers.onLost(1);
    await given.handlers.onAssigned(2, []);
    assert.equal(unit.status().state.kind, 'idle');
    await unit.stop();
  });

  it('says what is refused, and raises an alert, while it may not read', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    given.handlers.onError(new AuthError('PH_KAFKA_ACL', 'may not read p.jobs'));
    const refused = { code: 'PH_KAFKA_ACL', reason: 'auth: PH_KAFKA_ACL: may not read p.jobs' };
    assert.deepEqual(unit.status().state, { kind: 'paused', ...refused });
    assert.deepEqual(unit.status().alerts, [refused]);
    // It joins again and again; that says nothing of its rights.
    await given.handlers.onAssigned(2, [PARTITION]);
    assert.deepEqual(unit.status().state, { kind: 'paused', ...refused });
    given.handlers.onAccess(null);
    assert.equal(unit.status().state.kind, 'idle');
    assert.deepEqual(unit.status().alerts, []);
    await unit.stop();
  });

  it('is paused while Kafka refuses what it writes', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    given.refusal = new AuthError('PH_KAFKA_ACL', 'may not write p.results');
    const refused = { code: 'PH_KAFKA_ACL', reason: 'auth: PH_KAFKA_ACL: may not write p.results' };
    assert.deepEqual(unit.status().state, { kind: 'paused', ...refused });
    assert.deepEqual(unit.status().alerts, [refused]);
    await unit.stop();
    assert.deepEqual(unit.status().alerts, []);
  });

  it('says why a handler pauses it', async () => {
    const { unit, given } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    given.hooks.onPause(classifyFailure(new AuthError('API_TOKEN', 'the API answered 401', { dependency: 'api.example' })));
    const refused = { code: 'API_TOKEN', reason: 'auth: API_TOKEN of api.example: the API answered 401' };
    assert.deepEqual(unit.status().state, { kind: 'paused', ...refused });
    assert.deepEqual(unit.status().alerts, [refused]);
    given.hooks.onPause(null);
    assert.equal(unit.status().state.kind, 'idle');
    await unit.stop();
  });

  it('commits at once when it pauses', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { unit, given, commits } = openUnit();
    await unit.start();
    await given.handlers.onAssigned(1, [PARTITION]);
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    const taken = given.hooks.intake.take();
    assert.ok(taken);
    given.hooks.intake.settle(taken.partition, taken.record, 'done');
    const failure = { code: 'SHOP_DOWN', reason: 'down', class: 'hold', name: 'UnavailableError', error: null } as never;
    given.hooks.onPause(failure);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      commits.map(({ offset }) => offset),
      [1],
    );
    await unit.stop();
  });

  it('commits on a timer what comes after a rest', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { unit, given, commits } = openUnit();
    await unit.start();
    t.mock.timers.tick(1_000);
    await given.handlers.onAssigned(1, [PARTITION]);
    const record = { offset: 0, timestamp: 0, key: null, value: null, headers: {} };
    given.handlers.onBatch({ ...PARTITION, epoch: 1, highWatermark: 1, lastOffset: 0, records: [record] });
    const taken = given.hooks.intake.take();
    assert.ok(taken);
    t.mock.timers.tick(100);
    given.hooks.intake.settle(taken.partition, taken.record, 'done');
    t.mock.timers.tick(100);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      commits.map(({ offset }) => offset),
      [1],
    );
    await unit.stop();
  });

  it('leaves no consumer behind where it could not start', async () => {
    const { unit, closed } = openUnit({}, () => Promise.reject(new UnavailableError('PH_KAFKA_UNREACHABLE', 'down')));
    await assert.rejects(unit.start());
    await unit.stop();
    assert.equal(closed.consumer, 1);
  });

  it('that is stopped while it starts leaves no consumer behind', async () => {
    const { unit, closed } = openUnit();
    const starting = unit.start();
    await unit.stop();
    await starting.catch(() => {});
    assert.equal(closed.consumer, 1);
    assert.equal(unit.status().state.kind, 'stopped');
  });
});
