import { type Clock, pass } from '../clock.ts';

/** What the requests of a process do right now. */
export interface HttpTraffic {
  /** Sent, and not answered in whole; downloads too. */
  readonly underWay: number;
  /** Not sent before time has passed: until there is a token, an API may be asked again, or the next try is due. */
  readonly waiting: number;
  /** Requests and waits that have begun or ended. Where it is the same at two looks, nothing happened between them. */
  readonly changes: number;
}

/** Counts requests while they are under way, and lets them wait by the clock. */
export class Traffic {
  readonly #clock: Clock;
  #underWay = 0;
  #waiting = 0;
  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds on the monotonic clock. */
  now(): number {
    return this.#clock.monotonic();
  }

  look(): HttpTraffic {
    return { underWay: this.#underWay, waiting: this.#waiting, changes: this.#changes };
  }

  async send<T>(request: () => Promise<T>): Promise<T> {
    this.#underWay++;
    this.#changes++;
    try {
      return await request();
    } finally {
      this.#underWay--;
      this.#changes++;
    }
  }

  /** @throws the signal's reason */
  async wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    this.#waiting++;
    this.#changes++;
    try {
      await pass(this.#clock, milliseconds, signal);
      signal?.throwIfAborted();
    } finally {
      this.#waiting--;
      this.#changes++;
    }
  }
}
