import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KafkaCluster } from '../../host/src/kafka/driver.ts';
import { clusterOf, join, unique, until } from '../host/kafka/contract-kit.ts';
import { runJava } from './apache-kafka.ts';
import { brokerKind, brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const lines = CODECS.flatMap((codec) => Array.from({ length: 100 }, (_, i) => `${codec} ${i} ${'x'.repeat(1500)}`));

for (const kind of brokerKind() === 'external' ? (['external'] as const) : (['embedded', 'apache'] as const))
  describe(`Kafka's own client and ours, on ${kind}`, { skip: brokerMissing() }, () => {
    let broker: TestBroker;
    let cluster: KafkaCluster;
    before(async () => {
      broker = await openSharedBroker(kind);
      cluster = clusterOf(broker.brokers);
    });
    after(async () => {
      await cluster?.close();
      await broker?.close();
    });

    it('read what the other has written, in every codec', async () => {
      const [theirs, ours] = [unique('theirs'), unique('ours')];
      await (await cluster.admin()).createTopics([theirs, ours].map((name) => ({ name, partitions: 1 })));
      for (const compression of CODECS) {
        const producer = await cluster.producer({ compression });
        const own = lines.filter((line) => line.startsWith(compression));
        await producer.sendAll(own.map((value) => ({ topic: ours, partition: 0, key: null, value })));
        await producer.close();
      }
      assert.deepEqual((await runJava('Codecs.java', [broker.brokers.join(), theirs, ours])).trimEnd().split('\n'), lines);
      const member = await join(cluster, { group: unique('g'), topics: [theirs] });
      await until('all records', () => member.records.length === lines.length);
      assert.deepEqual(
        member.records.map(({ value, key, unreadable }) => [String(value), String(key), unreadable]),
        lines.map((line) => [line, line.split(' ')[0], undefined]),
      );
      await member.consumer.close();
    });
  });
