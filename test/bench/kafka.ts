import { definePlugin, defineTopic, defineWorker, done } from '@pipeline-host/sdk';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { FailureWindow } from '../../host/src/engine/failure-window.ts';
import { HandlerSink } from '../../host/src/engine/handler-sink.ts';
import { createMessageCodec } from '../../host/src/engine/message-codec.ts';
import { RecordWriter } from '../../host/src/engine/record-writer.ts';
import { Unit } from '../../host/src/engine/unit.ts';
import { connectCluster, type KafkaCluster, type KafkaLog } from '../../host/src/kafka/index.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../host/src/plugins/topology.ts';
import { BenchEvent, eventJson } from './events.ts';
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
  const definition = defineTopic('events', BenchEvent, { key: (event) => event.traceId });
  const consumes: ResolvedTopic = { definition, topic, cluster: 'bench', partitions: PARTITIONS };
  const worker: ResolvedWorker = {
    id: 'bench.worker',
    plugin: {
      name: 'bench',
      definition: definePlugin({ name: 'bench', workers: {} }),
      manifest: { plugin: 'bench', sdk: '*' },
      packageName: 'bench',
      version: '0',
      root: '.',
      prefix: 'bench',
      config: {},
    },
    name: 'worker',
    definition: defineWorker({
      consumes: definition,
      handle: () => {
        if (seen === 0) sawFirst();
        if (++seen >= messages) sawAll();
        return done();
      },
    }),
    consumes,
    produces: new Map(),
    tables: [],
    group: `engine-${process.pid}-${serial++}`,
    cluster: 'other',
    retryTopic: 'unused',
    retryShared: false,
    deadLetterTopic: 'unused',
    settings: {
      concurrency: 10,
      order: 'key',
      timeout: 60_000,
      retry: { mode: 'delay', delays: [], byCode: new Map(), lanes: [], release: 1_000 },
      outage: { share: 0.2, keys: 10 },
      batchSize: 100,
      flush: { rows: 1, bytes: 1, age: 1 },
      start: undefined,
    },
  };
  const log = createLogger({ level: 'error' });
  const producer = await cluster.producer();
  const unreachable = (): never => {
    throw new Error('the no-op handler asks for nothing');
  };
  const unit = new Unit({
    id: worker.id,
    worker,
    topics: { retry: { lanes: 1, classes: PARTITIONS }, deadLetterPartitions: PARTITIONS },
    cluster,
    reads: 'source',
    byteBudget: 64 * 1024 * 1024,
    log,
    releaseFile: async () => {},
    onCommit: () => {},
    createSink: ({ intake, onPause, onFatal }) =>
      new HandlerSink({
        intake,
        definition: worker.definition as ReturnType<typeof defineWorker>,
        onRetry: worker.settings.retry.mode,
        window: new FailureWindow(worker.settings.outage),
        order: 'key',
        concurrency: 10,
        batchSize: 100,
        codec: createMessageCodec(definition),
        writer: new RecordWriter({
          onFailure: () => {},
          worker,
          sourceCluster: 'bench',
          sourceClusterId: 'bench',
          layout: { lanes: 1, classes: PARTITIONS },
          deadLetterPartitions: PARTITIONS,
          producerOf: () => producer,
        }),
        services: {
          config: {},
          services: {},
          log,
          metrics: { count() {}, observe() {} },
          http: { request: unreachable, download: unreachable },
          objects: { put: unreachable, stat: unreachable },
          stagingFor: unreachable,
          timeout: 60_000,
        },
        onHandled: () => {},
        onOverdue: () => {},
        onPause,
        onFatal,
      }),
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
