import { definePlugin, defineTopic, type Http, Id, type Log, Type, type WorkerDefinition } from '@pipeline-host/sdk';
import type { ClassifiedFailure } from '../../../host/src/engine/failure-class.ts';
import { HandlerSink } from '../../../host/src/engine/handling/handler-sink.ts';
import { Intake } from '../../../host/src/engine/intake/intake.ts';
import { createMessageCodec } from '../../../host/src/engine/messages/message-codec.ts';
import { FailureWindow, type OutageLimits } from '../../../host/src/engine/outage/failure-window.ts';
import { RecordWriter, type RecordWriterOptions } from '../../../host/src/engine/records/record-writer.ts';
import type { CommitOffset, KafkaRecord, TopicPartition } from '../../../host/src/kafka/driver.ts';
import type { LoadedPlugin, ResolvedTopic, ResolvedWorker } from '../../../host/src/plugins/topology.ts';
import type { RetryLayout } from '../../../host/src/retry/layout.ts';
import { MemoryProducer } from '../../../host/src/testing/memory-producer.ts';

export const Job = Type.Object({ id: Id(), n: Type.Integer() });
export const jobs = defineTopic('jobs', Job, { key: (job) => job.id });
export const results = defineTopic('results', Job, { key: (job) => job.id });

const silent: Log & { child(): Log } = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export interface MemoryUnitOptions {
  readonly definition: WorkerDefinition;
  readonly concurrency?: number;
  readonly timeout?: number;
  readonly delays?: readonly number[];
  readonly byteBudget?: number;
  readonly order?: 'key' | 'partition' | 'none';
  readonly batchSize?: number;
  readonly onRetry?: 'delay' | 'hold';
  readonly outage?: OutageLimits;
  readonly release?: number;
  readonly byCode?: Readonly<Record<string, readonly number[]>>;
  /** The retry topic is shared with other workers, and has these lanes. */
  readonly shared?: RetryLayout;
  readonly http?: Http;
  /** Bytes of the largest batch that the topic `results` takes. */
  readonly largest?: number;
  /** Where the record of a dead letter goes that the topic does not take. */
  readonly storePayload?: RecordWriterOptions['storePayload'];
}

/** A worker as the topology has it: `p.jobs` in, `p.results` out, two lanes. */
export function resolvedWorker(options: MemoryUnitOptions): ResolvedWorker {
  const topic = (definition: typeof jobs | typeof results): ResolvedTopic => ({
    definition,
    topic: `p.${definition.name}`,
    cluster: 'default',
    partitions: 2,
  });
  const plugin: LoadedPlugin = {
    name: 'p',
    definition: definePlugin({ name: 'p', workers: {} }),
    manifest: { plugin: 'p', sdk: '*' },
    packageName: 'p',
    version: '1.2.3',
    root: '/',
    prefix: 'p',
    config: {},
  };
  return {
    id: 'p.w',
    plugin,
    name: 'w',
    definition: options.definition,
    consumes: topic(jobs),
    produces: new Map([['results', topic(results)]]),
    tables: [],
    group: 'p-w',
    cluster: 'default',
    retryTopic: 'p.w.retry',
    retryShared: options.shared !== undefined,
    deadLetterTopic: 'p.dlq',
    settings: {
      concurrency: options.concurrency ?? 4,
      order: options.order ?? 'key',
      timeout: options.timeout ?? 60_000,
      retry: {
        mode: options.onRetry ?? 'delay',
        delays: options.delays ?? [1_000, 2_000],
        byCode: new Map(Object.entries(options.byCode ?? {})),
        lanes: options.delays ?? [1_000, 2_000],
        release: options.release ?? 1_000,
      },
      outage: options.outage ?? { share: 0.2, keys: 10 },
      batchSize: options.batchSize ?? 10,
      flush: { rows: 1, bytes: 1, age: 1 },
      start: undefined,
    },
  };
}

/** One worker's intake and handlers on an in-memory log: what the engine does without Kafka. */
export class MemoryUnit {
  readonly producer = new MemoryProducer();
  readonly intake: Intake;
  readonly sink: HandlerSink;
  readonly commits: CommitOffset[] = [];
  readonly paused = new Set<string>();
  readonly seeks: (TopicPartition & { offset: number })[] = [];
  readonly released: string[] = [];
  pause: ClassifiedFailure | null = null;
  /** How often something paused it, or kept it paused. */
  pauses = 0;
  resumes = 0;
  overdue = 0;
  /** Each time that the share of bad records became high, or low again. */
  readonly badRecords: boolean[] = [];
  /** Each time that records began to wait for a dependency, or waited no more. */
  readonly told: boolean[] = [];
  fatal: unknown;
  /** What a commit waits for before it is stored. */
  commitGate: Promise<void> = Promise.resolve();
  commitCalls = 0;
  #epoch = 0;
  #next = new Map<string, number>();

  constructor(options: MemoryUnitOptions) {
    const worker = resolvedWorker(options);
    const { retry } = worker.settings;
    const layout = options.shared ?? { lanes: retry.lanes.length + 1, classes: 2 };
    this.intake = new Intake({
      sourceTopic: 'p.jobs',
      layout,
      delays: retry.lanes,
      release: retry.release,
      addressee: worker.retryShared ? worker.name : null,
      schemaVersion: 1,
      readBack: async () => [],
      byteBudget: options.byteBudget ?? 1e9,
      replays: { verdict: () => 'first' },
      log: silent,
      releaseFile: async (uri) => void this.released.push(uri),
      onCommit: () => {},
    });
    const unreachable = (): never => {
      throw new Error('not part of this test');
    };
    this.sink = new HandlerSink({
      intake: this.intake,
      definition: options.definition,
      onRetry: retry.mode,
      window: new FailureWindow({ ...worker.settings.outage, onBad: (high) => void this.badRecords.push(high) }),
      outageKeys: worker.settings.outage.keys,
      byteBudget: options.byteBudget ?? 1e9,
      releasePerSecond: retry.release,
      canDelay: retry.mode === 'delay' && retry.lanes.length > 0,
      order: worker.settings.order,
      concurrency: worker.settings.concurrency,
      batchSize: worker.settings.batchSize,
      codec: createMessageCodec(jobs),
      writer: new RecordWriter({
        onFailure: () => {},
        worker,
        sourceCluster: 'default',
        sourceClusterId: 'c1',
        layout,
        deadLetterPartitions: 2,
        largest: new Map(options.largest === undefined ? [] : [['results', options.largest]]),
        storePayload: options.storePayload ?? unreachable,
        producerOf: () => this.producer,
      }),
      services: {
        config: {},
        services: {},
        log: silent,
        metrics: { count() {}, observe() {} },
        http: options.http ?? { request: unreachable, download: unreachable, api: unreachable },
        objects: { put: unreachable, stat: unreachable },
        stagingFor: (release) => ({ has: unreachable, open: unreachable, release }),
        timeout: worker.settings.timeout,
      },
      onHandled: () => {},
      onOverdue: (by) => {
        this.overdue += by;
      },
      onPause: (failure) => {
        this.pause = failure;
        if (failure === null) this.resumes++;
        else this.pauses++;
      },
      onHeld: (held) => void this.told.push(held),
      onFatal: (error) => {
        this.fatal = error;
      },
    });
    const name = ({ topic: at, partition }: TopicPartition): string => `${at}/${partition}`;
    this.intake.attach(this.sink, {
      pause: (list) => {
        for (const one of list) this.paused.add(name(one));
      },
      resume: (list) => {
        for (const one of list) this.paused.delete(name(one));
      },
      seek: (position) => void this.seeks.push(position),
      commit: async (epoch, offsets) => {
        this.commitCalls++;
        await this.commitGate;
        if (epoch !== this.#epoch) return 'stale';
        this.commits.push(...offsets);
        return 'committed';
      },
      close: async () => {},
    });
  }

  async assign(
    partitions: readonly (TopicPartition & { committed?: number; metadata?: string })[] = [{ topic: 'p.jobs', partition: 0 }],
  ): Promise<void> {
    this.#epoch++;
    await this.intake.assign(
      this.#epoch,
      partitions.map((one) => ({
        topic: one.topic,
        partition: one.partition,
        committed: one.committed ?? 0,
        metadata: one.metadata ?? null,
      })),
    );
  }

  /** The driver says that the assignment is gone. */
  lose(): void {
    this.intake.lose();
    this.#next.clear();
  }

  /** Delivers records at the next offsets of a partition. */
  deliver(records: readonly Partial<KafkaRecord>[], { topic = 'p.jobs', partition = 0, highWatermark = 0 } = {}): void {
    const place = `${topic}/${partition}`;
    const start = this.#next.get(place) ?? 0;
    this.#next.set(place, start + records.length);
    this.intake.receive({
      topic,
      partition,
      epoch: this.#epoch,
      highWatermark: Math.max(highWatermark, start + records.length),
      lastOffset: start + records.length - 1,
      records: records.map((record, index) => ({
        offset: start + index,
        timestamp: 1_700_000_000_000,
        key: null,
        value: null,
        headers: {},
        ...record,
      })),
    });
  }

  deliverJobs(jobsGiven: readonly { readonly id: string; readonly n: number }[], place = {}): void {
    this.deliver(
      jobsGiven.map((job) => ({ key: Buffer.from(job.id), value: Buffer.from(JSON.stringify(job)) })),
      place,
    );
  }

  async committedOffset(partition = 0): Promise<number> {
    await this.intake.commit();
    return this.commits.findLast((commit) => commit.topic === 'p.jobs' && commit.partition === partition)?.offset ?? 0;
  }

  close(): void {
    this.sink.close();
    this.intake.close();
  }
}

/** Waits for a condition with a deadline. */
export async function until(condition: () => boolean, what: string, deadline = 5_000): Promise<void> {
  const end = performance.now() + deadline;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${deadline} ms`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
