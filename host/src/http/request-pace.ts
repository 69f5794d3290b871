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

  /**
   * Resolves when a request may be sent, or as soon as that is further off than `longest` milliseconds by the gate, which may
   * be closed while it waits: false then. @throws the signal's reason; what it had taken of the bucket is given back
   */
  async turn(longest: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.closedFor > longest) return false;
    if (this.#interval > 0) {
      const now = this.#traffic.now();
      this.#next = Math.max(this.#next, now - this.#burst);
      const wait = this.#next - now;
      this.#next += this.#interval;
      try {
        if (wait > 0) await this.#traffic.wait(wait, signal);
      } catch (error) {
        this.#next -= this.#interval;
        throw error;
      }
    }
    while (this.closedFor > 0) {
      if (this.closedFor > longest) return false;
      await this.#traffic.wait(this.closedFor, signal);
    }
    return true;
  }
}
