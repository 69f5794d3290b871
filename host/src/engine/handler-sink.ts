import { errorMessage, type Failure, isPipelineError, type Outcome, type Output, PermanentError, TransientError, type WorkerDefinition } from '@pipeline-host/sdk';
import type { KafkaRecord } from '../kafka/driver.ts';
import { classifyFailure, type ClassifiedFailure } from './failure-class.ts';
import { failedAttempts } from './headers.ts';
import type { Intake, Sink } from './intake.ts';
import type { MessageCodec } from './message-codec.ts';
import type { PartitionState } from './partition-state.ts';
import { RecordContext, type WorkerServices } from './record-context.ts';
import type { RecordWriter, SourceRecord } from './record-writer.ts';
import type { SettledAs } from './tally.ts';

/** After so long in one turn of the event loop the rest waits for the next: heartbeats and HTTP must get their time. */
const TURN_MILLISECONDS = 8;
/** Records whose outputs are on their way to the broker; above it nothing new is started. */
const MAX_UNACKNOWLEDGED = 5_000;
/** Waits between probes while the worker is paused by a failure that burns no attempt. */
const FIRST_PROBE = 1_000;
const LAST_PROBE = 60_000;
/** A failing `onDead` is tried so often before the dead letter goes out without its outputs. */
const ON_DEAD_ATTEMPTS = 3;

/** A key's records in order. It exists while one of them is in work or waiting. */
interface Lane {
  readonly waiting: WorkItem[];
  inWork: number;
  /** The batch that its records are in. */
  batch: readonly WorkItem[] | null;
}

/** One record on its way through the handler. */
class WorkItem implements SourceRecord {
  readonly state: PartitionState;
  readonly record: KafkaRecord;
  lane: Lane | null = null;
  context: RecordContext | null = null;
  message: unknown;
  startedAt = 0;
  /** Its outcome is decided; what the handler says later changes nothing. */
  concluded = false;
  /** It has given its lane and its place back. */
  finished = false;

  constructor(state: PartitionState, record: KafkaRecord) {
    this.state = state;
    this.record = record;
  }
  get topic(): string {
    return this.state.topic;
  }
  get partition(): number {
    return this.state.partition;
  }
  get source(): number {
    return this.state.source;
  }
}

export interface HandlerSinkOptions {
  readonly intake: Intake;
  readonly definition: WorkerDefinition;
  readonly order: 'key' | 'partition' | 'none';
  readonly concurrency: number;
  readonly batchSize: number;
  readonly codec: MessageCodec;
  readonly writer: RecordWriter;
  readonly services: WorkerServices;
  /** The unit pauses with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  /** Something that no retry mends: the unit fails. */
  readonly onFatal: (error: unknown) => void;
}

/** Runs handlers: one record a key at a time, many keys at once, and brings each outcome to its end. */
export class HandlerSink implements Sink {
  readonly #options: HandlerSinkOptions;
  readonly #lanes = new Map<string, Lane>();
  /** Records whose lane has become free, in the order in which they may start. */
  readonly #ready: WorkItem[] = [];
  readonly #inWork = new Set<WorkItem>();
  #running = 0;
  #unacknowledged = 0;
  #scheduled = false;
  #draining = false;
  #idle: (() => void) | null = null;
  /** Records that met a failure which burns no attempt; they keep their lanes. */
  #held: WorkItem[] = [];
  #probeWait = FIRST_PROBE;
  #probing: WorkItem | null = null;
  #probeTimer: NodeJS.Timeout | null = null;
  readonly #deadlines: NodeJS.Timeout;
  /** Records in handling at once. */
  readonly #limit: number;

  constructor(options: HandlerSinkOptions) {
    this.#options = options;
    this.#limit = options.definition.handleBatch === undefined ? options.concurrency : options.concurrency * options.batchSize;
    this.#deadlines = setInterval(() => this.#enforceDeadlines(), Math.min(250, Math.max(10, options.services.timeout / 4)));
    this.#deadlines.unref();
  }

  /** Milliseconds since the longest-running handler started, 0 where none runs. */
  get longestRunning(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const item of this.#inWork) oldest = Math.min(oldest, item.startedAt);
    return oldest === Number.POSITIVE_INFINITY ? 0 : Date.now() - oldest;
  }

  wake(): void {
    if (this.#scheduled) return;
    const until = performance.now() + TURN_MILLISECONDS;
    let started = 0;
    while (this.#mayStart()) {
      const batch = this.#options.definition.handleBatch === undefined ? null : this.#collect();
      const item = batch === null ? this.#next(null) : batch[0];
      if (item === undefined) break;
      if (batch === null) this.#start(item);
      else this.#startBatch(batch);
      if ((++started & 31) === 0 && performance.now() > until) {
        this.#scheduled = true;
        setImmediate(() => {
          this.#scheduled = false;
          this.wake();
        });
        return;
      }
    }
    this.#reportIdle();
  }

  #mayStart(): boolean {
    return this.#held.length === 0 && this.#probing === null && this.#running < this.#limit && this.#unacknowledged < MAX_UNACKNOWLEDGED;
  }

  /** The next record that may start: of a lane that became free, else a new one whose key is not in work. */
  #next(batch: readonly WorkItem[] | null): WorkItem | undefined {
    for (;;) {
      const ready = this.#ready.shift();
      if (ready !== undefined) {
        if (ready.state.closed || (this.#draining && ready.record.offset > ready.state.highestStarted)) continue;
        return ready;
      }
      const taken = this.#options.intake.take();
      if (taken === undefined) return undefined;
      const item = new WorkItem(taken.partition, taken.record);
      if (this.#lanes.size === 0) return item;
      const key = this.#laneKey(item);
      const lane = key === null ? undefined : this.#lanes.get(key);
      if (lane === undefined) return item;
      item.lane = lane;
      if (batch !== null && lane.batch === batch && lane.waiting.length === 0) return item;
      lane.waiting.push(item);
    }
  }

  #laneKey(item: WorkItem): string | null {
    switch (this.#options.order) {
      case 'none':
        return null;
      case 'partition':
        return String(item.source);
      case 'key':
        return item.record.key === null ? null : `${item.source}/${item.record.key.toString('latin1')}`;
    }
  }

  /** Holds the record's lane, so that the next one of its key waits. */
  #enterLane(item: WorkItem, batch: readonly WorkItem[] | null): void {
    const key = item.lane === null ? this.#laneKey(item) : null;
    if (key !== null) {
      item.lane = this.#lanes.get(key) ?? { waiting: [], inWork: 0, batch: null };
      this.#lanes.set(key, item.lane);
    }
    if (item.lane !== null) {
      item.lane.inWork++;
      item.lane.batch = batch;
    }
  }

  #leaveLane(item: WorkItem): void {
    const { lane } = item;
    if (lane === null || --lane.inWork > 0) return;
    lane.batch = null;
    const next = lane.waiting.shift();
    if (next !== undefined) this.#ready.push(next);
    else {
      const key = this.#laneKey(item);
      if (key !== null) this.#lanes.delete(key);
    }
  }

  #begin(item: WorkItem): boolean {
    if (item.record.offset > item.state.highestStarted) item.state.highestStarted = item.record.offset;
    item.startedAt = Date.now();
    item.concluded = false;
    item.finished = false;
    try {
      item.message = this.#options.codec.decode(item.record.value);
    } catch (error) {
      this.#enterLane(item, null);
      this.#running++;
      item.concluded = true;
      void this.#bury(item, classifyFailure(error), 'decode', []).finally(() => this.#finish(item));
      return false;
    }
    item.context = new RecordContext(this.#options.services, item.state, item.record, item.startedAt);
    return true;
  }

  #start(item: WorkItem): void {
    if (!this.#begin(item)) return;
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = this.#options.definition.handle?.(item.message, item.context as RecordContext) as Outcome | Promise<Outcome>;
    } catch (error) {
      outcome = { kind: 'retry', error, after: undefined };
    }
    if (!isPromise(outcome)) {
      if (outcome?.kind === 'done' && outcome.outputs.length === 0) {
        this.#settle(item, 'done');
        if (item.lane !== null) this.#passLane(item);
        if (this.#probing === item) this.#resume();
        return;
      }
      this.#enterLane(item, null);
      this.#running++;
      void this.#conclude(item, outcome).finally(() => this.#finish(item));
      return;
    }
    this.#enterLane(item, null);
    this.#running++;
    this.#inWork.add(item);
    void outcome
      .catch((error: unknown): Outcome => ({ kind: 'retry', error, after: undefined }))
      .then((result) => this.#conclude(item, result))
      .finally(() => this.#finish(item));
  }

  /** A record that waited in its lane and was handled at once: the lane goes to the next. */
  #passLane(item: WorkItem): void {
    if (item.lane !== null) item.lane.inWork++;
    this.#leaveLane(item);
  }

  /** Records for one call of `handleBatch`: a key's records only as an unbroken run. */
  #collect(): readonly WorkItem[] {
    const batch: WorkItem[] = [];
    while (batch.length < this.#options.batchSize) {
      const item = this.#next(batch);
      if (item === undefined) break;
      if (!this.#begin(item)) continue;
      this.#enterLane(item, batch);
      batch.push(item);
      while (item.lane !== null && item.lane.waiting.length > 0 && batch.length < this.#options.batchSize) {
        const follower = item.lane.waiting.shift();
        if (follower === undefined || !this.#begin(follower)) continue;
        this.#enterLane(follower, batch);
        batch.push(follower);
      }
    }
    return batch;
  }

  #startBatch(batch: readonly WorkItem[]): void {
    this.#running += batch.length;
    for (const item of batch) this.#inWork.add(item);
    const run = async (): Promise<readonly Outcome[]> => {
      const outcomes = await this.#options.definition.handleBatch?.(batch.map((item) => ({ message: item.message, context: item.context as RecordContext })));
      if (outcomes?.length !== batch.length) throw new PermanentError('PH_HANDLER_OUTCOME', `handleBatch returned ${outcomes?.length ?? 'no'} outcomes for ${batch.length} messages`);
      return outcomes;
    };
    void run()
      .catch((error: unknown): readonly Outcome[] => batch.map(() => ({ kind: 'retry', error, after: undefined })))
      .then((outcomes) =>
        Promise.all(batch.map((item, index) => this.#conclude(item, outcomes[index] as Outcome).finally(() => this.#finish(item)))),
      );
  }

  /** The record gives its place and its lane back, once: at its end or at its deadline. A held one keeps its lane. */
  #finish(item: WorkItem): void {
    if (item.finished) return;
    item.finished = true;
    this.#inWork.delete(item);
    this.#running--;
    if (!this.#held.includes(item)) this.#leaveLane(item);
    this.wake();
  }

  /** Brings an outcome to its end. Resolves when the record's lane may go on; acknowledgements may still be on their way. */
  async #conclude(item: WorkItem, outcome: Outcome): Promise<void> {
    if (item.concluded || item.state.closed) return;
    item.concluded = true;
    switch (outcome?.kind) {
      case 'done':
        return this.#send(item, outcome.outputs);
      case 'skip':
        return this.#settle(item, 'skipped');
      case 'dead':
        return this.#bury(item, { class: 'permanent', code: outcome.code, reason: outcome.reason, name: 'Dead', error: undefined, retryAfter: undefined }, 'handle', outcome.outputs);
      case 'retry':
        return this.#retry(item, outcome);
      default:
        return this.#bury(item, classifyFailure(new PermanentError('PH_HANDLER_OUTCOME', 'the handler returned no outcome')), 'handle', []);
    }
  }

  #send(item: WorkItem, outputs: readonly Output[]): Promise<void> | void {
    if (this.#probing === item) this.#resume();
    let encoded: ReturnType<RecordWriter['encode']>;
    try {
      encoded = this.#options.writer.encode(outputs, item);
    } catch (error) {
      return this.#bury(item, classifyFailure(error), 'handle', []);
    }
    this.#acknowledge(item, this.#options.writer.send(encoded), 'done');
  }

  async #retry(item: WorkItem, outcome: Extract<Outcome, { kind: 'retry' }>): Promise<void> {
    const failure = classifyFailure(outcome.error);
    if (failure.class === 'hold') return this.#hold(item, failure);
    if (this.#probing === item) this.#resume();
    if (failure.class === 'permanent') return this.#bury(item, failure, 'handle', []);
    const attempts = failedAttempts(item.record.headers) + 1;
    const written = this.#options.writer.retry(item, { failure, stage: 'handle', attempts }, outcome.after);
    if (written === 'exhausted') return this.#bury(item, failure, 'handle', []);
    this.#acknowledge(item, written, 'retried');
  }

  /** Outputs of `onDead` first, then the dead letter, then the record is settled. */
  async #bury(item: WorkItem, failure: ClassifiedFailure, stage: 'decode' | 'handle', outputs: readonly Output[]): Promise<void> {
    if (this.#probing === item) this.#resume();
    const attempts = failedAttempts(item.record.headers) + 1;
    const { writer, definition } = this.#options;
    let onDeadError: string | undefined;
    let all = outputs;
    if (stage === 'handle' && definition.onDead !== undefined) {
      const told = await this.#tellAuthor(item, { code: failure.code, reason: failure.reason, attempts, error: failure.error });
      if (Array.isArray(told)) all = [...outputs, ...(told as readonly Output[])];
      else onDeadError = String(told);
    }
    let encoded: ReturnType<RecordWriter['encode']> = [];
    try {
      encoded = writer.encode(all, item);
    } catch (error) {
      onDeadError = errorMessage(error);
    }
    const written = writer
      .send(encoded)
      .then(() => writer.deadLetter(item, { failure, stage, attempts, ...(onDeadError !== undefined && { onDeadError }) }));
    this.#acknowledge(item, written, 'dead');
  }

  /** Calls `onDead`; its outputs, or the text of its last error. */
  async #tellAuthor(item: WorkItem, failure: Failure): Promise<readonly Output[] | string> {
    let last = '';
    for (let attempt = 1; attempt <= ON_DEAD_ATTEMPTS; attempt++) {
      try {
        return (await this.#options.definition.onDead?.(item.message, failure, item.context as RecordContext)) ?? [];
      } catch (error) {
        last = errorMessage(error);
        item.context?.log.error({ error }, 'onDead failed');
      }
    }
    return last;
  }

  #acknowledge(item: WorkItem, written: Promise<void>, as: SettledAs): void {
    this.#unacknowledged++;
    written.then(
      () => {
        this.#unacknowledged--;
        this.#settle(item, as);
        this.wake();
      },
      (error: unknown) => {
        this.#unacknowledged--;
        if (item.state.closed) return this.wake();
        if (as !== 'dead' && isPipelineError(error) && error.kind === 'permanent') void this.#bury(item, classifyFailure(error), 'handle', []);
        else this.#options.onFatal(error);
      },
    );
  }

  #settle(item: WorkItem, as: SettledAs): void {
    this.#options.intake.settle(item.state, item.record, as);
  }

  // Failures that burn no attempt

  #hold(item: WorkItem, failure: ClassifiedFailure): void {
    this.#probing = null;
    this.#held.push(item);
    this.#options.onPause(failure);
    if (this.#probeTimer !== null) return;
    this.#probeTimer = setTimeout(() => this.#probe(), failure.retryAfter ?? this.#probeWait);
    this.#probeWait = Math.min(this.#probeWait * 2, LAST_PROBE);
  }

  /** One held record goes first; if it passes, the rest follows. */
  #probe(): void {
    this.#probeTimer = null;
    this.#held = this.#held.filter((item) => !item.state.closed);
    const item = this.#held.shift();
    if (item === undefined) return this.#resume();
    this.#probing = item;
    if (item.lane !== null) item.lane.inWork--;
    if (this.#options.definition.handleBatch === undefined) this.#start(item);
    else if (this.#begin(item)) {
      this.#enterLane(item, null);
      this.#startBatch([item]);
    }
  }

  #resume(): void {
    this.#probing = null;
    this.#probeWait = FIRST_PROBE;
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.#probeTimer = null;
    for (const item of this.#held) {
      if (item.lane !== null) item.lane.inWork--;
      this.#ready.push(item);
    }
    this.#held = [];
    this.#options.onPause(null);
    setImmediate(() => this.wake());
  }

  // Deadlines, drain, stop

  /** A handler that is over its time is told to stop and its record is retried; whatever it does later changes nothing. */
  #enforceDeadlines(): void {
    const now = Date.now();
    const { timeout } = this.#options.services;
    for (const item of this.#inWork) {
      if (now - item.startedAt < timeout || item.concluded) continue;
      const error = new TransientError('PH_HANDLER_TIMEOUT', `the handler did not end within ${timeout} ms`);
      item.context?.abort(error);
      item.context?.log.warn({ error }, 'handler over its deadline');
      void this.#conclude(item, { kind: 'retry', error, after: undefined }).finally(() => this.#finish(item));
    }
  }

  async drain(deadline: number): Promise<void> {
    this.#draining = true;
    try {
      this.wake();
      if (!this.#isDrained()) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
          this.#idle = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      for (const item of this.#inWork) item.context?.abort(new TransientError('PH_HANDLER_TIMEOUT', 'the partition is handed over'));
    } finally {
      this.#idle = null;
      this.#draining = false;
      this.#forget();
    }
  }

  #isDrained(): boolean {
    return this.#running === 0 && this.#unacknowledged === 0 && (this.#ready.length === 0 || this.#held.length > 0);
  }

  #reportIdle(): void {
    if (this.#idle !== null && this.#isDrained()) this.#idle();
  }

  /** Waiting records of an ended assignment are read again by the next owner. */
  #forget(): void {
    this.#ready.length = 0;
    for (const [key, lane] of this.#lanes) {
      lane.waiting.length = 0;
      if (lane.inWork === 0) this.#lanes.delete(key);
    }
    for (const item of this.#held) if (item.lane !== null) item.lane.inWork--;
    this.#held = [];
  }

  abandon(): void {
    this.#forget();
  }

  close(): void {
    clearInterval(this.#deadlines);
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
  }
}

function isPromise(value: unknown): value is Promise<Outcome> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
