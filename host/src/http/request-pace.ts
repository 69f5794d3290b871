import type { Traffic } from './traffic.ts';

/**
 * When requests may be sent: a token bucket that holds one second's worth, and a gate that the other side closes for a
 * while. Who waits, waits in the order of coming.
 */
export class RequestPace {
  readonly #traffic: Traffic;
  readonly #interval: number;
  readonly #burst: number;
  /** When the next token is there; in the past while some are saved. */
  #next = 0;
  #closedUntil = 0;

  /** @param ratePerSecond none where undefined or 0 */
  constructor(traffic: Traffic, ratePerSecond: number | undefined) {
    this.#traffic = traffic;
    this.#interval = ratePerSecond === undefined || ratePerSecond === 0 ? 0 : 1_000 / ratePerSecond;
    this.#burst = Math.max(0, 1_000 - this.#interval);
  }

  /** Nobody sends before so many milliseconds have passed. */
  closeFor(duration: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, this.#traffic.now() + duration);
  }

  /** Milliseconds until the gate opens; 0 where it is open. */
  get closedFor(): number {
    return Math.max(0, this.#closedUntil - this.#traffic.now());
  }

  /** Resolves when a request may be sent. @throws the signal's reason */
  async turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#interval > 0) {
      const now = this.#traffic.now();
      this.#next = Math.max(this.#next, now - this.#burst);
      const wait = this.#next - now;
      this.#next += this.#interval;
      if (wait > 0) await this.#traffic.wait(wait, signal);
    }
    while (this.closedFor > 0) await this.#traffic.wait(this.closedFor, signal);
  }
}
