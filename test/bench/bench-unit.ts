import { definePlugin, defineTopic, defineWorker, type Outcome, type WorkerContext } from '@pipeline-host/sdk';
import { FailureWindow } from '../../host/src/engine/failure-window.ts';
import { HandlerSink } from '../../host/src/engine/handler-sink.ts';
import { createMessageCodec } from '../../host/src/engine/message-codec.ts';
import { RecordWriter } from '../../host/src/engine/record-writer.ts';
import { Unit } from '../../host/src/engine/unit.ts';
import type { KafkaCluster, KafkaProducer } from '../../host/src/kafka/index.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../host/src/plugins/topology.ts';
import { BenchEvent } from './events.ts';

export interface BenchUnitOptions {
  readonly cluster: KafkaCluster;
  readonly producer: KafkaProducer;
  readonly topic: string;
  readonly partitions: number;
  readonly group: string;
  readonly handle: (context: WorkerContext) => Outcome<never> | Promise<Outcome<never>>;
}

/** One member of a worker's group that reads events from a topic: the engine as it is, without plugin or config. */
export function benchUnit({ cluster, producer, topic, partitions, group, handle }: BenchUnitOptions): Unit {
  const events = defineTopic('events', BenchEvent, { key: (event) => event.traceId });
  const consumes: ResolvedTopic = { definition: events, topic, cluster: 'bench', partitions };
  const definition = defineWorker({ consumes: events, handle: (_event, context) => handle(context) });
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
    definition,
    consumes,
    produces: new Map(),
    tables: [],
    group,
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
  const unreachable = (): never => {
    throw new Error('the handlers of the bench ask for nothing');
  };
  return new Unit({
    id: worker.id,
    worker,
    topics: { retry: { lanes: 1, classes: partitions }, deadLetterPartitions: partitions },
    cluster,
    reads: 'source',
    byteBudget: 64 * 1024 * 1024,
    log,
    releaseFile: async () => {},
    onCommit: () => {},
    createSink: ({ intake, onPause, onFatal }) =>
      new HandlerSink({
        intake,
        definition,
        onRetry: worker.settings.retry.mode,
        window: new FailureWindow(worker.settings.outage),
        order: 'key',
        concurrency: 10,
        batchSize: 100,
        codec: createMessageCodec(events),
        writer: new RecordWriter({
          onFailure: () => {},
          worker,
          sourceCluster: 'bench',
          sourceClusterId: 'bench',
          layout: { lanes: 1, classes: partitions },
          deadLetterPartitions: partitions,
          largest: new Map(),
          storePayload: unreachable,
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
}
