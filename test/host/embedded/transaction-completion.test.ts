import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { OffsetStore } from '../../../host/src/embedded/groups/offset-store.ts';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { StorageFailure } from '../../../host/src/embedded/storage/append-file.ts';
import { TopicStore } from '../../../host/src/embedded/topics/topic-store.ts';
import { TransactionCoordinator } from '../../../host/src/embedded/transactions/transaction-coordinator.ts';
import { TransactionStore } from '../../../host/src/embedded/transactions/transaction-store.ts';
import { buildBatch } from './batch-builder.ts';
import { eventually, temporaryFolder } from './broker-fixture.ts';

/** A coordinator on real files whose disk flushes as long as it is told to. */
async function openCoordinator(t: TestContext) {
  const dataDir = await temporaryFolder();
  const disk = { refuses: false };
  const defaults = { maxMessageBytes: 1 << 20, segmentBytes: 1 << 20 };
  const topics = new TopicStore(dataDir, { cleanShutdown: true, defaults });
  const offsets = new OffsetStore(dataDir);
  const store = new TransactionStore(dataDir);
  const settle = () => (disk.refuses ? Promise.reject(new StorageFailure('no space left on device')) : Promise.resolve());
  const coordinator = new TransactionCoordinator({
    store,
    topics,
    offsets,
    nextProducerId: () => 7,
    isOwner: () => true,
    settle,
    log: () => {},
  });
  t.after(async () => {
    await coordinator.close();
    await Promise.all([topics.close(), offsets.close()]);
  });
  const [log] = topics.create('t', 1, {}).partitions;
  assert.ok(log);
  const { producerId, producerEpoch } = await coordinator.initProducer('a', 60_000);
  const producer = { transactionalId: 'a', producerId, producerEpoch };
  const write = (sequence: number) => {
    const batch = buildBatch({ values: ['v'], producerId, producerEpoch, sequence, transactional: true });
    return log.append(batch, (header) => coordinator.admit(header, 't', 0)).error;
  };
  return { coordinator, disk, store, offsets, log, producer, write };
}

describe('a transaction that is decided', () => {
  it('is completed when the disk takes it again, and nothing is begun before', async (t) => {
    const { coordinator, disk, store, offsets, log, producer, write } = await openCoordinator(t);
    await coordinator.addPartitions(producer, [{ topic: 't', partition: 0 }]);
    await coordinator.addGroup(producer, 'g');
    await coordinator.addOffsets(producer, 'g', [{ topic: 't', partition: 0, offset: 3, metadata: '' }]);
    assert.equal(write(0), ErrorCode.NONE);
    disk.refuses = true;
    await assert.rejects(coordinator.end(producer, true), StorageFailure);
    assert.equal(await coordinator.end(producer, true), ErrorCode.CONCURRENT_TRANSACTIONS);
    assert.equal(await coordinator.end(producer, false), ErrorCode.INVALID_TXN_STATE, 'the decision stands');
    assert.equal(await coordinator.addPartitions(producer, [{ topic: 't', partition: 0 }]), ErrorCode.CONCURRENT_TRANSACTIONS);
    assert.equal((await coordinator.initProducer('a', 60_000)).error, ErrorCode.CONCURRENT_TRANSACTIONS);
    disk.refuses = false;
    await eventually('it is complete', () => store.get('a')?.state === 'CompleteCommit', 30_000);
    assert.equal(await coordinator.end(producer, true), ErrorCode.NONE);
    assert.equal(offsets.get('g', 't', 0)?.offset, 3);
    assert.deepEqual([log.lastStableOffset, log.endOffset], [2, 2], 'one marker, however often it was tried');
  });

  it('leaves an id alone for a week after its last use, and forgets it then', async (t) => {
    const { coordinator, store, producer, write } = await openCoordinator(t);
    const inDays = (days: number): number => Date.now() + days * 86_400_000;
    await coordinator.addPartitions(producer, [{ topic: 't', partition: 0 }]);
    assert.equal(write(0), ErrorCode.NONE);
    coordinator.forgetIdle(inDays(8));
    assert.ok(store.get('a'), 'one that is going on is never forgotten');
    await coordinator.end(producer, false);
    coordinator.forgetIdle(inDays(6));
    assert.ok(store.get('a'));
    coordinator.forgetIdle(inDays(8));
    assert.equal(store.get('a'), undefined);
    assert.equal(write(1), ErrorCode.INVALID_PRODUCER_ID_MAPPING);
  });
});
