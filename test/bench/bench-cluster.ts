import { Kafka, logLevel } from 'kafkajs';
import { connectCluster, type KafkaAdmin, type KafkaCluster, type KafkaLog, type KafkaProducer } from '../../host/src/kafka/index.ts';

/** Partitions of each topic, and of what is retried. */
export const PARTITIONS = 6;

const quiet: KafkaLog = { debug() {}, info() {}, warn() {}, error() {} };
let serial = 0;

/** A name that no other run has. */
export const fresh = (name: string): string => `bench.${name}.${process.pid}.${serial++}`;

/** Both clients of one broker. Disposing closes ours and deletes the topics that were made. */
export interface BenchCluster extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly cluster: KafkaCluster;
  readonly admin: KafkaAdmin;
  readonly producer: KafkaProducer;
  /** A new topic. */
  topic(name: string, partitions?: number): Promise<string>;
}

export async function openBenchCluster(brokers: readonly string[]): Promise<BenchCluster> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const cluster = connectCluster({ name: 'bench', brokers, clientId: 'bench' }, quiet);
  const admin = await cluster.admin();
  const topics: string[] = [];
  return {
    kafka,
    cluster,
    admin,
    producer: await cluster.producer(),
    async topic(name, partitions = PARTITIONS) {
      const topic = fresh(name);
      await admin.createTopics([{ name: topic, partitions }]);
      topics.push(topic);
      return topic;
    },
    async [Symbol.asyncDispose]() {
      await admin.deleteTopics(topics);
      await cluster.close();
    },
  };
}

/** Sends so many messages, each with a key of its own, and waits until all are acknowledged. */
export async function publish(producer: KafkaProducer, topic: string, count: number, value: (n: number) => string): Promise<void> {
  const AT_ONCE = 5_000;
  for (let start = 0; start < count; start += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) => start + index);
    await producer.sendAll(numbers.map((n) => ({ topic, key: String(n), value: value(n) })));
  }
}
