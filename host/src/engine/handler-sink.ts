import { type Order, type Outcome, PermanentError, TransientError, type WorkerDefinition } from '@pipeline-host/sdk';
import { Conclusion } from './conclusion.ts';
import { type ClassifiedFailure, classifyFailure, declaredDead } from './failure-class.ts';
import { Holding } from './holding.ts';
import type { Intake, Sink } from './intake.ts';
import { Lanes } from './lanes.ts';
import type { MessageCodec } from './message-codec.ts';
import { RecordContext, type WorkerServices } from './record-context.ts';
import type { RecordWriter } from './record-writer.ts';
import { type BatchCall, type BatchMark, WorkItem } from './work-item.ts';

/** After so long in one turn of the event loop the rest waits for the next: heartbeats and HTTP must get their time. */
const TURN_MILLISECONDS = 8;
/** Records whose outputs are on their way to the broker; above it nothing new is started. */
const MAX_UNACKNOWLEDGED = 5_000;
export interface HandlerSinkOptions {
  readonly intake: Intake;
  readonly definition: WorkerDefinition;
  readonly order: Order;
  /** Calls of the handler at once. */
  readonly concurrency: number;
  readonly batchSize: number;
  readonly codec: MessageCodec;
  readonly writer: RecordWriter;
  readonly services: WorkerServices;
  /** Told the seconds of each call of the handler. */
  readonly onHandled: (seconds: number) => void;
  /** The unit pauses with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  /** Something that no retry mends: the unit fails. */
  readonly onFatal: (error: unknown) => void;
}

/** Runs handlers: one record a key at a time, many keys at once, and brings each outcome to its end. */
export class HandlerSink implements Sink {
  readonly #options: HandlerSinkOptions;
  readonly #lanes: Lanes;
  readonly #conclusion: Conclusion;
  readonly #holding: Holding;
  readonly #inWork = new Set<WorkItem>();
  /** Calls of `handleBatch` under way. */
  #calls = 0;
  #running = 0;
  #scheduled = false;
  #draining = false;
  #drained: (() => void) | null = null;
  readonly #deadlines: NodeJS.Timeout;

  constructor(options: HandlerSinkOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.order);
    this.#holding = new Holding({
      lanes: this.#lanes,
      probe: (item) => this.#startAlone(item),
      wake: () => this.wake(),
      onPause: options.onPause,
    });
    this.#conclusion = new Conclusion({
      intake: options.intake,
      definition: options.definition,
      writer: options.writer,
      timeout: options.services.timeout,
      onAcknowledged: () => this.wake(),
      onFatal: options.onFatal,
    });
    this.#deadlines = setInterval(() => this.#enforceDeadlines(), Math.min(250, Math.max(10, options.services.timeout / 4)));
    this.#deadlines.unref();
  }

  wake(): void {
    if (this.#scheduled) return;
    const until = performance.now() + TURN_MILLISECONDS;
    let started = 0;
    while (this.#mayStart()) {
      if (!this.#startNext()) break;
      if ((++started & 31) === 0 && performance.now() > until) {
        this.#scheduled = true;
        setImmediate(() => {
          this.#scheduled = false;
          this.wake();
        });
        return;
      }
    }
    if (this.#drained !== null && this.#isDrained()) this.#drained();
  }

  #mayStart(): boolean {
    return (
      !this.#holding.isPaused &&
      (this.#options.definition.handleBatch === undefined ? this.#running : this.#calls) < this.#options.concurrency &&
      this.#conclusion.unacknowledged < MAX_UNACKNOWLEDGED
    );
  }

  #startNext(): boolean {
    if (this.#options.definition.handleBatch !== undefined) {
      const batch = this.#collect();
      if (batch.length > 0) this.#startBatch(batch);
      return batch.length > 0;
    }
    const item = this.#next(null);
    if (item !== undefined) this.#start(item);
    return item !== undefined;
  }

  /** The next record that may start: of a lane that became free, else a new one whose key is not in work. */
  #next(batch: BatchMark | null): WorkItem | undefined {
    for (;;) {
      const ready = this.#lanes.takeReady();
      if (ready !== undefined) {
        if (!ready.state.closed && !(this.#draining && ready.record.offset > ready.state.highestStarted)) return ready;
        // It stays for the next owner, but one behind it may be of another partition, whose later records were started.
        this.#lanes.pass(ready);
        continue;
      }
      const taken = this.#options.intake.take();
      if (taken === undefined) return undefined;
      const item = new WorkItem(taken.partition, taken.record);
      if (this.#lanes.admit(item, batch)) return item;
    }
  }

  /** Decodes the message; a record that is none becomes a dead letter. */
  #begin(item: WorkItem): boolean {
    if (item.record.offset > item.state.highestStarted) item.state.highestStarted = item.record.offset;
    item.startedAt = Date.now();
    item.concluded = false;
    item.finished = false;
    item.held = false;
    try {
      item.message = this.#options.codec.decode(item.record.value);
    } catch (error) {
      item.concluded = true;
      this.#holding.passed(item);
      this.#occupy(item);
      void this.#conclusion.bury(item, classifyFailure(error), 'decode', []).finally(() => this.#finish(item));
      return false;
    }
    item.context = new RecordContext(this.#options.services, item.state, item.record, item.startedAt);
    return true;
  }

  #start(item: WorkItem): void {
    if (!this.#begin(item)) return;
    let outcome: Outcome | Promise<Outcome>;
    const began = performance.now();
    const handled = (): void => this.#options.onHandled((performance.now() - began) / 1000);
    try {
      outcome = this.#options.definition.handle?.(item.message, item.context as RecordContext) as Outcome | Promise<Outcome>;
    } catch (error) {
      outcome = failed(error);
    }
    if (!isPromise(outcome)) {
      handled();
      if (outcome?.kind === 'done' && outcome.outputs?.length === 0) {
        this.#passThrough(item);
        return;
      }
      this.#occupy(item);
      void this.#end(item, outcome);
      return;
    }
    this.#occupy(item);
    this.#inWork.add(item);
    // Resolved first: an author's promise may be of another make.
    void Promise.resolve(outcome)
      .finally(handled)
      .catch(failed)
      .then((result) => this.#end(item, result));
  }

  /** Brings the record to its end and gives its place back. Never rejects. */
  async #end(item: WorkItem, outcome: Outcome): Promise<void> {
    try {
      await this.#conclude(item, outcome);
    } catch (error) {
      this.#options.onFatal(error);
    } finally {
      this.#finish(item);
    }
  }

  /** Handled at once and with nothing to send: no lane, no place, no promise. */
  #passThrough(item: WorkItem): void {
    item.context?.releaseStaged();
    this.#options.intake.settle(item.state, item.record, 'done');
    this.#lanes.pass(item);
    this.#holding.passed(item);
  }

  /** Records for one call of `handleBatch`: a key's records only as an unbroken run. */
  #collect(): readonly WorkItem[] {
    const batch: WorkItem[] = [];
    const add = (item: WorkItem): void => {
      if (!this.#begin(item)) return;
      this.#occupy(item, batch);
      batch.push(item);
    };
    while (batch.length < this.#options.batchSize) {
      const item = this.#next(batch);
      if (item === undefined) break;
      add(item);
      while (item.lane !== null && batch.length < this.#options.batchSize) {
        const follower = item.lane.waiting.shift();
        if (follower === undefined) break;
        add(follower);
      }
    }
    return batch;
  }

  #startBatch(batch: readonly WorkItem[]): void {
    const call: BatchCall = { open: batch.length };
    this.#calls++;
    for (const item of batch) {
      item.call = call;
      this.#inWork.add(item);
    }
    const run = async (): Promise<readonly Outcome[]> => {
      const outcomes = await this.#options.definition.handleBatch?.(
        batch.map((item) => ({ message: item.message, context: item.context as RecordContext })),
      );
      if (outcomes?.length === batch.length) return outcomes;
      throw new PermanentError(
        'PH_HANDLER_OUTCOME',
        `handleBatch returned ${outcomes?.length ?? 'no'} outcomes for ${batch.length} messages`,
      );
    };
    const began = performance.now();
    void run()
      .finally(() => this.#options.onHandled((performance.now() - began) / 1000))
      .catch((error: unknown): readonly Outcome[] => batch.map(() => failed(error)))
      .then((outcomes) => Promise.all(batch.map((item, index) => this.#end(item, outcomes[index] as Outcome))));
  }

  /** Takes a place and the record's lane. */
  #occupy(item: WorkItem, batch: BatchMark | null = null): void {
    this.#lanes.enter(item, batch);
    this.#running++;
  }

  /** The record gives its place and its lane back, once: at its end or at its deadline. A held one keeps its lane. */
  #finish(item: WorkItem): void {
    if (item.finished) return;
    item.finished = true;
    this.#inWork.delete(item);
    this.#running--;
    if (item.call !== null && --item.call.open === 0) this.#calls--;
    item.call = null;
    if (!item.held) this.#lanes.leave(item);
    this.wake();
  }

  /** Resolves when the record's lane may go on. */
  async #conclude(item: WorkItem, outcome: Outcome): Promise<void> {
    if (item.concluded || item.abandoned || item.state.closed) return;
    item.concluded = true;
    if (!isOutcome(outcome)) {
      this.#holding.passed(item);
      const error = new PermanentError('PH_HANDLER_OUTCOME', 'the handler returned no outcome');
      return this.#conclusion.bury(item, classifyFailure(error), 'handle', []);
    }
    const failure = outcome.kind === 'retry' ? classifyFailure(outcome.error) : null;
    if (failure?.class === 'hold') return this.#holding.hold(item, failure);
    this.#holding.passed(item);
    switch (outcome.kind) {
      case 'done':
        return this.#conclusion.send(item, outcome.outputs);
      case 'skip':
        return this.#conclusion.skip(item);
      case 'dead':
        item.context?.releaseStaged();
        return this.#conclusion.bury(item, declaredDead(outcome.code, outcome.reason), 'handle', outcome.outputs);
      case 'retry': {
        const known = failure ?? classifyFailure(outcome.error);
        if (known.class === 'permanent') return this.#conclusion.bury(item, known, 'handle', []);
        return this.#conclusion.retry(item, known, outcome.after);
      }
    }
  }

  /** A record by itself, also where the worker handles batches. */
  #startAlone(item: WorkItem): void {
    if (this.#options.definition.handleBatch === undefined) this.#start(item);
    else if (this.#begin(item)) {
      const batch = [item];
      this.#occupy(item, batch);
      this.#startBatch(batch);
    }
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
      void this.#end(item, failed(error));
    }
  }

  async drain(deadline: number): Promise<void> {
    this.#draining = true;
    this.wake();
    if (!this.#isDrained()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
        this.#drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const item of this.#inWork) {
      item.abandoned = true;
      item.context?.abort(new TransientError('PH_HANDLER_TIMEOUT', 'the partition is handed over'));
    }
    this.#drained = null;
    this.#draining = false;
    this.abandon();
  }

  #isDrained(): boolean {
    return this.#running === 0 && this.#conclusion.unacknowledged === 0 && (this.#lanes.readyCount === 0 || this.#holding.count > 0);
  }

  abandon(): void {
    this.#holding.abandon();
    this.#lanes.forgetWaiting();
  }

  close(): void {
    clearInterval(this.#deadlines);
    this.#holding.close();
  }
}

const failed = (error: unknown): Outcome => ({ kind: 'retry', error, after: undefined });

/** A plugin in plain JavaScript may return anything. */
function isOutcome(value: Outcome | undefined): value is Outcome {
  switch (value?.kind) {
    case 'done':
    case 'dead':
      return Array.isArray(value.outputs);
    case 'skip':
    case 'retry':
      return true;
    default:
      return false;
  }
}

function isPromise(value: unknown): value is Promise<Outcome> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
