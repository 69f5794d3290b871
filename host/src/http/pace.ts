import { type PipelineError, TransientError } from '@pipeline-host/sdk';

export interface PaceLimits {
  /** Milliseconds without a byte. */
  readonly idleTimeout: number;
  /** Bytes a second over the window. */
  readonly minimumRate: number;
  /** Milliseconds. */
  readonly rateWindow: number;
}

interface Sample {
  readonly waited: number;
  readonly bytes: number;
}

/**
 * Watches how fast a body comes. Its clock runs only while the reader waits for the network, so that a slow disk of ours
 * is never blamed on the server; and there is no limit on the whole, so that a large body may take its time.
 */
export class Pace implements Disposable {
  readonly #limits: PaceLimits;
  readonly #place: string;
  readonly #giveUp: (failure: PipelineError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #samples: Sample[] = [{ waited: 0, bytes: 0 }];
  #bytes = 0;
  #waited = 0;
  #waitingSince: number | null = null;

  constructor(limits: PaceLimits, place: string, giveUp: (failure: PipelineError) => void) {
    this.#limits = limits;
    this.#place = place;
    this.#giveUp = giveUp;
    const tick = Math.min(Math.max(Math.min(limits.idleTimeout, limits.rateWindow) / 10, 5), 1_000);
    this.#timer = setInterval(() => this.#check(), tick);
  }

  /** The reader begins to wait for bytes. */
  wait(): void {
    this.#waitingSince = performance.now();
  }

  /** Bytes came, or the end. */
  receive(bytes: number): void {
    if (this.#waitingSince !== null) this.#waited += performance.now() - this.#waitingSince;
    this.#waitingSince = null;
    this.#bytes += bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    if (this.#waitingSince === null) return;
    const { idleTimeout, minimumRate, rateWindow } = this.#limits;
    const idle = performance.now() - this.#waitingSince;
    if (idle >= idleTimeout) {
      return this.#stop(new TransientError('PH_DOWNLOAD_STALLED', `${this.#place} sent nothing for ${idleTimeout} ms`, { place: this.#place }));
    }
    const waited = this.#waited + idle;
    const before = this.#sampleBefore(waited - rateWindow);
    if (before === undefined) return;
    const rate = ((this.#bytes - before.bytes) * 1_000) / (waited - before.waited);
    if (rate >= minimumRate) return;
    this.#stop(
      new TransientError('PH_DOWNLOAD_SLOW', `${this.#place} sends ${Math.round(rate)} bytes a second, less than ${minimumRate}`, { place: this.#place }),
    );
  }

  /** Adds a sample of now, and finds the youngest that is a whole window old; undefined while the body is younger. */
  #sampleBefore(time: number): Sample | undefined {
    const now = { waited: this.#waited + (this.#waitingSince === null ? 0 : performance.now() - this.#waitingSince), bytes: this.#bytes };
    this.#samples.push(now);
    if (time < 0) return undefined;
    while ((this.#samples[1]?.waited ?? Number.POSITIVE_INFINITY) <= time) this.#samples.shift();
    return this.#samples[0];
  }

  #stop(failure: PipelineError): void {
    clearInterval(this.#timer);
    this.#giveUp(failure);
  }
}
