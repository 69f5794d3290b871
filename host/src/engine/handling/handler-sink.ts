import type { OnRetry, Order, Outcome, WorkerDefinition } from '@pipeline-host/sdk';
import { type Clock, systemClock } from '../../clock.ts';
import { type ClassifiedFailure, classifyFailure } from '../failure-class.ts';
import type { Intake, Sink } from '../intake/intake.ts';
import { type MessageCodec, readableValue } from '../messages/message-codec.ts';
import type { FailureWindow } from '../outage/failure-window.ts';
import { Holding } from '../outage/holding.ts';
import { Lanes } from '../records/lanes.ts';
import { failed, isPromise } from '../records/outcome-shape.ts';
import { RecordContext, type WorkerServices } from '../records/record-context.ts';
import type { RecordWriter } from '../records/record-writer.ts';
import type { BatchMark, WorkItem } from '../records/work-item.ts';
import { type HeldStatus, heldReason, type UnitAlert } from '../status.ts';
import { Admission } from './admission.ts';
import { BatchCalls } from './batch-calls.ts';
import { Conclusion } from './conclusion.ts';
import { HandlerDeadlines } from './handler-deadlines.ts';
import { InPlaceRetry } from './in-place-retry.ts';
import { Outcomes } from './outcomes.ts';

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
  readonly #admission: Admission;
  readonly #conclusion: Conclusion;
  readonly #outcomes: Outcomes;
  readonly #holding: Holding;
  readonly #inPlace: InPlaceRetry;
  readonly #deadlines: HandlerDeadlines;
  /** Null where the worker handles one record a call. */
  readonly #batches: BatchCalls | null;
  readonly #services: WorkerServices;
  #running = 0;
  #scheduled = false;
  #waking = false;
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
      fresh: () => this.#admission.next(null, true),
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
    this.#admission = new Admission({
      intake: options.intake,
      lanes: this.#lanes,
      holding: this.#holding,
      writer: options.writer,
      isDraining: () => this.#draining,
      onFatal: options.onFatal,
    });
    this.#outcomes = new Outcomes({
      conclusion: this.#conclusion,
      holding: this.#holding,
      inPlace: this.#inPlace,
      window: options.window,
      onRetry: options.onRetry,
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
            next: (batch) => this.#admission.next(batch),
            mayJoin: (item) => !this.#admission.isLeft(item) && this.#admission.heldBy(item) === null,
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
    // A record that ends at once gives its place back inside this call, which goes on with the next anyway.
    if (this.#scheduled || this.#waking) return;
    this.#waking = true;
    try {
      this.#startAll();
    } finally {
      this.#waking = false;
    }
  }

  #startAll(): void {
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
    const item = this.#admission.next(null);
    if (item !== undefined) this.#start(item);
    return item !== undefined;
  }

  /** Decodes the message; a record that is none becomes a dead letter. */
  #begin(item: WorkItem): boolean {
    if (item.record.offset > item.state.highestStarted) item.state.highestStarted = item.record.offset;
    item.startedAt = Date.now();
    item.concluded = false;
    item.finished = false;
    item.held = false;
    item.failedTogether = false;
    const heldBy = this.#admission.heldBy(item);
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
      await this.#outcomes.follow(item, outcome);
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
