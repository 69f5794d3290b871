import type { Clock } from '../../clock.ts';
import type { ClassifiedFailure } from '../failure-class.ts';

/** So many records in a row must meet an outage, with none done between, until nothing new is begun. */
const FIRST_LIMIT = 10;
/** It doubles up to this with each time that others turned out to be done after all. */
const LAST_LIMIT = 640;

export interface WholePauseOptions {
  readonly clock: Clock;
  /** The worker is paused by this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
}

/**
 * Whether anything gets done while dependencies fail. Where record after record meets an outage and nothing was done since
 * the last probe, the worker is closed: nothing new is begun but probes, so that the topic keeps its records. A worker of
 * which one part goes on would be closed by chance now and then; each time that it was wrong, it takes twice as many records
 * to be closed again.
 */
export class WholePause {
  readonly #options: WholePauseOptions;
  #failure: ClassifiedFailure | null = null;
  /** Records that met an outage since one was done. */
  #streak = 0;
  #limit = FIRST_LIMIT;
  /** On the monotonic clock. */
  #closedAt: number | null = null;
  #closedBefore = 0;

  constructor(options: WholePauseOptions) {
    this.#options = options;
  }

  /** Nothing may begin but probes. */
  get isClosed(): boolean {
    return this.#closedAt !== null;
  }

  /** Milliseconds that it was closed, all in all. */
  get closedFor(): number {
    return this.#closedBefore + (this.#closedAt === null ? 0 : this.#options.clock.monotonic() - this.#closedAt);
  }

  /** A record that is no probe has met an outage. `isIdle`: nothing was done since the last probe. */
  met(failure: ClassifiedFailure, isIdle: boolean): void {
    if (++this.#streak >= this.#limit && isIdle) this.close(failure);
    else this.still(failure);
  }

  /** What it is paused for, if it is, lasts on. */
  still(failure: ClassifiedFailure): void {
    if (this.#failure !== null) this.pause(failure);
  }

  /** The worker does nothing, though it still tries what comes. */
  pause(failure: ClassifiedFailure): void {
    this.#failure = failure;
    this.#options.onPause(failure);
  }

  /** Nothing new may begin. */
  close(failure: ClassifiedFailure): void {
    this.#closedAt ??= this.#options.clock.monotonic();
    this.pause(failure);
  }

  /** A record was done. */
  done(): void {
    this.#streak = 0;
    if (this.isClosed) this.#limit = Math.min(this.#limit * 2, LAST_LIMIT);
    this.#end();
  }

  /** Nothing is held any more. */
  over(): void {
    this.#streak = 0;
    this.#limit = FIRST_LIMIT;
    this.#end();
  }

  /** The assignment is over, and what it was paused for with it. */
  forget(): void {
    this.#failure = null;
    this.over();
  }

  #end(): void {
    this.#closedBefore = this.closedFor;
    this.#closedAt = null;
    if (this.#failure === null) return;
    this.#failure = null;
    this.#options.onPause(null);
  }
}
