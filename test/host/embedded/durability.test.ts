import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Partitioners } from 'kafkajs';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { connectKafka, eventually, readAll, startBroker, temporaryFolder } from './broker-fixture.ts';
import { openInChild } from './child-broker.ts';

const freePort = async (): Promise<number> => {
  const broker = await openEmbeddedBroker({ dataDir: await temporaryFolder() });
  await broker.close();
  return Number(broker.address.split(':')[1]);
};

describe('what survives', () => {
  it('keeps topics, settings, records, offsets and metadata over a restart', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await openEmbeddedBroker({ dataDir });
    const kafka = connectKafka(first.address);
    const admin = kafka.admin();
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '-1' }] }] });
    await producer.send({ topic: 'kept', messages: [0, 1, 1].map((partition) => ({ partition, value: `p${partition}` })) });
    await admin.setOffsets({ groupId: 'g', topic: 'kept', partitions: [{ partition: 1, offset: '1' }] });
    await Promise.all([admin.disconnect(), producer.disconnect()]);
    await first.close();

    const again = await startBroker(t, { dataDir });
    assert.equal(again.broker.clusterId, first.clusterId);
    const ends = (await again.admin.fetchTopicOffsets('kept')).map(({ partition, high }) => [partition, high] as const);
    assert.deepEqual(
      ends.sort(([a], [b]) => a - b),
      [
        [0, '1'],
        [1, '2'],
      ],
    );
    const [offsets] = await again.admin.fetchOffsets({ groupId: 'g' });
    assert.deepEqual(offsets?.partitions, [{ partition: 1, offset: '1', metadata: null }]);
    const seen = await readAll(await again.consumer('other'), 'kept', 3);
    assert.deepEqual(seen.map(({ value }) => String(value)).sort(), ['p0', 'p1', 'p1']);
  });

  for (const fsync of ['interval', 'always'] as const) {
    it(`loses no acknowledged record when the broker is killed again and again (fsync ${fsync})`, async (t) => {
      const dataDir = await temporaryFolder();
      const port = await freePort();
      let broker = await openInChild({ dataDir, port, fsync });
      const kafka = connectKafka(broker.address, { retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 100 } });
      const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      const admin = kafka.admin();
      const consumer = kafka.consumer({ groupId: 'g', maxWaitTimeInMs: 100 });
      t.after(async () => {
        await Promise.all([producer.disconnect(), admin.disconnect(), consumer.disconnect()]);
        await broker.stop('SIGKILL');
      });
      await Promise.all([producer.connect(), admin.connect()]);
      await admin.createTopics({ topics: [{ topic: 'acked', numPartitions: 3 }] });

      const acknowledged = new Set<string>();
      let next = 0;
      let stop = false;
      const produce = async (): Promise<void> => {
        while (!stop) {
          const values = Array.from({ length: 20 }, () => String(next++));
          await producer.send({ topic: 'acked', messages: values.map((value) => ({ key: value, value })) });
          for (const value of values) acknowledged.add(value);
        }
      };
      const producing = Promise.all([produce(), produce()]);
      for (let kill = 0; kill < 3; kill++) {
        const target = acknowledged.size + 1_000;
        await eventually('more is acknowledged', () => acknowledged.size >= target, 30_000);
        await broker.stop('SIGKILL');
        // What a crash of the machine would leave behind the last whole batch.
        if (kill === 1) await appendFile(join(dataDir, 'topics/acked/0/00000000000000000000.log'), Buffer.alloc(100, 7));
        broker = await openInChild({ dataDir, port, fsync });
        assert.equal(broker.owner, true);
      }
      const target = acknowledged.size + 500;
      await eventually('it goes on after the last kill', () => acknowledged.size >= target, 30_000);
      stop = true;
      await producing;

      await consumer.connect();
      const seen = new Set<string>();
      await consumer.subscribe({ topics: ['acked'], fromBeginning: true });
      await consumer.run({
        eachBatch: ({ batch }) => {
          for (const { value } of batch.messages) seen.add(String(value));
          return Promise.resolve();
        },
      });
      await eventually(
        `all ${acknowledged.size} acknowledged records are there`,
        () => [...acknowledged].every((value) => seen.has(value)),
        30_000,
      );
    });
  }

  it('ignores the torn last line of the committed offsets', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await openEmbeddedBroker({ dataDir });
    const admin = connectKafka(first.address).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 't' }] });
    await admin.setOffsets({ groupId: 'g', topic: 't', partitions: [{ partition: 0, offset: '0' }] });
    await admin.disconnect();
    await first.close();
    await appendFile(join(dataDir, 'offsets.log'), 'deadbeef ["g","t",0,99');
    const again = await startBroker(t, { dataDir });
    assert.equal((await again.admin.fetchOffsets({ groupId: 'g' }))[0]?.partitions[0]?.offset, '0');
  });

  it('answers a fetch of a damaged record with an error, serves the rest and runs on', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await startBroker(t, { dataDir });
    await first.admin.createTopics({ topics: [{ topic: 'damaged', numPartitions: 1 }] });
    for (const value of ['a', 'b']) await first.producer.send({ topic: 'damaged', messages: [{ value }] });
    await first.admin.disconnect();
    await first.producer.disconnect();
    await first.broker.close();
    const folder = join(dataDir, 'topics/damaged/0');
    const path = join(folder, (await readdir(folder)).find((name) => name.endsWith('.log')) ?? '');
    const bytes = await readFile(path);
    bytes.writeUInt8((bytes.at(-3) ?? 0) ^ 0xff, bytes.length - 3);
    await writeFile(path, bytes);

    const logged: string[] = [];
    const again = await startBroker(t, { dataDir, log: (level, message) => level === 'error' && logged.push(message) });
    const consumer = await again.consumer('g');
    const seen: string[] = [];
    let crash = '';
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      crash = payload.error.message;
    });
    await consumer.subscribe({ topics: ['damaged'], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        seen.push(String(message.value));
        return Promise.resolve();
      },
    });
    await eventually('the client is told', () => /CRC/.test(crash));
    assert.ok(seen.every((value) => value === 'a'));
    assert.ok(logged.includes('cannot read records'));
    assert.equal((await again.admin.fetchTopicOffsets('damaged'))[0]?.high, '2');
  });

  it('applies retention by itself', async (t) => {
    const { admin, producer } = await startBroker(t, { retentionCheckMs: 20 });
    const configEntries = [{ name: 'retention.ms', value: '50' }];
    await admin.createTopics({ topics: [{ topic: 'short', configEntries }, { topic: 'long' }] });
    for (const topic of ['short', 'long']) await producer.send({ topic, messages: [{ value: 'x' }] });
    await eventually('the record is gone', async () => (await admin.fetchTopicOffsets('short'))[0]?.low === '1');
    assert.equal((await admin.fetchTopicOffsets('long'))[0]?.low, '0');
  });
});
