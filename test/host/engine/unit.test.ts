import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, done, PermanentError, UnavailableError } from '@pipeline-host/sdk';
import type { Sink } from '../../../host/src/engine/intake.ts';
import { Unit, type UnitHooks } from '../../../host/src/engine/unit.ts';
import type { ConsumerHandlers, KafkaAdmin, KafkaCluster, KafkaConsumer } from '../../../host/src/kafka/driver.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { jobs, resolvedWorker } from './in-memory-unit.ts';

const PARTITION = { topic: 'p.jobs', partition: 0, committed: 0, metadata: null };

/** A unit on a cluster that only notes what is asked of it. */
function openUnit(sink: Partial<Sink> = {}, admin: () => Promise<KafkaAdmin> = async () => ({ offsets: async () => [] }) as never) {
  const closed = { consumer: 0 };
  const given: { handlers?: ConsumerHandlers; hooks?: UnitHooks } = {};
  const consumer: KafkaConsumer = {
    pause() {},
    resume() {},
    seek() {},
    commit: async () => 'committed',
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
    onCommit: () => {},
    createSink: (hooks) => {
      given.hooks = hooks;
      return { wake() {}, drain: async () => {}, abandon() {}, close() {}, ...sink };
    },
  });
  return { unit, closed, given: given as Required<typeof given> };
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
