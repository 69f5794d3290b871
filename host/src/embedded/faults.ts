import type { TopicPartition } from './api/api.ts';

/**
 * A disturbance for tests, applied to the next `count` requests that fit (default 1).
 *
 * - `error`: the code is answered for what the fault names, and nothing is done.
 * - `'drop'`: the connection closes before the request is handled.
 * - `'drop-answer'`: the request is handled and the connection closes instead of answering, as when a broker dies after writing.
 * - `delayMs`: the request, and all that wait behind it on its connection, are handled that much later.
 */
export interface Fault {
  /** Name of the request as Kafka has it, for example `Produce` or `JoinGroup`. */
  readonly api: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly action: { readonly error: number } | 'drop' | 'drop-answer' | { readonly delayMs: number };
  readonly count?: number;
}

export interface FaultHooks {
  push(fault: Fault): void;
  /** Takes back all faults that have not been used up. */
  clear(): void;
}

/** The faults that hit one request. */
export class ActiveFaults {
  readonly #faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  get drop(): boolean {
    return this.#faults.some(({ action }) => action === 'drop');
  }

  get dropAnswer(): boolean {
    return this.#faults.some(({ action }) => action === 'drop-answer');
  }

  get delayMs(): number {
    return this.#faults.reduce((sum, { action }) => sum + (typeof action === 'object' && 'delayMs' in action ? action.delayMs : 0), 0);
  }

  /** The code to answer for a topic and partition (or for the whole request); 0 for none. */
  errorFor(topic?: string, partition?: number): number {
    for (const fault of this.#faults) {
      if (typeof fault.action === 'object' && 'error' in fault.action && fits(fault, { topic, partition })) return fault.action.error;
    }
    return 0;
  }
}

export const NO_FAULTS = new ActiveFaults([]);

export class FaultQueue implements FaultHooks {
  #queue: { readonly fault: Fault; left: number }[] = [];

  push(fault: Fault): void {
    this.#queue.push({ fault, left: fault.count ?? 1 });
  }

  clear(): void {
    this.#queue = [];
  }

  /** Takes one use of every fault that fits the request. */
  take(api: string, touched: () => readonly Partial<TopicPartition>[]): ActiveFaults {
    if (this.#queue.length === 0) return NO_FAULTS;
    const hits = this.#queue.filter(({ fault }) => {
      if (fault.api !== api) return false;
      return fault.topic === undefined && fault.partition === undefined ? true : touched().some((part) => fits(fault, part));
    });
    for (const hit of hits) hit.left -= 1;
    this.#queue = this.#queue.filter(({ left }) => left > 0);
    return hits.length === 0 ? NO_FAULTS : new ActiveFaults(hits.map(({ fault }) => fault));
  }
}

interface Part {
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
}

function fits(fault: Fault, part: Part): boolean {
  return (fault.topic === undefined || fault.topic === part.topic) && (fault.partition === undefined || fault.partition === part.partition);
}
