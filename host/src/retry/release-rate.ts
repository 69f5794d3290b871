/** A wait is never shorter: each one costs a fetch that is thrown away. */
const SHORTEST_WAIT = 50;

/** A token bucket: records that are due at the same time are taken up again one after the other, not all at once. */
export class ReleaseRate {
  readonly #perMillisecond: number;
  readonly #most: number;
  #tokens: number;
  #at: number;

  /** @param perSecond records; as many may come at once after a quiet second */
  constructor(perSecond: number, now: number) {
    this.#perMillisecond = perSecond / 1_000;
    this.#most = perSecond;
    this.#tokens = perSecond;
    this.#at = now;
  }

  /** Takes one record: 0, or the milliseconds until it may be asked for again. */
  take(now: number): number {
    this.#tokens = Math.min(this.#most, this.#tokens + Math.max(0, now - this.#at) * this.#perMillisecond);
    this.#at = now;
    if (this.#tokens < 1) return Math.max(SHORTEST_WAIT, Math.ceil((1 - this.#tokens) / this.#perMillisecond));
    this.#tokens--;
    return 0;
  }
}
