import type { Clock, Wait } from '../clock.ts';
import { type DateShift, shiftDate } from './shifted-date.ts';

interface Waiting {
  /** On this clock. */
  readonly at: number;
  readonly call: () => void;
  timer: NodeJS.Timeout;
}

/** A clock that goes as the system's does, and can be put forward. `Date` goes along, so that plugins see the same time. */
export class TestClock implements Clock, Disposable {
  readonly #waits = new Set<Waiting>();
  readonly #date: DateShift = shiftDate();
  #ahead = 0;

  monotonic(): number {
    return performance.now() + this.#ahead;
  }

  after(milliseconds: number, call: () => void): Wait {
    const at = this.monotonic() + milliseconds;
    const wait: Waiting = { at, call, timer: setTimeout(() => this.#end(wait), milliseconds) };
    this.#waits.add(wait);
    return {
      cancel: () => {
        clearTimeout(wait.timer);
        this.#waits.delete(wait);
      },
    };
  }

  /** Milliseconds until the next call; null where none is to come. */
  get next(): number | null {
    if (this.#waits.size === 0) return null;
    return Math.max(0, Math.min(...[...this.#waits].map(({ at }) => at)) - this.monotonic());
  }

  /** Calls what is due by then, in order of time. */
  putForward(milliseconds: number): void {
    // `Date` knows whole milliseconds alone.
    const whole = Math.ceil(milliseconds);
    this.#ahead += whole;
    this.#date.by(whole);
    const now = this.monotonic();
    const waits = [...this.#waits].sort((one, other) => one.at - other.at);
    for (const wait of waits) {
      clearTimeout(wait.timer);
      wait.timer = setTimeout(() => this.#end(wait), Math.max(0, wait.at - now));
    }
    for (const wait of waits) if (wait.at <= now && this.#waits.has(wait)) this.#end(wait);
  }

  #end(wait: Waiting): void {
    clearTimeout(wait.timer);
    this.#waits.delete(wait);
    wait.call();
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#waits) clearTimeout(timer);
    this.#waits.clear();
    this.#date[Symbol.dispose]();
  }
}
