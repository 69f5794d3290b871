import type { Clock, Wait } from '../../clock.ts';
import type { ClassifiedFailure } from '../failure-class.ts';
import type { Lanes } from '../records/lanes.ts';
import type { WorkItem } from '../records/work-item.ts';

/** Waits between tries of a record that keeps its key. */
const FIRST_WAIT = 1_000;
const LAST_WAIT = 10_000;
/** A record keeps its key no longer than this, and no more records than this wait behind it. */
const LONGEST = 300_000;
const MOST_WAITING = 1_000;

export interface InPlaceRetryOptions {
  readonly lanes: Lanes;
  /** More may start. */
  readonly wake: () => void;
  /** Milliseconds for which the worker was paused, all in all: they count against no record. */
  readonly pausedFor: () => number;
  readonly clock: Clock;
}

/** `onRetry: 'hold'`: a failed record is tried again in place with short waits, and its key waits behind it. */
export class InPlaceRetry {
  readonly #options: InPlaceRetryOptions;
  readonly #waiting = new Map<WorkItem, Wait>();

  constructor(options: InPlaceRetryOptions) {
    this.#options = options;
  }

  /**
   * Keeps the record for another try. False where it has kept its key for too long or too many wait behind it: it is dead.
   *
   * @param after milliseconds that were asked for; the last try is made when the time is up, even so
   */
  takes(item: WorkItem, failure: ClassifiedFailure, after: number | undefined): boolean {
    const now = this.#now();
    item.heldSince ??= now;
    const left = item.heldSince + LONGEST - now;
    if (left <= 0 || (item.lane?.waiting.length ?? 0) >= MOST_WAITING) return false;
    const wait = Math.min(Math.max(Math.min(FIRST_WAIT * 2 ** item.tries, LAST_WAIT), after ?? failure.retryAfter ?? 0), left);
    item.tries++;
    item.held = true;
    // One of several of its key in a batch waits behind the first, and is tried when its turn comes.
    if (this.#options.lanes.hold(item))
      this.#waiting.set(
        item,
        this.#options.clock.after(wait, () => this.#again(item)),
      );
    return true;
  }

  /** Time in which the worker was not paused, by the monotonic clock. */
  #now(): number {
    return this.#options.clock.monotonic() - this.#options.pausedFor();
  }

  #again(item: WorkItem): void {
    this.#waiting.delete(item);
    this.#options.lanes.readyAgain(item);
    this.#options.wake();
  }

  /** The assignment is over: held records are read again by the next owner. */
  abandon(): void {
    for (const [item, wait] of this.#waiting) {
      wait.cancel();
      this.#options.lanes.release(item);
    }
    this.#waiting.clear();
  }
}
