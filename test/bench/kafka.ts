import { done } from '@pipeline-host/sdk';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { connectCluster, type KafkaCluster, type KafkaLog } from '../../host/src/kafka/index.ts';
import { benchUnit } from './bench-unit.ts';
import { eventJson } from './events.ts';
import { type Figure, figure, inTurns, type Run, timed } from './measure.ts';

const PARTITIONS = 6;
const BATCH = 500;
const quiet: KafkaLog = { debug() {}, info() {}, warn() {}, error() {} };
let serial = 0;

export interface KafkaFigures {
  readonly rawConsume: Figure;
  readonly engine: Figure;
  readonly rawProduce: Figure;
  readonly producer: Figure;
}

/** The engine beside raw kafkajs, and our producer beside raw `send`, on the same topic and events. */
export async function benchKafka(brokers: readonly string[], messages: number, repetitions: number): Promise<KafkaFigures> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const cluster = connectCluster({ name: 'bench', brokers, clientId: 'bench' }, quiet);
  const topic = `bench.events.${process.pid}`;
  const admin = await cluster.admin();
  const events = Array.from({ length: messages }, (_, n) => ({ key: String(n), value: eventJson(n) }));
  try {
    await admin.createTopics([{ name: topic, partitions: PARTITIONS }]);
    await produceRaw(kafka, topic, events);
    const [rawConsume, engine] = await inTurns(repetitions, [
      () => consumeRaw(kafka, topic, messages),
      () => consumeWithEngine(cluster, topic, messages),
    ]);
    const sink = `${topic}.out`;
    await admin.createTopics([{ name: sink, partitions: PARTITIONS }]);
    const [rawProduce, producer] = await inTurns(repetitions, [
      () => produceRaw(kafka, sink, events),
      () => produceOneByOne(cluster, sink, events),
    ]);
    await admin.deleteTopics([topic, sink]);
    return {
      rawConsume: figure('(a) raw kafkajs eachBatch + JSON.parse', 'msg', rawConsume ?? []),
      engine: figure('(b) engine, validated, no-op handler', 'msg', engine ?? []),
      rawProduce: figure(`(c) raw kafkajs send of ${BATCH}`, 'msg', rawProduce ?? []),
      producer: figure('(d) our producer, message by message', 'msg', producer ?? []),
    };
  } finally {
    await cluster.close();
  }
}

type Event = { readonly key: string; readonly value: string };

async function consumeRaw(kafka: Kafka, topic: string, messages: number): Promise<Run> {
  const consumer = kafka.consumer({
    groupId: `raw-${process.pid}-${serial++}`,
    maxWaitTimeInMs: 250,
    maxBytesPerPartition: 262_144,
    maxBytes: 2_097_152,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const { promise: first, resolve: sawFirst } = Promise.withResolvers<void>();
  const { promise: all, resolve: sawAll } = Promise.withResolvers<void>();
  let seen = 0;
  const running = timedFrom(first, all, messages);
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      sawFirst();
      for (const message of batch.messages) {
        JSON.parse((message.value ?? Buffer.from('null')).toString());
        seen++;
      }
      if (seen >= messages) sawAll();
    },
  });
  const run = await running;
  await consumer.disconnect();
  return run;
}

/** From the first batch to the last record: joining the group is not what is measured. */
async function timedFrom(first: Promise<void>, all: Promise<void>, messages: number): Promise<Run> {
  await first;
  return timed(messages, () => all);
}

async function consumeWithEngine(cluster: KafkaCluster, topic: string, messages: number): Promise<Run> {
  const { promise: first, resolve: sawFirst } = Promise.withResolvers<void>();
  const { promise: all, resolve: sawAll } = Promise.withResolvers<void>();
  let seen = 0;
  const producer = await cluster.producer();
  const unit = benchUnit({
    cluster,
    producer,
    topic,
    partitions: PARTITIONS,
    group: `engine-${process.pid}-${serial++}`,
    handle: () => {
      if (seen === 0) sawFirst();
      if (++seen >= messages) sawAll();
      return done();
    },
  });
  const running = timedFrom(first, all, messages);
  await unit.start();
  const run = await running;
  await unit.stop();
  await producer.close();
  return run;
}

async function produceRaw(kafka: Kafka, topic: string, events: readonly Event[]): Promise<Run> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const run = await timed(events.length, async () => {
    for (let start = 0; start < events.length; start += BATCH) await producer.send({ topic, messages: events.slice(start, start + BATCH) });
  });
  await producer.disconnect();
  return run;
}

async function produceOneByOne(cluster: KafkaCluster, topic: string, events: readonly Event[]): Promise<Run> {
  const producer = await cluster.producer();
  const run = await timed(events.length, async () => {
    await Promise.all(events.map(({ key, value }) => producer.send({ topic, key, value })));
  });
  await producer.close();
  return run;
}
