import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ErrorCode, openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { TransactionStore } from '../../../host/src/embedded/transactions/transaction-store.ts';
import { temporaryFolder } from './broker-fixture.ts';
import { markersOf, startWire } from './transaction-wire.ts';

describe('transactions on the wire', () => {
  it('tells readers of committed records where to stop and whom to leave out', async (t) => {
    const { wire } = await startWire(t);
    const me = await wire.init('a');
    assert.deepEqual(await wire.addPartitions('a', me, [0, 1]), [0, 0]);
    assert.equal(await wire.produce(me, 0), 0);
    const open = await wire.fetch(true);
    assert.deepEqual([open.highWatermark, open.lastStableOffset, open.batches.length], [1, 0, 0]);
    assert.equal((await wire.fetch(false)).batches.length, 1);
    assert.deepEqual(await wire.ends(), [0, 1]);
    assert.equal(await wire.end('a', me, false), 0);
    const aborted = await wire.fetch(true);
    assert.deepEqual([aborted.highWatermark, aborted.lastStableOffset], [2, 2]);
    assert.deepEqual(aborted.aborted, [{ producerId: me.producerId, firstOffset: 0 }]);
    assert.deepEqual(markersOf(aborted), [undefined, 'abort']);
    assert.equal((await wire.fetch(false)).aborted, null);
    assert.equal((await wire.fetch(true, 1)).batches.length, 0, 'no marker where nothing was written');
    await wire.addPartitions('a', me, [0]);
    assert.equal(await wire.produce(me, 1), 0, 'sequences go on over transactions');
    assert.equal(await wire.end('a', me, true), 0);
    const [, , , marker] = (await wire.fetch(true)).batches;
    assert.deepEqual([marker?.marker, marker?.producerId, marker?.producerEpoch, marker?.baseOffset], ['commit', me.producerId, 0, 3]);
    assert.deepEqual(await wire.ends(), [4, 4]);
  });

  it('refuses what does not fit, with the code that clients know it by', async (t) => {
    const { wire } = await startWire(t);
    assert.equal((await wire.init('')).error, ErrorCode.INVALID_REQUEST);
    assert.equal((await wire.init('a', 0)).error, ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    assert.equal((await wire.init('a', 900_001)).error, ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    const me = await wire.init('a');
    assert.equal(await wire.end('a', me, true), ErrorCode.INVALID_TXN_STATE, 'nothing to end');
    assert.equal(await wire.produce(me, 0), ErrorCode.INVALID_TXN_STATE, 'the partition was not added');
    assert.deepEqual(await wire.addPartitions('a', me, [0, 9]), [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    assert.equal(await wire.produce(me, 0), ErrorCode.INVALID_TXN_STATE, 'all are added or none');
    assert.equal(await wire.addGroup('a', me, ''), ErrorCode.INVALID_GROUP_ID);
    assert.equal(await wire.commitOffset('a', me, 'g', 1), ErrorCode.INVALID_TXN_STATE, 'the group was not added');
    assert.deepEqual(await wire.addPartitions('b', me, [0]), [ErrorCode.INVALID_PRODUCER_ID_MAPPING]);
    assert.equal(await wire.produce({ ...me, producerId: 999 }, 0), ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    await wire.addPartitions('a', me, [0]);
    assert.equal(await wire.produce(me, 0), 0);
    assert.equal(await wire.produce(me, 1, 0, false), ErrorCode.INVALID_TXN_STATE, 'outside of its open transaction');
    assert.equal(await wire.end('a', me, true), 0);
    assert.equal(await wire.end('a', me, true), 0, 'asked once more');
    assert.equal(await wire.end('a', me, false), ErrorCode.INVALID_TXN_STATE, 'but not the other way');
    assert.equal(await wire.addGroup('a', me, 'g'), 0);
    assert.equal(await wire.commitOffset('a', me, 'g', 1, 'm'.repeat(5_000)), ErrorCode.OFFSET_METADATA_TOO_LARGE);
  });

  it('shuts out an older producer everywhere, in the words of each version', async (t) => {
    const { wire } = await startWire(t);
    const old = await wire.init('a');
    await wire.addPartitions('a', old, [0]);
    await wire.addGroup('a', old, 'g');
    await wire.produce(old, 0);
    const heir = await wire.init('a');
    assert.equal(heir.producerId, old.producerId);
    assert.ok(heir.producerEpoch > old.producerEpoch);
    assert.deepEqual(markersOf(await wire.fetch(true)), [undefined, 'abort'], 'what it left open is aborted');
    assert.equal(await wire.produce(old, 1), ErrorCode.INVALID_PRODUCER_EPOCH);
    assert.deepEqual(await wire.addPartitions('a', old, [0]), [ErrorCode.PRODUCER_FENCED]);
    assert.deepEqual(await wire.addPartitions('a', old, [0], 1), [ErrorCode.INVALID_PRODUCER_EPOCH]);
    assert.equal(await wire.addGroup('a', old, 'g'), ErrorCode.PRODUCER_FENCED);
    assert.equal(await wire.commitOffset('a', old, 'g', 1), ErrorCode.INVALID_PRODUCER_EPOCH);
    assert.equal(await wire.end('a', old, true), ErrorCode.PRODUCER_FENCED);
    assert.equal(await wire.end('a', old, true, 1), ErrorCode.INVALID_PRODUCER_EPOCH);
    await wire.addPartitions('a', heir, [0]);
    assert.equal(await wire.produce(old, 0), ErrorCode.INVALID_PRODUCER_EPOCH, 'also inside the transaction of the new one');
    assert.equal(await wire.produce(heir, 0), 0);
    assert.equal(await wire.end('a', heir, true), 0);
  });

  it('gives out a new producer id when the epochs of the old one are used up', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await openEmbeddedBroker({ dataDir });
    await first.close();
    const store = new TransactionStore(dataDir);
    const none = { startedAt: 0, partitions: [], groups: [], offsets: [] };
    store.put([{ id: 'a', producerId: 5_000, epoch: 0x7ffe, timeoutMs: 1, state: 'Empty', updatedAt: Date.now(), ...none }]);
    await store.close();
    const { wire } = await startWire(t, dataDir);
    const me = await wire.init('a');
    assert.notEqual(me.producerId, 5_000);
    assert.equal(me.producerEpoch, 0);
  });

  it('forgets a deleted topic, in a transaction that goes on with others', async (t) => {
    const { wire, fixture } = await startWire(t);
    const me = await wire.init('a');
    await wire.addPartitions('a', me, [0]);
    await wire.addGroup('a', me, 'g');
    await wire.commitOffset('a', me, 'g', 7);
    await wire.produce(me, 0);
    await fixture.admin.deleteTopics({ topics: ['t'] });
    await fixture.admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
    assert.equal(await wire.end('a', me, true), 0);
    assert.equal((await wire.fetch(true)).highWatermark, 0);
    assert.deepEqual(await fixture.admin.fetchOffsets({ groupId: 'g' }), []);
  });
});
