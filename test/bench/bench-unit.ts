import {
  definePlugin,
  defineTopic,
  defineWorker,
  type Http,
  type Outcome,
  type Output,
  output,
  type Static,
  type TopicDefinition,
  type WorkerContext,
} from '@pipeline-host/sdk';
import { HandlerSink } from '../../host/src/engine/handling/handler-sink.ts';
import { createMessageCodec } from '../../host/src/engine/messages/message-codec.ts';
import { FailureWindow } from '../../host/src/engine/outage/failure-window.ts';
import { FailureLog } from '../../host/src/engine/records/failure-log.ts';
import { RecordWriter } from '../../host/src/engine/records/record-writer.ts';
import { Unit } from '../../host/src/engine/unit.ts';
import type { KafkaCluster, KafkaProducer } from '../../host/src/kafka/index.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../host/src/plugins/topology.ts';
import { PARTITIONS } from './bench-cluster.ts';
import { BenchEvent } from './events.ts';

type Event = Static<typeof BenchEvent>;

const events = defineTopic('events', BenchEvent, { key: (event) => event.traceId });
const relayed = defineTopic('relayed', BenchEvent, { key: (event) => event.traceId });

/** Compiled once, as in a worker's process. */
const codec = createMessageCodec(events);

/** The event as an output of the worker. */
export const relay = (event: Event): Output<'relayed'> => output(relayed, event);

export interface BenchUnitOptions {
  readonly cluster: KafkaCluster;
  readonly producer: KafkaProducer;
  readonly topic: string;
  readonly group: string;
  /** 10 by default. */
  readonly concurrency?: number;
  /** Topic of what {@link relay} gives. */
  readonly sink?: string;
  /** Topics of what fails, and the wait of the one delay lane. Without it nothing may fail. */
  readonly failing?: { readonly retryTopic: string; readonly deadLetterTopic: string; readonly delay: number };
  readonly handle: (event: Event, context: WorkerContext) => Outcome<Output<'relayed'>> | Promise<Outcome<Output<'relayed'>>>;
}

/** Lane 0 and the one that waits. */
export const RETRY_PARTITIONS = 2 * PARTITIONS;

/** One member of a worker's group that reads events from a topic: the engine as it is, without plugin or config. */
export function benchUnit({ cluster, producer, topic, group, concurrency = 10, sink, failing, handle }: BenchUnitOptions): Unit {
  const resolved = (definition: TopicDefinition, physical: string): ResolvedTopic => ({
    definition,
    topic: physical,
    cluster: 'bench',
    partitions: PARTITIONS,
  });
  const definition = defineWorker({ consumes: events, produces: [relayed], handle: (event, context) => handle(event, context) });
  const delays = failing === undefined ? [] : [failing.delay];
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
    consumes: resolved(events, topic),
    produces: new Map(sink === undefined ? [] : [['relayed', resolved(relayed, sink)]]),
    tables: [],
    group,
    // A worker of another cluster reads no lanes beside its source.
    cluster: failing === undefined ? 'other' : 'bench',
    retryTopic: failing?.retryTopic ?? 'unused',
    retryShared: false,
    deadLetterTopic: failing?.deadLetterTopic ?? 'unused',
    settings: {
      concurrency,
      order: 'key',
      timeout: 60_000,
      retry: { mode: 'delay', delays, byCode: new Map(), lanes: delays, release: 1_000 },
      // The bench's handlers say themselves what fails: that is no outage.
      outage: { share: 1, keys: 10 },
      batchSize: 100,
      flush: { rows: 1, bytes: 1, age: 1 },
      start: undefined,
    },
  };
  const layout = { lanes: delays.length + 1, classes: PARTITIONS };
  const log = createLogger({ level: 'error' });
  const failures = new FailureLog(log);
  const unreachable = (): never => {
    throw new Error('the handlers of the bench ask for nothing');
  };
  const http: Http = { request: unreachable, download: unreachable, api: unreachable };
  return new Unit({
    id: worker.id,
    worker,
    topics: { retry: layout, deadLetterPartitions: PARTITIONS },
    cluster,
    reads: 'source',
    byteBudget: 64 * 1024 * 1024,
    log,
    releaseFile: async () => {},
    checkWaiting: async () => {},
    onCommit: () => {},
    refusal: () => producer.refusal([]),
    createSink: ({ intake, onPause, onFatal }) =>
      new HandlerSink({
        intake,
        definition,
        onRetry: worker.settings.retry.mode,
        window: new FailureWindow(worker.settings.outage),
        outageKeys: worker.settings.outage.keys,
        byteBudget: 64 * 1024 * 1024,
        releasePerSecond: worker.settings.retry.release,
        canDelay: worker.settings.retry.lanes.length > 0,
        order: worker.settings.order,
        concurrency,
        batchSize: worker.settings.batchSize,
        codec,
        writer: new RecordWriter({
          onFailure: (what, from, note) => failures.note(what, from, note),
          worker,
          sourceCluster: 'bench',
          sourceClusterId: 'bench',
          layout,
          deadLetterPartitions: PARTITIONS,
          largest: new Map([['relayed', 1_048_588]]),
          storePayload: unreachable,
          producerOf: () => producer,
        }),
        services: {
          config: {},
          services: {},
          log,
          metrics: { count() {}, observe() {} },
          http,
          objects: { put: unreachable, stat: unreachable },
          stagingFor: unreachable,
          timeout: worker.settings.timeout,
        },
        onHandled: () => {},
        onOverdue: () => {},
        onPause,
        onHeld: () => {},
        onFatal,
      }),
  });
}
