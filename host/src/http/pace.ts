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
    const failure = this.#stalled(performance.now() - this.#waitingSince) ?? this.#slow(performance.now() - this.#waitingSince);
    if (failure === undefined) return;
    clearInterval(this.#timer);
    this.#giveUp(failure);
  }

  #stalled(idle: number): PipelineError | undefined {
    const { idleTimeout } = this.#limits;
    if (idle < idleTimeout) return undefined;
    return new TransientError('PH_DOWNLOAD_STALLED', `${this.#place} sent nothing for ${idleTimeout} ms`, { place: this.#place });
  }

  #slow(idle: number): PipelineError | undefined {
    const { minimumRate, rateWindow } = this.#limits;
    const waited = this.#waited + idle;
    const before = this.#sampleBefore(waited, waited - rateWindow);
    if (before === undefined) return undefined;
    const rate = ((this.#bytes - before.bytes) * 1_000) / (waited - before.waited);
    if (rate >= minimumRate) return undefined;
    const message = `${this.#place} sends ${Math.round(rate)} bytes a second, less than ${minimumRate}`;
    return new TransientError('PH_DOWNLOAD_SLOW', message, { place: this.#place });
  }

  /** Adds a sample of now, and finds the youngest that is a whole window old; undefined while the body is younger. */
  #sampleBefore(waited: number, time: number): Sample | undefined {
    this.#samples.push({ waited, bytes: this.#bytes });
    if (time < 0) return undefined;
    while ((this.#samples[1]?.waited ?? Number.POSITIVE_INFINITY) <= time) this.#samples.shift();
    return this.#samples[0];
  }
}
