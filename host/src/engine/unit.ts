import { isPipelineError, type PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { Clock } from '../clock.ts';
import type { KafkaCluster, KafkaConsumer } from '../kafka/driver.ts';
import type { HostLog } from '../observability/logger.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import { type ClassifiedFailure, causeOf, classifyFailure, type FailureClass } from './failure-class.ts';
import { balanceOf } from './intake/balance.ts';
import { DRAIN_DEADLINE, Intake, type Sink } from './intake/intake.ts';
import type { NewerRecord, PartitionState } from './intake/partition-state.ts';
import { PartitionWatch } from './intake/partition-watch.ts';
import { ReplayGuard } from './intake/replay-guard.ts';
import type { HeldStatus, HostUnit, UnitAlert, UnitProgress, UnitState, UnitStatus } from './status.ts';
import type { WorkerTopics } from './topics.ts';

/** On top of the worker's own timeout before a unit without progress counts as stalled. */
const STALL_MARGIN = 30_000;
/** What the commit after a drain may take. */
const COMMIT_MARGIN = 2_000;

/** A sink with the life of its unit. */
export interface OwnedSink extends Sink {
  /** Something is in work that ends by itself, with no need of the clock. */
  readonly isBusy: boolean;
  readonly alerts?: readonly UnitAlert[];
  readonly held?: readonly HeldStatus[];
  readonly postponed?: number;
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
  /** Throws where a record waits in the retry topic that was put there by another division than it is read by. */
  readonly checkWaiting: () => Promise<void>;
  /** Told the seconds of each offset commit. */
  readonly onCommit: (seconds: number) => void;
  /** Why Kafka takes nothing from the worker now, or null. */
  readonly refusal: () => PipelineError | null;
  /** The system's by default. */
  readonly clock?: Clock;
  readonly createSink: (unit: UnitHooks) => OwnedSink;
}

/** What a sink tells its unit. */
export interface UnitHooks {
  readonly intake: Intake;
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  readonly onFatal: (error: unknown) => void;
}

/** One member of a worker's consumer group, from start to stop, with a truthful state. */
export class Unit implements HostUnit {
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
  /** Why its handlers wait. */
  #pause: Pause | null = null;
  /** Why nothing can be read. */
  #unreadable: Pause | null = null;
  #watch: PartitionWatch | null = null;
  /** Whether it was in its group without a break since the waiting records were checked: no member of another division was then. */
  #isChecked = false;

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
      layout: options.topics.retry,
      delays: options.worker.settings.retry.lanes,
      release: options.worker.settings.retry.release,
      addressee: options.worker.retryShared ? options.worker.name : null,
      byteBudget: options.byteBudget,
      schemaVersion: options.worker.consumes?.definition.version ?? 1,
      readBack: async (topic) => (await options.cluster.admin()).committed(options.worker.group, [topic]),
      replays: new ReplayGuard(options.cluster.scan, options.log),
      log: options.log,
      releaseFile: options.releaseFile,
      onCommit: options.onCommit,
      ...(options.clock !== undefined && { clock: options.clock }),
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
        ...(laned && { laneTopic: { source, topic: worker.retryTopic, lanes: topics.retry.lanes } }),
      },
      {
        onBatch: (batch) => this.#intake.receive(batch),
        onAssigned: async (epoch, partitions) => {
          try {
            if (!this.#isChecked) await this.#options.checkWaiting();
            this.#isChecked = true;
            await this.#intake.assign(epoch, partitions);
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
        onAccess: (refused) => this.#setUnreadable(refused === null ? null : classifyFailure(refused)),
        onRevoking: async (epoch) => {
          await this.#intake.revoke();
          log.info({ epoch }, 'partitions handed over, everything settled is committed');
        },
        onLost: (epoch) => {
          log.warn({ epoch }, 'partitions lost; what was open is handled again by the next owner');
          this.#isChecked = false;
          this.#intake.lose();
        },
        onError: (error) => this.#onConsumerError(error),
      },
    );
    this.#intake.attach(this.#sink, this.#consumer);
    this.#watch = new PartitionWatch({ admin: await cluster.admin(), partitions: () => this.#intake.partitions, log });
  }

  /** Says once when it begins and once when it ends. */
  #setPause(failure: ClassifiedFailure | null): void {
    const { log } = this.#options;
    if (failure !== null && this.#pause === null) {
      const { code, dependency, reason } = failure;
      const text = 'paused: no attempt is burned, it is probed until it passes';
      // Refused credentials are mended by people alone.
      if (failure.class === 'auth') log.error({ code, dependency, reason }, text);
      else log.warn({ code, dependency, reason }, text);
      void this.#intake.commit();
    }
    if (failure === null && this.#pause !== null) log.info({ code: this.#pause.code }, 'goes on');
    this.#pause = failure === null ? null : pauseOf(failure);
  }

  #onConsumerError(error: Error): void {
    if (this.#life === 'stopped') return;
    const cause = isPipelineError(error) ? error : new UnavailableError('PH_KAFKA_UNREACHABLE', error.message, { cause: error });
    if (cause.kind === 'fatal') {
      this.#fail(cause);
      return;
    }
    this.#options.log.warn({ error: cause }, 'consumer lost its cluster and is rebuilt');
    if (this.#life === 'running') this.#life = 'starting';
    if (cause.kind === 'auth') this.#setUnreadable(classifyFailure(cause));
  }

  /** Says once when it begins and once when it ends. */
  #setUnreadable(failure: ClassifiedFailure | null): void {
    const { log } = this.#options;
    if (failure !== null && this.#unreadable === null)
      log.error({ code: failure.code, reason: failure.reason }, 'paused: nothing can be read, it is tried again until access is given');
    if (failure === null && this.#unreadable !== null) log.info({ code: this.#unreadable.code }, 'reads again');
    this.#unreadable = failure === null ? null : pauseOf(failure);
  }

  /** What keeps it from working, where it would go on by itself once that has passed. */
  get #paused(): Pause | null {
    const paused = this.#unreadable ?? this.#pause;
    if (paused !== null) return paused;
    const refusal = this.#options.refusal();
    return refusal === null ? null : pauseOf(classifyFailure(refusal));
  }

  get #state(): UnitState {
    if (this.#failure !== null) return { kind: 'failed', ...this.#failure };
    if (this.#life === 'draining' || this.#life === 'stopped') return { kind: this.#life };
    const paused = this.#paused;
    if (paused !== null) return { kind: 'paused', code: paused.code, reason: paused.reason };
    if (this.#life === 'starting') return { kind: 'starting' };
    const waiting = this.#intake.partitions.find(({ newer }) => newer !== null);
    if (waiting?.newer) return { kind: 'paused', code: 'PH_SCHEMA_NEWER', reason: newerSchema(waiting, waiting.newer) };
    return this.#stall ?? { kind: this.#intake.open > 0 ? 'working' : 'idle' };
  }

  /**
   * No progress for longer than a record may take: open records of which none is settled, or records that nobody fetches.
   * What is fetched counts for all partitions together, since while some have much to read the others may have to wait.
   */
  get #stall(): UnitState | null {
    const { open, lastSettled, lastReceived, partitions } = this.#intake;
    const { timeout, flush } = this.worker.settings;
    const limit = ('rows' in this.worker.definition ? flush.age : timeout) + STALL_MARGIN;
    const stillFor = (...since: (number | null)[]): number =>
      performance.now() - Math.max(...since.map((at) => at ?? Number.POSITIVE_INFINITY));
    const held = this.#held;
    if (open > held) {
      // The oldest one may be held: then something is at a standstill only that came later.
      const since = held > 0 ? lastReceived : this.#oldestOpenSince();
      const still = stillFor(lastSettled, since);
      if (still <= limit) return null;
      return { kind: 'stalled', reason: `${open - held} records are open and none was settled for ${Math.round(still / 1000)} s` };
    }
    if (open > 0) return null;
    for (const { topic, partition, ledger, head, unreadSince } of partitions) {
      const still = stillFor(lastSettled, lastReceived, unreadSince);
      if (still <= limit) continue;
      const reason = `${topic}/${partition} ends at offset ${head} and nothing was fetched from ${ledger.end} on for ${Math.round(still / 1000)} s`;
      return { kind: 'stalled', reason };
    }
    return null;
  }

  /** Records that wait for a dependency, and those behind them: their standstill is none of the worker. */
  get #held(): number {
    return (this.#sink.held ?? []).reduce((sum, { records, behind }) => sum + records + behind, 0);
  }

  /** When the oldest open record came, on the monotonic clock. */
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
    const { partitions } = this.#intake;
    const isHolding = this.#life !== 'starting';
    return {
      id: this.id,
      plugin: this.worker.plugin.name,
      worker: this.worker.name,
      state: this.#state,
      counts: { received, done, skipped, retried, dead },
      open: this.#intake.open,
      delayed: isHolding ? behind(partitions.filter(({ lane }) => lane !== null)) : null,
      lag: isHolding ? behind(partitions.filter(({ lane }) => lane === null)) : null,
      oldestOpen: oldest === null ? null : Math.round(performance.now() - oldest),
      partitions: partitions.length,
      balance: isHolding ? balanceOf(partitions) : null,
      exactResume: this.#intake.exactResume,
      alerts: [...this.#accessAlerts(), ...(this.#watch?.alerts ?? []), ...(this.#sink.alerts ?? [])],
      held: this.#sink.held ?? [],
      postponed: this.#sink.postponed ?? 0,
    };
  }

  progress(): UnitProgress {
    const { received, done, skipped, retried, dead } = this.#intake.tally;
    return {
      id: this.id,
      cluster: this.#options.cluster.name,
      isBusy: this.#sink.isBusy,
      isPaused: this.#paused !== null,
      counts: { received, done, skipped, retried, dead },
      partitions: this.#intake.partitions.map(({ topic, partition, ledger, delayed }) => ({
        topic,
        partition,
        readTo: ledger.end,
        waits: delayed !== null,
      })),
    };
  }

  /** Refused credentials and rights are mended by people alone. */
  #accessAlerts(): readonly UnitAlert[] {
    const isOver = this.#failure !== null || this.#life === 'draining' || this.#life === 'stopped';
    const paused = isOver ? null : this.#paused;
    return paused?.class === 'auth' ? [{ code: paused.code, reason: paused.reason }] : [];
  }

  /** Pause, drain, commit, leave. */
  async stop(): Promise<void> {
    if (this.#life === 'stopped') return;
    this.#life = 'draining';
    await this.#starting?.catch(() => {});
    this.#watch?.close();
    await this.#consumer?.close();
    this.#sink.close();
    this.#intake.close();
    this.#life = 'stopped';
  }
}

interface Pause {
  readonly class: FailureClass;
  readonly code: string;
  readonly reason: string;
}

/** What people call it: refused credentials or rights, or an outage of something; then which, and what was said. */
function pauseOf(failure: ClassifiedFailure): Pause {
  const kind = failure.class === 'auth' ? 'auth' : 'outage';
  return { class: failure.class, code: failure.code, reason: `${kind}: ${causeOf(failure)}: ${failure.reason}` };
}

/** Records ahead of the committed offsets; null until it is known of each partition. */
function behind(partitions: readonly PartitionState[]): number | null {
  let records = 0;
  for (const { head, committed } of partitions) {
    if (head === null) return null;
    records += Math.max(0, head - committed);
  }
  return records;
}

function newerSchema({ topic, partition }: PartitionState, { offset, version }: NewerRecord): string {
  return `newer schema: ${topic}/${partition} waits at offset ${offset} for a plugin that knows version ${version}`;
}

function mayPass(error: unknown): boolean {
  return isPipelineError(error) && error.kind !== 'permanent' && error.kind !== 'fatal';
}

function describe(error: unknown): { readonly code: string; readonly reason: string } {
  const known: PipelineError | null = isPipelineError(error) ? error : null;
  return { code: known?.code ?? 'PH_UNIT_FAILED', reason: error instanceof Error ? error.message : String(error) };
}
