import type { ClassifiedFailure } from './failure-class.ts';
import type { Lanes } from './lanes.ts';
import type { WorkItem } from './work-item.ts';

/** Waits between probes while the worker is paused by a failure that burns no attempt. */
const FIRST_PROBE = 1_000;
const LAST_PROBE = 60_000;
/** The other side may ask to be left alone for longer, but not for ever. */
const LONGEST_ASKED = 3_600_000;

export interface HoldingOptions {
  readonly lanes: Lanes;
  /** Handles a held record again. */
  readonly probe: (item: WorkItem) => void;
  /** The worker may go on. */
  readonly wake: () => void;
  /** The unit pauses with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
}

/**
 * Records that met a failure which burns no attempt (refused credentials, a dependency that is down). They keep their
 * lanes, nothing else is started, and after a growing wait one of them probes: if it comes to any end of its own, all go on.
 */
export class Holding {
  readonly #options: HoldingOptions;
  #held: WorkItem[] = [];
  #probing: WorkItem | null = null;
  #wait = FIRST_PROBE;
  #timer: NodeJS.Timeout | null = null;

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

  hold(item: WorkItem, failure: ClassifiedFailure): void {
    if (this.#probing === item) this.#probing = null;
    item.held = true;
    if (this.#options.lanes.hold(item)) this.#held.push(item);
    this.#options.onPause(failure);
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#probe(), Math.max(this.#wait, Math.min(failure.retryAfter ?? 0, LONGEST_ASKED)));
    this.#wait = Math.min(this.#wait * 2, LAST_PROBE);
  }

  /** The record has come to an end of its own: if it was the probe, the pause is over. */
  passed(item: WorkItem): void {
    if (this.#probing === item) this.#resume();
  }

  /** One held record goes first; if it passes, the rest follows. */
  #probe(): void {
    this.#timer = null;
    this.#held = this.#held.filter((item) => !item.state.closed);
    const item = this.#held.shift();
    if (item === undefined) {
      this.#resume();
      return;
    }
    this.#probing = item;
    this.#options.lanes.release(item);
    this.#options.probe(item);
  }

  #resume(): void {
    for (const item of this.#held) this.#options.lanes.readyAgain(item);
    this.#held = [];
    this.#end();
    this.#options.onPause(null);
    setImmediate(() => this.#options.wake());
  }

  #end(): void {
    this.#probing = null;
    this.#wait = FIRST_PROBE;
    this.close();
  }

  /** The assignment is over: held records are read again by the next owner. */
  abandon(): void {
    for (const item of this.#held) this.#options.lanes.release(item);
    this.#held = [];
    this.#end();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
