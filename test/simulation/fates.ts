import type { Behaviour, PlannedRecord } from './schedule.ts';
import { place } from './simulated-log.ts';

export const END_KINDS = ['output', 'skip', 'dead'] as const;
export type EndKind = (typeof END_KINDS)[number];

/** One life of a record, to its end: its first begins in the source, each further one where a replay of its dead letter stands. */
export interface Fate {
  readonly plan: PlannedRecord;
  /** 0 for the first. */
  readonly life: number;
  /** In the source or in the lane of replays. */
  readonly home: string;
  readonly offset: number;
  readonly attempts: readonly Behaviour[];
  readonly ends: { output: number; skip: number; dead: number };
  /** Where it stands, in order: its home, then its copies in the retry topic. */
  readonly places: string[];
  /** A handler has said what becomes of it, so that the next one of its key may start. */
  concluded: boolean;
  /** The last call that it was part of. */
  call: object | null;
}

export const hasEnd = ({ ends }: Fate): boolean => ends.output + ends.skip + ends.dead > 0;

/** All lives of all records, and what stands where in the source and in the retry topic. */
export class Fates {
  readonly #lives = new Map<number, Fate[]>();
  readonly #standing = new Map<string, Fate[]>();
  /** By dead letter and count. */
  readonly #replays = new Map<string, Fate>();
  /** Places where a replay stands once more. */
  readonly #repeated = new Set<string>();

  *all(): IterableIterator<Fate> {
    for (const lives of this.#lives.values()) yield* lives;
  }

  get size(): number {
    let size = 0;
    for (const lives of this.#lives.values()) size += lives.length;
    return size;
  }

  begin(plan: PlannedRecord, attempts: readonly Behaviour[], topic: string, partition: number, offset: number): Fate {
    const lives = this.#lives.get(plan.n) ?? [];
    this.#lives.set(plan.n, lives);
    const home = `${place(topic, partition)}/${offset}`;
    const ends = { output: 0, skip: 0, dead: 0 };
    const fate: Fate = { plan, life: lives.length, home, offset, attempts, ends, places: [], concluded: false, call: null };
    lives.push(fate);
    this.stand(fate, topic, partition, offset);
    return fate;
  }

  /** A replay was stored in its lane. Its life, and whether it begins here; a second one is to be skipped. */
  beginReplay(
    replay: string,
    first: Fate,
    topic: string,
    partition: number,
    offset: number,
  ): { readonly fate: Fate; readonly begins: boolean } {
    const known = this.#replays.get(replay);
    if (known !== undefined) {
      this.#repeated.add(`${place(topic, partition)}/${offset}`);
      this.#put(known, topic, partition, offset);
      return { fate: known, begins: false };
    }
    const fate = this.begin(first.plan, first.plan.replay?.attempts ?? first.attempts, topic, partition, offset);
    this.#replays.set(replay, fate);
    return { fate, begins: true };
  }

  stand(fate: Fate, topic: string, partition: number, offset: number): void {
    fate.places.push(`${place(topic, partition)}/${offset}`);
    this.#put(fate, topic, partition, offset);
  }

  #put(fate: Fate, topic: string, partition: number, offset: number): void {
    const at = place(topic, partition);
    const list = this.#standing.get(at) ?? [];
    list[offset] = fate;
    this.#standing.set(at, list);
  }

  at(topic: string, partition: number, offset: number): Fate | undefined {
    return this.#standing.get(place(topic, partition))?.[offset];
  }

  ofReplay(replay: string): Fate | undefined {
    return this.#replays.get(replay);
  }

  /** By what outputs and rows carry. */
  life(n: number, life: number): Fate | undefined {
    return this.#lives.get(n)?.[life];
  }

  isRepeated(topic: string, partition: number, offset: number): boolean {
    return this.#repeated.has(`${place(topic, partition)}/${offset}`);
  }

  /** Whether what stands there has come to its end, or on to another place. */
  isThrough(topic: string, partition: number, offset: number): boolean {
    const fate = this.at(topic, partition, offset);
    if (fate === undefined || this.isRepeated(topic, partition, offset)) return true;
    return hasEnd(fate) || fate.places.length > fate.places.indexOf(`${place(topic, partition)}/${offset}`) + 1;
  }
}
