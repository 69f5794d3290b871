import { isPipelineError, PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { KafkaAdmin, KafkaCluster, KafkaConsumer, TopicPartition } from '../kafka/driver.ts';
import type { HostLog } from '../observability/logger.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import { type ClassifiedFailure, classifyFailure } from './failure-class.ts';
import { DRAIN_DEADLINE, Intake, type Sink } from './intake.ts';
import { ReplayGuard } from './replay-guard.ts';
import type { UnitState, UnitStatus } from './status.ts';
import { hasLaneOfReplaysAlone, type WorkerTopics } from './topics.ts';

/** Lag and delayed records are asked for on a timer, not by traffic. */
const PROBE_INTERVAL = 2_000;
/** On top of the worker's own timeout before a unit without progress counts as stalled. */
const STALL_MARGIN = 30_000;
/** What the commit after a drain may take. */
const COMMIT_MARGIN = 2_000;

/** A sink with the life of its unit. */
export interface OwnedSink extends Sink {
  close(): void;
}

export interface UnitOptions {
  readonly id: string;
  readonly worker: ResolvedWorker;
  readonly topics: WorkerTopics;
  /** The cluster that the worker consumes from. */
  readonly cluster: KafkaCluster;
  /** `retry`: the retry topic alone. */
  readonly reads: 'source' | 'retry';
  readonly byteBudget: number;
  readonly log: HostLog;
  readonly releaseFile: (uri: string) => Promise<void>;
  /** Told the seconds of each offset commit. */
  readonly onCommit: (seconds: number) => void;
  readonly createSink: (unit: UnitHooks) => OwnedSink;
}

/** What a sink tells its unit. */
export interface UnitHooks {
  readonly intake: Intake;
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  readonly onFatal: (error: unknown) => void;
}

/** One member of a worker's consumer group, from start to stop, with a truthful state. */
export class Unit {
  readonly id: string;
  readonly worker: ResolvedWorker;
  /** Rejects when the unit failed for good. */
  readonly failed: Promise<never>;
  readonly #options: UnitOptions;
  readonly #intake: Intake;
  readonly #sink: OwnedSink;
  readonly #fail: (error: unknown) => void;
  #starting: Promise<void> | null = null;
  #consumer: KafkaConsumer | null = null;
  #life: 'starting' | 'running' | 'draining' | 'stopped' = 'starting';
  #failure: { readonly code: string; readonly reason: string } | null = null;
  #pause: { readonly code: string; readonly reason: string } | null = null;
  #probe: NodeJS.Timeout | null = null;
  #lag: number | null = null;
  #delayed: number | null = null;

  constructor(options: UnitOptions) {
    this.id = options.id;
    this.worker = options.worker;
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.failed = promise;
    this.#fail = (error) => {
      this.#failure = describe(error);
      // Its partitions wait: what came after would only pile up above the record that cannot be settled.
      this.#intake.stopAccepting();
      options.log.error({ error }, `unit ${options.id} failed`);
      reject(error);
    };
    this.#intake = new Intake({
      sourceTopic: options.reads === 'source' ? (options.worker.consumes?.topic ?? '') : '',
      lanes: options.topics.lanes,
      delays: options.worker.settings.retryDelays,
      byteBudget: options.byteBudget,
      replays: new ReplayGuard(options.cluster.scan, options.log),
      log: options.log,
      releaseFile: options.releaseFile,
      onCommit: options.onCommit,
    });
    this.#sink = options.createSink({
      intake: this.#intake,
      onPause: (failure) => this.#setPause(failure),
      onFatal: this.#fail,
    });
  }

  /** Joins the group. Resolves when the member is connected; the first assignment follows. */
  start(): Promise<void> {
    this.#starting ??= this.#join();
    return this.#starting;
  }

  async #join(): Promise<void> {
    const { worker, cluster, topics, reads, log } = this.#options;
    const source = worker.consumes?.topic ?? '';
    const laned = reads === 'source' && worker.consumes?.cluster === worker.cluster;
    this.#consumer = await cluster.consume(
      {
        group: worker.group,
        topics: [reads === 'source' ? source : worker.retryTopic],
        drainDeadline: DRAIN_DEADLINE + COMMIT_MARGIN,
        ...(laned && { laneTopic: { source, topic: worker.retryTopic, lanes: topics.lanes } }),
      },
      {
        onBatch: (batch) => this.#intake.receive(batch),
        onAssigned: async (epoch, partitions) => {
          try {
            await this.#intake.assign(epoch, partitions);
            this.#checkLanes(partitions);
            log.info({ epoch, partitions: partitions.length }, 'partitions assigned');
            this.#pause = null;
            this.#life = this.#life === 'starting' ? 'running' : this.#life;
          } catch (error) {
            // What may pass is left to the consumer, which is built again, and asks again, until it passes.
            if (!mayPass(error)) return this.#fail(error);
            this.#setPause(classifyFailure(error));
            throw error;
          }
        },
        onRevoking: async (epoch) => {
          await this.#intake.revoke();
          log.info({ epoch }, 'partitions handed over, everything settled is committed');
        },
        onLost: (epoch) => {
          log.warn({ epoch }, 'partitions lost; what was open is handled again by the next owner');
          this.#intake.lose();
        },
        onError: (error) => this.#onConsumerError(error),
      },
    );
    this.#intake.attach(this.#sink, this.#consumer);
    const admin = await cluster.admin();
    this.#probe = setInterval(() => void this.#measure(admin), PROBE_INTERVAL);
    this.#probe.unref();
  }

  /** The source may have grown while the host ran: the lanes of its new partitions are not there. */
  #checkLanes(partitions: readonly TopicPartition[]): void {
    const { worker, topics } = this.#options;
    if (hasLaneOfReplaysAlone(worker)) return;
    const beyond = partitions.find(({ topic, partition }) => topic === worker.consumes?.topic && partition >= topics.sourcePartitions);
    if (beyond === undefined) return;
    throw new PipelineError(
      'PH_RETRY_TOPIC_SHAPE',
      `${worker.retryTopic} was made for ${topics.sourcePartitions} partitions of ${beyond.topic}, which now has partition ${beyond.partition}`,
      { place: `worker ${worker.id}` },
    );
  }

  /** Says once when it begins and once when it ends. */
  #setPause(failure: ClassifiedFailure | null): void {
    const { log } = this.#options;
    if (failure !== null && this.#pause === null)
      log.warn({ code: failure.code, reason: failure.reason }, 'paused: no attempt is burned, it is probed until it passes');
    if (failure === null && this.#pause !== null) log.info({ code: this.#pause.code }, 'goes on');
    this.#pause = failure;
  }

  #onConsumerError(error: Error): void {
    if (this.#life === 'stopped') return;
    const cause = isPipelineError(error) ? error : new UnavailableError('PH_KAFKA_UNREACHABLE', error.message, { cause: error });
    this.#options.log.warn({ error: cause }, 'consumer lost its cluster and is rebuilt');
    if (this.#life === 'running') this.#life = 'starting';
    if (cause.kind === 'auth') this.#pause = { code: cause.code, reason: cause.message };
  }

  async #measure(admin: KafkaAdmin): Promise<void> {
    try {
      const ends = new Map<string, number>();
      for (const topic of new Set(this.#intake.partitions.map((state) => state.topic))) {
        for (const { partition, high } of await admin.offsets(topic)) ends.set(`${topic}/${partition}`, high);
      }
      let lag = 0;
      let delayed = 0;
      for (const state of this.#intake.partitions) {
        const behind = Math.max(0, (ends.get(`${state.topic}/${state.partition}`) ?? 0) - state.committed);
        if (state.lane === null) lag += behind;
        else delayed += behind;
      }
      this.#lag = lag;
      this.#delayed = delayed;
    } catch {
      this.#lag = null;
      this.#delayed = null;
    }
  }

  get #state(): UnitState {
    if (this.#failure !== null) return { kind: 'failed', ...this.#failure };
    if (this.#life === 'draining' || this.#life === 'stopped') return { kind: this.#life };
    if (this.#pause !== null) return { kind: 'paused', code: this.#pause.code, reason: this.#pause.reason };
    if (this.#life === 'starting') return { kind: 'starting' };
    const open = this.#intake.open;
    const { timeout, flush } = this.worker.settings;
    const limit = ('rows' in this.worker.definition ? flush.age : timeout) + STALL_MARGIN;
    const still = Date.now() - Math.max(this.#intake.lastSettled, this.#oldestOpenSince() ?? Number.POSITIVE_INFINITY);
    if (open > 0 && still > limit)
      return { kind: 'stalled', reason: `${open} records are open and none was settled for ${Math.round(still / 1000)} s` };
    return { kind: open > 0 ? 'working' : 'idle' };
  }

  /** Epoch milliseconds when the oldest open record came. */
  #oldestOpenSince(): number | null {
    let oldest: number | null = null;
    for (const state of this.#intake.partitions) {
      const since = state.oldestOpenSince();
      if (since !== null && (oldest === null || since < oldest)) oldest = since;
    }
    return oldest;
  }

  status(): UnitStatus {
    const { received, done, skipped, retried, dead } = this.#intake.tally;
    const oldest = this.#oldestOpenSince();
    return {
      id: this.id,
      plugin: this.worker.plugin.name,
      worker: this.worker.name,
      state: this.#state,
      counts: { received, done, skipped, retried, dead },
      open: this.#intake.open,
      delayed: this.#delayed,
      lag: this.#lag,
      oldestOpen: oldest === null ? null : Date.now() - oldest,
      partitions: this.#intake.partitions.length,
    };
  }

  /** Pause, drain, commit, leave. */
  async stop(): Promise<void> {
    if (this.#life === 'stopped') return;
    this.#life = 'draining';
    await this.#starting?.catch(() => {});
    if (this.#probe !== null) clearInterval(this.#probe);
    await this.#consumer?.close();
    this.#sink.close();
    this.#intake.close();
    this.#life = 'stopped';
  }
}

function mayPass(error: unknown): boolean {
  return isPipelineError(error) && error.kind !== 'permanent' && error.kind !== 'fatal';
}

function describe(error: unknown): { readonly code: string; readonly reason: string } {
  const known: PipelineError | null = isPipelineError(error) ? error : null;
  return { code: known?.code ?? 'PH_UNIT_FAILED', reason: error instanceof Error ? error.message : String(error) };
}
