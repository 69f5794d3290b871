import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Partitioners } from 'kafkajs';
import type { Transaction } from '../../../host/src/embedded/transactions/transaction.ts';
import { TransactionStore } from '../../../host/src/embedded/transactions/transaction-store.ts';
import { connectKafka, eventually, temporaryFolder } from './broker-fixture.ts';
import { openInChild } from './child-broker.ts';
import { markersOf, startWire, TransactionWire } from './transaction-wire.ts';
import { WireClient } from './wire-client.ts';

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
    const wire = new TransactionWire(client);
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
    const { wire, fixture } = await startWire(t, await interrupted((open) => open));
    assert.deepEqual(await wire.ends(), [0, 1]);
    const me = { error: 0, producerId: (await wire.fetch(false)).batches[0]?.producerId ?? -1, producerEpoch: 0 };
    assert.equal(await wire.produce(me, 1), 0);
    assert.equal(await wire.end('a', me, true), 0);
    assert.deepEqual(await wire.ends(), [3, 3]);
    assert.equal((await fixture.admin.fetchOffsets({ groupId: 'g' }))[0]?.partitions[0]?.offset, '7');
  });

  it('is committed everywhere if that was decided', async (t) => {
    const { wire, fixture } = await startWire(t, await interrupted((open) => ({ ...open, state: 'PrepareCommit' })));
    for (const partition of [0, 1]) assert.deepEqual(markersOf(await wire.fetch(true, partition)), [undefined, 'commit']);
    const [group] = await fixture.admin.fetchOffsets({ groupId: 'g' });
    assert.deepEqual(group?.partitions, [{ partition: 0, offset: '7', metadata: 'kept' }]);
  });

  it('is aborted everywhere if that was decided, its offsets forgotten', async (t) => {
    const { wire, fixture } = await startWire(t, await interrupted((open) => ({ ...open, state: 'PrepareAbort' })));
    for (const partition of [0, 1]) assert.deepEqual(markersOf(await wire.fetch(true, partition)), [undefined, 'abort']);
    assert.deepEqual(await fixture.admin.fetchOffsets({ groupId: 'g' }), []);
  });

  it('is aborted when its time was over meanwhile', async (t) => {
    const { wire } = await startWire(t, await interrupted((open) => ({ ...open, startedAt: 1 })));
    await eventually('it is aborted', async () => markersOf(await wire.fetch(true, 1)).includes('abort'));
  });

  it('is aborted if the broker knows nothing of it any more, so that readers are not held up for ever', async (t) => {
    const dataDir = await interrupted((open) => open);
    rmSync(join(dataDir, 'transactions.log'));
    const { wire } = await startWire(t, dataDir);
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
