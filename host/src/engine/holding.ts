import type { Clock, Wait } from './clock.ts';
import { type ClassifiedFailure, causeOf } from './failure-class.ts';
import type { FailureWindow } from './failure-window.ts';
import type { Lanes } from './lanes.ts';
import type { WorkItem } from './work-item.ts';

/** Waits between probes while the worker is paused by a failure that burns no attempt. */
const FIRST_PROBE = 1_000;
const LAST_PROBE = 60_000;
/** Up to so much of a wait is added to it: many processes that were paused by one outage must not probe in step. */
const JITTER = 0.25;
/** The other side may ask to be left alone for longer, but not for ever. */
const LONGEST_ASKED = 3_600_000;
/** So many records must have been done since a record failed first before its failure is taken for its own. */
const FEWEST_DONE = 3;
/** So often must held records have failed each in its own way, with no sign of an outage between, until their failures are taken for their own. */
const FEWEST_UNSHARED = 3;
/** After so many done ones a new outage begins with a short wait again. */
const CALM = 200;

export interface HoldingOptions {
  readonly lanes: Lanes;
  readonly window: FailureWindow;
  /** Handles a record while all others wait. */
  readonly probe: (item: WorkItem) => void;
  /** A record that was not handled yet and whose key is free, for a probe. */
  readonly fresh: () => WorkItem | undefined;
  /** The worker may go on. */
  readonly wake: () => void;
  /** The unit pauses with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random?: () => number;
}

/**
 * Records that met an outage: refused credentials, a dependency that is down, or a failure that many records share. They
 * keep their lanes and burn no attempt, nothing else is started, and after a growing wait one record probes. Held records
 * take turns with new ones, so that a record which always fails is found out: once others are done while it alone fails,
 * its failure is its own.
 */
export class Holding {
  readonly #options: HoldingOptions;
  #held: WorkItem[] = [];
  #probing: WorkItem | null = null;
  #freshNext = false;
  #failure: ClassifiedFailure | null = null;
  #wait = FIRST_PROBE;
  #timer: Wait | null = null;
  /** Records done, and records held for the first time, since the start. */
  #done = 0;
  #struck = 0;
  #doneAtResume = 0;
  /** Failures in this pause since one that says of itself that it is an outage, or that many records share. */
  #unshared = 0;
  #pausedAt = 0;
  #pausedBefore = 0;

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  /** Nothing may start but the probe. */
  get isPaused(): boolean {
    return this.#held.length > 0 || this.#probing !== null;
  }

  get count(): number {
    return this.#held.length;
  }

  /** Milliseconds that the worker was paused, all in all. */
  get pausedFor(): number {
    return this.#pausedBefore + (this.#failure === null ? 0 : this.#options.clock.monotonic() - this.#pausedAt);
  }

  /**
   * Takes a record that failed in a way that may pass, where that is an outage. False where the failure is the record's own.
   */
  takes(item: WorkItem, failure: ClassifiedFailure): boolean {
    const shared = this.#options.window.failed(causeOf(failure), item.identity);
    const isSign = failure.class === 'unavailable' || failure.class === 'auth' || shared;
    this.#unshared = isSign ? 0 : this.#unshared + 1;
    const isOutage = isSign || (this.isPaused && !this.#isUnshared);
    if (!isOutage || this.#isItsOwn(item)) {
      this.ended(item, false);
      return false;
    }
    this.#hold(item, failure);
    return true;
  }

  /** Whatever paused the worker shows no more, and each of the few that it holds fails by itself: with nobody else to prove it, they would wait for ever. */
  get #isUnshared(): boolean {
    return this.#unshared >= Math.max(FEWEST_UNSHARED, this.#held.length + 1);
  }

  /** It failed again and again, while others were done and few failed beside it: the share is that of an outage. */
  #isItsOwn({ strikes }: WorkItem): boolean {
    if (strikes === null || strikes.count < 2) return false;
    const done = this.#done - strikes.done;
    const others = Math.max(this.#struck - strikes.struck, this.#held.length);
    return done >= FEWEST_DONE && others * 4 <= done;
  }

  #hold(item: WorkItem, failure: ClassifiedFailure): void {
    if (item.strikes === null) item.strikes = { count: 0, done: this.#done, struck: ++this.#struck };
    item.strikes.count++;
    if (!this.isPaused && this.#done - this.#doneAtResume >= CALM) this.#wait = FIRST_PROBE;
    if (this.#probing === item) this.#probing = null;
    item.held = true;
    if (this.#options.lanes.hold(item)) this.#held.push(item);
    if (this.#failure === null) this.#pausedAt = this.#options.clock.monotonic();
    this.#failure = failure;
    this.#options.onPause(failure);
    if (this.#timer === null && this.#probing === null) this.#probeLater(failure.retryAfter ?? 0);
  }

  #probeLater(asked: number): void {
    const jitter = 1 + JITTER * (this.#options.random ?? Math.random)();
    const wait = Math.min(this.#wait * jitter, LAST_PROBE);
    this.#timer = this.#options.clock.after(Math.max(wait, Math.min(asked, LONGEST_ASKED)), () => this.#probe());
    this.#wait = Math.min(this.#wait * 2, LAST_PROBE);
  }

  /** The handler was done with the record. */
  passed(item: WorkItem): void {
    this.#done++;
    this.#options.window.passed();
    this.ended(item, true);
  }

  /**
   * The record has come to an end of its own. If it was the probe, the pause is over: a held one has met the dependency,
   * whatever became of it; a new one says something only where it is done.
   */
  ended(item: WorkItem, done: boolean): void {
    if (this.#probing !== item) return;
    if (done || item.strikes !== null) this.#resume(item.strikes !== null);
    else this.#probeAgain();
  }

  #probeAgain(): void {
    this.#probing = null;
    this.#freshNext = true;
    setImmediate(() => {
      if (this.#timer === null && this.#probing === null && this.#held.length > 0) this.#probe();
    });
  }

  #probe(): void {
    this.#timer = null;
    this.#held = this.#held.filter((item) => !item.state.closed);
    const fresh = this.#freshNext && this.#held.length > 0 ? this.#options.fresh() : undefined;
    this.#freshNext = !this.#freshNext;
    const item = fresh ?? this.#held.shift();
    if (item === undefined) {
      this.#resume(true);
      return;
    }
    this.#probing = item;
    if (fresh === undefined) this.#options.lanes.release(item);
    this.#options.probe(item);
  }

  #resume(isProven: boolean): void {
    for (const item of this.#held) this.#options.lanes.readyAgain(item);
    this.#options.window.clear();
    this.#end();
    if (isProven) this.#wait = FIRST_PROBE;
    this.#options.onPause(null);
    setImmediate(() => this.#options.wake());
  }

  #end(): void {
    this.#held = [];
    this.#probing = null;
    this.#freshNext = false;
    this.#unshared = 0;
    this.#doneAtResume = this.#done;
    this.#pausedBefore = this.pausedFor;
    this.#failure = null;
    this.close();
  }

  /** The assignment is over: held records are read again by the next owner. */
  abandon(): void {
    for (const item of this.#held) this.#options.lanes.release(item);
    this.#end();
    this.#wait = FIRST_PROBE;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
