import { isHandover } from '../classify.ts';

export interface HeartbeatsOptions {
  /** Milliseconds between two. */
  readonly interval: number;
  /** Milliseconds without one until the broker gives the partitions away. */
  readonly sessionTimeout: number;
  /** Sends one. */
  readonly beat: () => Promise<unknown>;
  /** The session may be over: nobody answered for as long as it lasts. */
  readonly onExpired: (error: unknown) => void;
}

/**
 * Keeps a membership alive by a timer of its own. kafkajs beats between fetches, and takes a coordinator that is away for
 * the end; here a hand-over to another one that takes less than the session costs nothing, since the group moves with its
 * members. What the broker has against the member is told to whoever asks.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #timer: NodeJS.Timeout;
  #beating: Promise<void> | undefined;
  /** When the last answered heartbeat was sent; the session is at least as young. */
  #heardAt = performance.now();
  /** One was sent since, and is not answered. */
  #isAsking = false;
  #objection: Error | undefined;
  /** What the last one failed with that was not answered. */
  #silence: unknown = new Error('the coordinator of the group does not answer');

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.interval);
  }

  /** @throws what the broker has against the member: a rebalance, an end of the membership or of a right */
  check(): void {
    if (this.#objection !== undefined) throw this.#objection;
  }

  /** Sends one now, unless one is on its way, and waits for the answer. Never rejects. */
  now(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { interval, sessionTimeout } = this.#options;
    // One interval early rather than late. A process that stood still itself asks first.
    if (this.#isAsking && performance.now() - this.#heardAt > sessionTimeout - interval) this.#expire();
    else void this.now();
  }

  async #beat(): Promise<void> {
    const sentAt = performance.now();
    this.#isAsking = true;
    try {
      await this.#options.beat();
    } catch (error) {
      if (isHandover(error)) {
        this.#silence = error;
        return;
      }
      this.#objection ??= error instanceof Error ? error : new Error(String(error));
    }
    this.#heardAt = sentAt;
    this.#isAsking = false;
  }

  #expire(): void {
    this.stop();
    this.#options.onExpired(this.#silence);
  }
}
