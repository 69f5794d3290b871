import type { PipelineError } from '@pipeline-host/sdk';
import type { Waiting } from './send-queue.ts';

/** Waits between two tries of a refused topic: rights are given back by people. */
const PROBE_MILLISECONDS = { first: 500, most: 10_000 } as const;

interface Refusal {
  fault: PipelineError;
  /** In the order they were given. */
  records: Waiting[];
  failures: number;
  /** Epoch milliseconds. */
  probeAt: number;
}

/** Topics that the broker does not let us write to: what is for them waits in order, while other topics go on. */
export class RefusedTopics {
  readonly #topics = new Map<string, Refusal>();

  get any(): boolean {
    return this.#topics.size > 0;
  }

  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /** Something waits already: what comes now must wait behind it. */
  isWaiting(topic: string): boolean {
    return (this.#topics.get(topic)?.records.length ?? 0) > 0;
  }

  fault(topic: string): PipelineError | null {
    return this.#topics.get(topic)?.fault ?? null;
  }

  /** The broker has refused these records. True where it took the topic's records before. */
  refuse(topic: string, records: readonly Waiting[], fault: PipelineError): boolean {
    const known = this.#topics.get(topic);
    const failures = known === undefined ? 0 : known.failures + 1;
    const probeAt = Date.now() + Math.min(PROBE_MILLISECONDS.most, PROBE_MILLISECONDS.first * 2 ** Math.min(failures, 10));
    this.#topics.set(topic, { fault, failures, probeAt, records: [...records, ...(known?.records ?? [])] });
    return known === undefined;
  }

  /** Behind what waits for its topic. */
  hold(record: Waiting): void {
    this.#topics.get(record.topic)?.records.push(record);
  }

  /** Milliseconds until a topic may be tried again. */
  get nextProbe(): number {
    return Math.max(0, Math.min(...[...this.#topics.values()].map(({ probeAt }) => probeAt)) - Date.now());
  }

  /** Topics that may be tried again now. */
  due(): readonly string[] {
    const now = Date.now();
    return [...this.#topics].filter(([, { probeAt }]) => probeAt <= now).map(([topic]) => topic);
  }

  /** Hands out what waits for the topic, which stays refused until {@link allow}. */
  take(topic: string): Waiting[] {
    return this.#topics.get(topic)?.records.splice(0) ?? [];
  }

  allow(topic: string): void {
    this.#topics.delete(topic);
  }

  /** Gives up on all: what waited. */
  clear(): Waiting[] {
    const waiting = [...this.#topics.values()].flatMap(({ records }) => records);
    this.#topics.clear();
    return waiting;
  }
}
