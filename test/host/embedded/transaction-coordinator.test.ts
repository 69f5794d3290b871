import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Partitioners } from 'kafkajs';
import { ErrorCode, openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import type { Transaction } from '../../../host/src/embedded/transactions/transaction.ts';
import { TransactionStore } from '../../../host/src/embedded/transactions/transaction-store.ts';
import { buildBatch, readBatches, type SeenBatch } from './batch-builder.ts';
import { connectKafka, eventually, startBroker, temporaryFolder } from './broker-fixture.ts';
import { openInChild } from './child-broker.ts';
import { WireClient } from './wire-client.ts';

interface Identity {
  readonly error: number;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The requests of a transaction as they are on the wire, on topic `t`. */
class Wire {
  readonly #client: WireClient;

  constructor(client: WireClient) {
    this.#client = client;
  }

  async init(id: string | null, timeoutMs = 60_000): Promise<Identity> {
    const answer = await this.#client.call(22, 1, (body) => body.string(id).int32(timeoutMs));
    answer.int32();
    return { error: answer.int16(), producerId: answer.int64(), producerEpoch: answer.int16() };
  }

  async addPartitions(
    id: string,
    { producerId, producerEpoch }: Identity,
    partitions: readonly number[],
    version = 2,
  ): Promise<readonly number[]> {
    const answer = await this.#client.call(24, version, (body) =>
      body
        .string(id)
        .int64(producerId)
        .int16(producerEpoch)
        .array(['t'], (topic) => body.string(topic).array(partitions, (partition) => body.int32(partition))),
    );
    answer.int32();
    return (
      answer
        .array(() => [answer.string(), answer.array(() => [answer.int32(), answer.int16()] as const)] as const)[0]?.[1]
        .map(([, error]) => error) ?? []
    );
  }

  async addGroup(id: string, { producerId, producerEpoch }: Identity, group: string): Promise<number> {
    const answer = await this.#client.call(25, 2, (body) => body.string(id).int64(producerId).int16(producerEpoch).string(group));
    answer.int32();
    return answer.int16();
  }

  async commitOffset(id: string, { producerId, producerEpoch }: Identity, group: string, offset: number, metadata = ''): Promise<number> {
    const answer = await this.#client.call(28, 2, (body) =>
      body
        .string(id)
        .string(group)
        .int64(producerId)
        .int16(producerEpoch)
        .array(['t'], (topic) =>
          body.string(topic).array([0], (partition) => body.int32(partition).int64(offset).int32(-1).string(metadata)),
        ),
    );
    answer.int32();
    return (
      answer.array(() => [answer.string(), answer.array(() => [answer.int32(), answer.int16()] as const)] as const)[0]?.[1][0]?.[1] ?? -1
    );
  }

  async end(id: string, { producerId, producerEpoch }: Identity, committed: boolean, version = 2): Promise<number> {
    const answer = await this.#client.call(26, version, (body) =>
      body.string(id).int64(producerId).int16(producerEpoch).boolean(committed),
    );
    answer.int32();
    return answer.int16();
  }

  async produce({ producerId, producerEpoch }: Identity, sequence: number, partition = 0, transactional = true): Promise<number> {
    const batch = buildBatch({ values: ['v'], producerId, producerEpoch, sequence, transactional });
    const answer = await this.#client.call(0, 3, (body) =>
      body
        .string('ignored')
        .int16(-1)
        .int32(0)
        .array(['t'], (topic) => body.string(topic).array([partition], () => body.int32(partition).bytes(batch))),
    );
    return (
      answer.array(
        () => [answer.string(), answer.array(() => [answer.int32(), answer.int16(), answer.int64(), answer.int64()])] as const,
      )[0]?.[1][0]?.[1] ?? -1
    );
  }

  async fetch(readCommitted: boolean, partition = 0): Promise<Fetched> {
    const answer = await this.#client.call(1, 4, (body) =>
      body
        .int32(-1)
        .int32(0)
        .int32(1)
        .int32(1 << 20)
        .int8(readCommitted ? 1 : 0)
        .array(['t'], (topic) =>
          body.string(topic).array([partition], () =>
            body
              .int32(partition)
              .int64(0)
              .int32(1 << 20),
          ),
        ),
    );
    answer.int32();
    const [found] = answer.array(() => {
      answer.string();
      return answer.array(() => {
        const [, error, highWatermark, lastStableOffset] = [answer.int32(), answer.int16(), answer.int64(), answer.int64()];
        const aborted = answer.nullableArray(() => ({ producerId: answer.int64(), firstOffset: answer.int64() }));
        return { error, highWatermark, lastStableOffset, aborted, batches: readBatches(answer.bytes()) };
      })[0];
    });
    assert.ok(found);
    return found;
  }

  /** The end of the partition for a reader of committed records and for any reader. */
  async ends(): Promise<readonly [committed: number, all: number]> {
    const ask = async (isolation: number): Promise<number> => {
      const answer = await this.#client.call(2, 2, (body) =>
        body
          .int32(-1)
          .int8(isolation)
          .array(['t'], (topic) => body.string(topic).array([0], () => body.int32(0).int64(-1))),
      );
      answer.int32();
      return (
        answer.array(
          () => [answer.string(), answer.array(() => [answer.int32(), answer.int16(), answer.int64(), answer.int64()])] as const,
        )[0]?.[1][0]?.[3] ?? -1
      );
    };
    return [await ask(1), await ask(0)];
  }
}

interface Fetched {
  readonly error: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[] | null;
  readonly batches: readonly SeenBatch[];
}

async function start(
  t: TestContext,
  dataDir?: string,
): Promise<{ readonly wire: Wire; readonly fixture: Awaited<ReturnType<typeof startBroker>> }> {
  const fixture = await startBroker(t, dataDir === undefined ? {} : { dataDir });
  if (dataDir === undefined) await fixture.admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
  const client = await WireClient.open(fixture.broker.address);
  t.after(() => client.close());
  return { wire: new Wire(client), fixture };
}

const markersOf = ({ batches }: Fetched): readonly (string | undefined)[] => batches.map(({ marker }) => marker);

describe('transactions on the wire', () => {
  it('tells readers of committed records where to stop and whom to leave out', async (t) => {
    const { wire } = await start(t);
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
    const { wire } = await start(t);
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
    const { wire } = await start(t);
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
    const { wire } = await start(t, dataDir);
    const me = await wire.init('a');
    assert.notEqual(me.producerId, 5_000);
    assert.equal(me.producerEpoch, 0);
  });

  it('forgets a deleted topic, in a transaction that goes on with others', async (t) => {
    const { wire, fixture } = await start(t);
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

describe('transactions through a crash', () => {
  /** A data folder as a crash leaves it after the last call: one open transaction with a record and an offset. */
  const interrupted = async (change: (open: Transaction) => Transaction): Promise<string> => {
    const dataDir = await temporaryFolder();
    const child = await openInChild({ dataDir });
    const admin = connectKafka(child.address).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
    await admin.disconnect();
    const client = await WireClient.open(child.address);
    const wire = new Wire(client);
    const me = await wire.init('a');
    await wire.addPartitions('a', me, [0, 1]);
    await wire.addGroup('a', me, 'g');
    await wire.commitOffset('a', me, 'g', 7, 'kept');
    for (const partition of [0, 1]) assert.equal(await wire.produce(me, 0, partition), 0);
    await child.stop('SIGKILL');
    client.close();
    const store = new TransactionStore(dataDir);
    const open = store.get('a');
    assert.ok(open);
    store.put([change(open)]);
    await store.close();
    return dataDir;
  };

  it('goes on where its producer goes on', async (t) => {
    const { wire, fixture } = await start(t, await interrupted((open) => open));
    assert.deepEqual(await wire.ends(), [0, 1]);
    const me = { error: 0, producerId: (await wire.fetch(false)).batches[0]?.producerId ?? -1, producerEpoch: 0 };
    assert.equal(await wire.produce(me, 1), 0);
    assert.equal(await wire.end('a', me, true), 0);
    assert.deepEqual(await wire.ends(), [3, 3]);
    assert.equal((await fixture.admin.fetchOffsets({ groupId: 'g' }))[0]?.partitions[0]?.offset, '7');
  });

  it('is committed everywhere if that was decided', async (t) => {
    const { wire, fixture } = await start(t, await interrupted((open) => ({ ...open, state: 'PrepareCommit' })));
    for (const partition of [0, 1]) assert.deepEqual(markersOf(await wire.fetch(true, partition)), [undefined, 'commit']);
    const [group] = await fixture.admin.fetchOffsets({ groupId: 'g' });
    assert.deepEqual(group?.partitions, [{ partition: 0, offset: '7', metadata: 'kept' }]);
  });

  it('is aborted everywhere if that was decided, its offsets forgotten', async (t) => {
    const { wire, fixture } = await start(t, await interrupted((open) => ({ ...open, state: 'PrepareAbort' })));
    for (const partition of [0, 1]) assert.deepEqual(markersOf(await wire.fetch(true, partition)), [undefined, 'abort']);
    assert.deepEqual(await fixture.admin.fetchOffsets({ groupId: 'g' }), []);
  });

  it('is aborted when its time was over meanwhile', async (t) => {
    const { wire } = await start(t, await interrupted((open) => ({ ...open, startedAt: 1 })));
    await eventually('it is aborted', async () => markersOf(await wire.fetch(true, 1)).includes('abort'));
  });

  it('is aborted if the broker knows nothing of it any more, so that readers are not held up for ever', async (t) => {
    const dataDir = await interrupted((open) => open);
    rmSync(join(dataDir, 'transactions.log'));
    const { wire } = await start(t, dataDir);
    assert.deepEqual(markersOf(await wire.fetch(true)), [undefined, 'abort']);
  });

  it('is all or nothing over two partitions when the broker is killed again and again', async (t) => {
    const dataDir = await temporaryFolder();
    let broker = await openInChild({ dataDir });
    const port = Number(broker.address.split(':')[1]);
    const kafka = connectKafka(broker.address, { retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 100 } });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
    const createPartitioner = Partitioners.DefaultPartitioner;
    let [attempt, stop] = [0, false];
    const acknowledged = new Set<string>();
    const transfer = async (): Promise<void> => {
      while (!stop) {
        const producer = kafka.producer({ transactionalId: 'a', idempotent: true, maxInFlightRequests: 1, createPartitioner });
        try {
          await producer.connect();
          while (!stop) {
            const value = String(attempt++);
            const transaction = await producer.transaction();
            await transaction.send({ topic: 't', messages: [0, 1].map((partition) => ({ partition, value })) });
            if (attempt % 5 === 0) await transaction.abort();
            else {
              await transaction.commit();
              acknowledged.add(value);
            }
          }
        } catch {
          // Whatever became of this transaction, it became of both its records. A new producer goes on.
        }
        await producer.disconnect().catch(() => {});
      }
    };
    const working = transfer();
    for (let kill = 0; kill < 4; kill++) {
      const target = acknowledged.size + 20 + kill;
      await eventually('more is committed', () => acknowledged.size >= target, 30_000);
      await broker.stop('SIGKILL');
      broker = await openInChild({ dataDir, port });
    }
    const target = acknowledged.size + 5;
    await eventually('it goes on after the last kill', () => acknowledged.size >= target, 30_000);
    stop = true;
    await working;
    const consumer = kafka.consumer({ groupId: 'g', maxWaitTimeInMs: 100 });
    t.after(async () => {
      await Promise.allSettled([admin.disconnect(), consumer.disconnect()]);
      await broker.stop('SIGKILL');
    });
    await consumer.connect();
    const seen: [string[], string[]] = [[], []];
    await consumer.subscribe({ topics: ['t'], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        seen[partition === 0 ? 0 : 1].push(String(message.value));
        return Promise.resolve();
      },
    });
    await eventually(
      'all that was acknowledged is there',
      () => seen.every((values) => [...acknowledged].every((value) => values.includes(value))),
      30_000,
    );
    assert.deepEqual(seen[0], seen[1]);
    assert.equal(new Set(seen[0]).size, seen[0].length, 'once');
  });
});
