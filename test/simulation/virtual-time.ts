import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

const realImmediate = setImmediate;
const RealDate = Date;

/** What `setTimeout` and its kin give back: as much of a timer as their callers use. */
class VirtualTimer {
  active = true;
  readonly every: number | null;
  readonly call: () => void;
  at: number;
  readonly order: number;

  constructor(at: number, order: number, every: number | null, call: () => void) {
    this.at = at;
    this.order = order;
    this.every = every;
    this.call = call;
  }
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
}

/** Where every run begins. */
export const EPOCH = 1_800_000_000_000;

/**
 * Time that passes only when everyone waits. While it is installed, the timers, clocks and `Math.random` of this process are
 * its own, so that the code under test runs as it is. One timer fires at a time, in order of time and then of creation, and
 * all promises settle before the next one: with the same seed, the same things happen in the same order.
 */
export class VirtualTime {
  #now = 0;
  #order = 0;
  /** Changed for each timer: of two at one time the older one goes first. */
  readonly #heap: VirtualTimer[] = [];

  /** Milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  /** Timers that are to fire. */
  get pending(): number {
    return this.#heap.reduce((count, { active }) => count + (active ? 1 : 0), 0);
  }

  after(milliseconds: number, call: () => void): VirtualTimer {
    return this.#add(Math.max(1, milliseconds), null, call);
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, resolve));
  }

  /** Lets time pass until the condition holds; false where it does not by then. */
  async run(until: () => boolean, by: number): Promise<boolean> {
    for (;;) {
      await settled();
      if (until()) return true;
      const timer = this.#shift();
      if (timer !== undefined && timer.at > by) this.#push(timer);
      if (timer === undefined || timer.at > by) return false;
      if (!timer.active) continue;
      this.#now = timer.at;
      if (timer.every === null) timer.active = false;
      else {
        timer.at += timer.every;
        this.#push(timer);
      }
      timer.call();
    }
  }

  /** Replaces time for this process; what is given back is to be called at the end. */
  install(random: () => number): () => void {
    const later = (call: (...given: unknown[]) => void, wait = 1, ...given: unknown[]): VirtualTimer =>
      this.after(Number(wait) || 1, () => call(...given));
    const clear = (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.active = false;
    };
    const now = (): number => EPOCH + Math.floor(this.#now);
    class VirtualDate extends RealDate {
      constructor(...given: [] | [number | string]) {
        super(given[0] ?? now());
      }
      static override now(): number {
        return now();
      }
    }
    const sleep = (wait = 1, value?: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const stop = (): void => {
          timer.active = false;
          reject(new DOMException('The operation was aborted', 'AbortError'));
        };
        const timer = this.after(wait, () => {
          signal?.removeEventListener('abort', stop);
          resolve(value);
        });
        if (signal?.aborted === true) stop();
        else signal?.addEventListener('abort', stop, { once: true });
      });
    const replaced = [
      replace(globalThis, 'setTimeout', later),
      replace(globalThis, 'clearTimeout', clear),
      replace(globalThis, 'setInterval', (call: () => void, wait: number) => this.#add(wait, wait, call)),
      replace(globalThis, 'clearInterval', clear),
      replace(globalThis, 'setImmediate', (call: () => void) => this.#add(0, null, call)),
      replace(globalThis, 'clearImmediate', clear),
      replace(globalThis, 'Date', VirtualDate),
      replace(performance, 'now', () => this.#now),
      replace(Math, 'random', random),
      replace(timersPromises, 'setTimeout', sleep),
    ];
    syncBuiltinESMExports();
    return () => {
      for (const restore of replaced) restore();
      syncBuiltinESMExports();
    };
  }

  #add(wait: number, every: number | null, call: () => void): VirtualTimer {
    const timer = new VirtualTimer(this.#now + wait, this.#order++, every, call);
    this.#push(timer);
    return timer;
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, heap[parent] as VirtualTimer)) break;
      heap[at] = heap[parent] as VirtualTimer;
      at = parent;
    }
    heap[at] = timer;
  }

  #shift(): VirtualTimer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as VirtualTimer, heap[child] as VirtualTimer)) child++;
      if (!isBefore(heap[child] as VirtualTimer, last)) break;
      heap[at] = heap[child] as VirtualTimer;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (one: VirtualTimer, other: VirtualTimer): boolean => one.at < other.at || (one.at === other.at && one.order < other.order);

/** Resolves when every promise that can settle now has settled. */
const settled = (): Promise<void> => new Promise((resolve) => realImmediate(resolve));

function replace(owner: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { configurable: true, writable: true, enumerable: before?.enumerable ?? false, value });
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, before);
  };
}
