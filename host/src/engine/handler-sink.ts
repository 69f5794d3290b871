import {
  milliseconds,
  type OnRetry,
  type Order,
  type Outcome,
  PermanentError,
  PipelineError,
  type Retry,
  type WorkerDefinition,
} from '@pipeline-host/sdk';
import { HEADER, headerText } from '../retry/headers.ts';
import { BatchCalls } from './batch-calls.ts';
import { type Clock, systemClock } from './clock.ts';
import { Conclusion } from './conclusion.ts';
import { type ClassifiedFailure, classifyFailure, declaredDead } from './failure-class.ts';
import type { FailureWindow } from './failure-window.ts';
import { HandlerDeadlines } from './handler-deadlines.ts';
import { Holding } from './holding.ts';
import { InPlaceRetry } from './in-place-retry.ts';
import type { Intake, Sink, TakenRecord } from './intake.ts';
import { Lanes } from './lanes.ts';
import { type MessageCodec, readableValue } from './message-codec.ts';
import { failed, isOutcome, isPromise } from './outcome-shape.ts';
import { RecordContext, type WorkerServices } from './record-context.ts';
import type { RecordWriter } from './record-writer.ts';
import { type HeldStatus, heldReason, type UnitAlert } from './status.ts';
import { type BatchMark, WorkItem } from './work-item.ts';

/** After so long in one turn of the event loop the rest waits for the next: heartbeats and HTTP must get their time. */
const TURN_MILLISECONDS = 8;
/** Records whose outputs are on their way to the broker; above it nothing new is started. */
const MAX_UNACKNOWLEDGED = 5_000;
/** Part of the byte budget that records may take up while they wait for dependencies: with more, intake could not go on beside them. */
const HELD_SHARE = 0.25;
/** While Kafka refuses what the worker writes, it is asked so often whether it still does: another worker's record may be the one that gets through. */
const REFUSAL_MILLISECONDS = 250;

export interface HandlerSinkOptions {
  readonly intake: Intake;
  readonly definition: WorkerDefinition;
  /** Whether a failed record waits in a delay lane or in place. */
  readonly onRetry: OnRetry;
  readonly window: FailureWindow;
  /** Different keys that make an outage. */
  readonly outageKeys: number;
  /** Bytes of records that the unit may hold. */
  readonly byteBudget: number;
  /** Records that go on a second after an outage. */
  readonly releasePerSecond: number;
  /** The worker has lanes in which a record can wait. */
  readonly canDelay: boolean;
  readonly order: Order;
  /** Calls of the handler at once. */
  readonly concurrency: number;
  readonly batchSize: number;
  readonly codec: MessageCodec;
  readonly writer: RecordWriter;
  readonly services: WorkerServices;
  /** Told the seconds of each call of the handler. */
  readonly onHandled: (seconds: number) => void;
  /** Handlers over their deadline that have not returned: one more, or one less. */
  readonly onOverdue: (by: 1 | -1) => void;
  /** The unit pauses with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  /** What needs a dependency waits for it for longer than its first probe, or waits no more. */
  readonly onHeld: (held: boolean, status: HeldStatus) => void;
  /** Something that no retry mends: the unit fails. */
  readonly onFatal: (error: unknown) => void;
  /** The system's by default. */
  readonly clock?: Clock;
}

/** Runs handlers: one record a key at a time, many keys at once, and brings each outcome to its end. */
export class HandlerSink implements Sink {
  readonly #options: HandlerSinkOptions;
  readonly #lanes: Lanes;
  readonly #conclusion: Conclusion;
  readonly #holding: Holding;
  readonly #inPlace: InPlaceRetry;
  readonly #deadlines: HandlerDeadlines;
  /** Null where the worker handles one record a call. */
  readonly #batches: BatchCalls | null;
  readonly #services: WorkerServices;
  #running = 0;
  #scheduled = false;
  #refusalTimer: NodeJS.Timeout | null = null;
  #draining = false;
  #drained: (() => void) | null = null;

  constructor(options: HandlerSinkOptions) {
    this.#options = options;
    const { clock = systemClock } = options;
    this.#lanes = new Lanes(options.order);
    this.#holding = new Holding({
      lanes: this.#lanes,
      window: options.window,
      keys: options.outageKeys,
      bytes: options.byteBudget * HELD_SHARE,
      release: options.releasePerSecond,
      postpone: options.canDelay ? (item, failure, heldBy, wait) => this.#conclusion.postpone(item, failure, heldBy, wait) : null,
      fresh: () => this.#next(null),
      wake: () => this.wake(),
      onPause: options.onPause,
      clock,
      onHeld: options.onHeld,
    });
    this.#services = { ...options.services, refusal: (of, host) => this.#holding.refusal(of, host) };
    this.#inPlace = new InPlaceRetry({
      lanes: this.#lanes,
      wake: () => this.wake(),
      pausedFor: () => this.#holding.closedFor,
      clock,
    });
    this.#conclusion = new Conclusion({
      intake: options.intake,
      definition: options.definition,
      writer: options.writer,
      timeout: options.services.timeout,
      onAcknowledged: () => this.wake(),
      onFatal: options.onFatal,
    });
    this.#deadlines = new HandlerDeadlines({
      timeout: options.services.timeout,
      onLate: (item, error) => void this.#end(item, failed(error)),
      onOverdue: options.onOverdue,
    });
    this.#batches =
      options.definition.handleBatch === undefined
        ? null
        : new BatchCalls({
            definition: options.definition,
            batchSize: options.batchSize,
            next: (batch) => this.#next(batch),
            mayJoin: (item) => !this.#isLeft(item) && this.#heldBy(item) === null,
            begin: (item) => this.#begin(item),
            occupy: (item, batch) => this.#occupy(item, batch),
            onStarted: (item) => this.#deadlines.watch(item),
            onHandled: options.onHandled,
            onOutcome: (item, context, outcome) => this.#returned(item, context, outcome),
          });
  }

  /** Something is in work that ends by itself: a handler, or what is on its way to the broker. */
  get isBusy(): boolean {
    return this.#scheduled || this.#running > 0 || this.#conclusion.unacknowledged > 0;
  }

  /** Records that wait for a dependency, by dependency. */
  get held(): readonly HeldStatus[] {
    return this.#holding.held;
  }

  /** Records that went into delay lanes for want of room, each time counted. */
  get postponed(): number {
    return this.#holding.postponed;
  }

  get alerts(): readonly UnitAlert[] {
    return this.#holding.lasting.map((status) => ({ code: 'PH_DEPENDENCY_HELD', reason: heldReason(status) }));
  }

  wake(): void {
    if (this.#scheduled) return;
    const until = performance.now() + TURN_MILLISECONDS;
    let started = 0;
    const refused = this.#isRefused();
    while (!refused && this.#hasPlace()) {
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

  #hasPlace(): boolean {
    return (
      (this.#batches === null ? this.#running : this.#batches.count) < this.#options.concurrency &&
      this.#conclusion.unacknowledged < MAX_UNACKNOWLEDGED
    );
  }

  /** What is handled now could only wait for its outputs. */
  #isRefused(): boolean {
    if (this.#options.writer.refusal === null) return false;
    this.#refusalTimer ??= setTimeout(() => {
      this.#refusalTimer = null;
      this.wake();
    }, REFUSAL_MILLISECONDS);
    return true;
  }

  #startNext(): boolean {
    const probe = this.#holding.takeProbe();
    if (probe !== undefined) {
      if (this.#batches === null) this.#start(probe);
      else this.#batches.startAlone(probe);
      return true;
    }
    if (this.#holding.isClosed) return false;
    if (this.#batches !== null) return this.#batches.startNext();
    const item = this.#next(null);
    if (item !== undefined) this.#start(item);
    return item !== undefined;
  }

  /** The next record that may start: of a lane that became free, else a new one whose key is not in work. */
  #next(batch: BatchMark | null): WorkItem | undefined {
    for (;;) {
      const ready = this.#lanes.takeReady();
      if (ready !== undefined) {
        if (!this.#isLeft(ready)) return ready;
        // It stays for the next owner, but one behind it may be of another partition, whose later records were started.
        this.#lanes.pass(ready);
        continue;
      }
      const taken = this.#options.intake.take();
      if (taken === undefined) return undefined;
      if (taken.partition.lane !== null && this.#isMisplaced(taken)) return undefined;
      const item = new WorkItem(taken.partition, taken.record);
      // What is not to be called waits for its key, and joins no batch with it.
      if (this.#lanes.admit(item, this.#heldBy(item) === null ? batch : null)) return item;
      this.#holding.waits(item);
    }
  }

  /** While a partition is handed over, what no later record has overtaken stays for the next owner. */
  #isLeft({ state, record }: WorkItem): boolean {
    return state.closed || (this.#draining && record.offset > state.highestStarted);
  }

  /** Lanes that were made for another policy or number of partitions would mix up the keys: the unit stops, its records wait. */
  #isMisplaced({ partition, record }: TakenRecord): boolean {
    const home = this.#options.writer.homeOf(record);
    if (home === null || home === partition.source) return false;
    this.#options.onFatal(
      new PipelineError(
        'PH_RETRY_TOPIC_SHAPE',
        `offset ${record.offset} of ${partition.topic}/${partition.partition} came from a source partition whose lanes are elsewhere now`,
      ),
    );
    return true;
  }

  /** Decodes the message; a record that is none becomes a dead letter. */
  #begin(item: WorkItem): boolean {
    if (item.record.offset > item.state.highestStarted) item.state.highestStarted = item.record.offset;
    item.startedAt = Date.now();
    item.concluded = false;
    item.finished = false;
    item.held = false;
    item.failedTogether = false;
    const heldBy = this.#heldBy(item);
    if (heldBy !== null) {
      this.#holdUncalled(item, heldBy);
      return false;
    }
    try {
      item.message = this.#options.codec.decode(readableValue(item.record));
    } catch (error) {
      item.concluded = true;
      this.#options.window.bad();
      this.#occupy(item);
      void this.#conclusion.bury(item, classifyFailure(error), 'decode', []).finally(() => this.#finish(item));
      this.#holding.ended(item, false);
      return false;
    }
    item.context = new RecordContext(this.#services, item.state, item.record, item.startedAt, item.tries);
    return true;
  }

  /** What a record waits for that comes back from a delay lane, if that is still out. */
  #heldBy(item: WorkItem): string | null {
    const heldBy = item.state.lane === null ? undefined : headerText(item.record.headers, HEADER.heldBy);
    return heldBy !== undefined && this.#holding.isHeld(item, heldBy) ? heldBy : null;
  }

  #holdUncalled(item: WorkItem, heldBy: string): void {
    item.concluded = true;
    this.#occupy(item);
    this.#holding.takesUncalled(item, heldBy);
    this.#finish(item);
  }

  #start(item: WorkItem): void {
    if (!this.#begin(item)) return;
    const context = item.context as RecordContext;
    let outcome: Outcome | Promise<Outcome>;
    const began = performance.now();
    try {
      outcome = this.#options.definition.handle?.(item.message, context) as Outcome | Promise<Outcome>;
    } catch (error) {
      outcome = failed(error);
    }
    if (!isPromise(outcome)) {
      this.#handled(began);
      if (outcome?.kind === 'done' && outcome.outputs?.length === 0) {
        this.#passThrough(item);
        return;
      }
      this.#occupy(item);
      void this.#end(item, outcome);
      return;
    }
    this.#occupy(item);
    this.#deadlines.watch(item);
    // Resolved first: an author's promise may be of another make.
    void Promise.resolve(outcome)
      .catch(failed)
      .then((result) => {
        this.#handled(began);
        this.#returned(item, context, result);
      });
  }

  #handled(began: number): void {
    this.#options.onHandled((performance.now() - began) / 1000);
  }

  /** A call has said what became of the record. It counts unless the record was since taken from it and begun anew. */
  #returned(item: WorkItem, context: RecordContext, outcome: Outcome): void {
    this.#deadlines.returned(context);
    if (item.context === context) void this.#end(item, outcome);
  }

  /** Brings the record to its end and gives its place back. Never rejects. */
  async #end(item: WorkItem, outcome: Outcome): Promise<void> {
    const { context } = item;
    try {
      await this.#conclude(item, outcome);
    } catch (error) {
      this.#options.onFatal(error);
    } finally {
      if (item.context === context) this.#finish(item);
    }
  }

  /** Handled at once and with nothing to send: no lane, no place, no promise. */
  #passThrough(item: WorkItem): void {
    item.context?.releaseStaged();
    this.#options.intake.settle(item.state, item.record, 'done');
    item.context?.tellAcknowledged();
    this.#lanes.pass(item);
    this.#holding.passed(item);
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
    this.#deadlines.unwatch(item);
    this.#running--;
    this.#batches?.leave(item);
    if (!item.held) this.#lanes.leave(item);
    this.wake();
  }

  /** Resolves when the record's lane may go on. */
  async #conclude(item: WorkItem, outcome: Outcome): Promise<void> {
    if (item.concluded || item.abandoned || item.state.closed) return;
    item.concluded = true;
    if (!isOutcome(outcome))
      return this.#reject(item, classifyFailure(new PermanentError('PH_HANDLER_OUTCOME', 'the handler returned no outcome')));
    switch (outcome.kind) {
      case 'done':
        this.#holding.passed(item);
        return this.#conclusion.send(item, outcome.outputs, 'done');
      case 'skip':
        this.#options.window.passed();
        this.#holding.ended(item, false);
        return this.#conclusion.send(item, outcome.outputs ?? [], 'skipped');
      case 'dead':
        item.context?.releaseStaged();
        return this.#reject(item, declaredDead(outcome.code, outcome.reason), outcome.outputs);
      case 'retry':
        return this.#tryAgain(item, classifyFailure(outcome.error), askedWait(outcome.after));
    }
  }

  /** Never to succeed. */
  #reject(item: WorkItem, failure: ClassifiedFailure, outputs: (Outcome & { kind: 'dead' })['outputs'] = []): Promise<void> {
    this.#options.window.bad();
    this.#holding.ended(item, false);
    return this.#conclusion.bury(item, failure, 'handle', outputs);
  }

  async #tryAgain(item: WorkItem, failure: ClassifiedFailure, after: number | undefined): Promise<void> {
    if (failure.class === 'permanent') return this.#reject(item, failure);
    if (after !== undefined && failure.class === 'transient') {
      // The author's own timing is no sign of an outage.
      this.#options.window.passed();
      this.#holding.ended(item, false);
    } else if (this.#holding.takes(item, failure)) return;
    if (this.#options.onRetry === 'delay') return this.#conclusion.retry(item, failure, after);
    if (this.#inPlace.takes(item, failure, after)) return;
    return this.#conclusion.bury(item, failure, 'handle', []);
  }

  // Drain, stop

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
    this.#drained = null;
    this.#draining = false;
    this.abandon();
  }

  #isDrained(): boolean {
    return this.#running === 0 && this.#conclusion.unacknowledged === 0 && (this.#lanes.readyCount === 0 || this.#holding.isClosed);
  }

  abandon(): void {
    this.#deadlines.handOver();
    this.#holding.abandon();
    this.#inPlace.abandon();
    this.#lanes.forgetWaiting();
  }

  close(): void {
    this.#deadlines.close();
    this.#inPlace.abandon();
    this.#holding.close();
    if (this.#refusalTimer !== null) clearTimeout(this.#refusalTimer);
  }
}

/** Milliseconds that the handler asked for; undefined where that is no time. */
function askedWait(after: Retry['after']): number | undefined {
  if (after === undefined) return undefined;
  try {
    return milliseconds(after);
  } catch {
    return undefined;
  }
}
