import type { CommitOffset, KafkaRecord, OutgoingRecord } from '../../host/src/kafka/driver.ts';
import { EPOCH, type VirtualTime } from './virtual-time.ts';

/** One place in a partition: a record, or what no reader sees (a control record, or one that was compacted away). */
export type Stored = KafkaRecord | null;

export interface StoredCommit {
  readonly offset: number;
  readonly metadata: string;
}

export const place = (topic: string, partition: number): string => `${topic}/${partition}`;

/** What the brokers hold: it outlives every member. All of it is in memory. */
export class SimulatedLog {
  readonly topics = new Map<string, Stored[][]>();
  /** By group, then by `topic/partition`. */
  readonly #commits = new Map<string, Map<string, StoredCommit>>();
  /** No broker answers while this is set. */
  isDown = false;
  /** Told of every record as it is stored. */
  readonly onStored: ((topic: string, partition: number, record: KafkaRecord) => void)[] = [];
  readonly #readers = new Set<() => void>();
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, topics: Readonly<Record<string, number>>) {
    this.#time = time;
    for (const [name, partitions] of Object.entries(topics))
      this.topics.set(
        name,
        Array.from({ length: partitions }, () => []),
      );
  }

  partition(topic: string, partition: number): Stored[] {
    const found = this.topics.get(topic)?.[partition];
    if (found === undefined) throw new Error(`no partition ${topic}/${partition}`);
    return found;
  }

  append({ topic, partition, key, value, headers }: OutgoingRecord): void {
    const bytes = (given: Buffer | string | null): Buffer | null => (typeof given === 'string' ? Buffer.from(given) : given);
    const keyBytes = bytes(key);
    const at = partition ?? partitionOf(keyBytes, this.topics.get(topic)?.length ?? 1);
    const records = this.partition(topic, at);
    const record = {
      offset: records.length,
      timestamp: EPOCH + this.#time.now,
      key: keyBytes,
      value: bytes(value),
      headers: headers ?? {},
    };
    records.push(record);
    for (const tell of this.onStored) tell(topic, at, record);
    for (const wake of this.#readers) wake();
  }

  /** Stores something that no reader sees. */
  appendInvisible(topic: string, partition: number): void {
    this.partition(topic, partition).push(null);
    for (const wake of this.#readers) wake();
  }

  commitsOf(group: string): ReadonlyMap<string, StoredCommit> {
    return this.#commits.get(group) ?? new Map();
  }

  commit(group: string, offsets: readonly CommitOffset[]): void {
    const commits = this.#commits.get(group) ?? new Map<string, StoredCommit>();
    this.#commits.set(group, commits);
    for (const { topic, partition, offset, metadata } of offsets)
      commits.set(place(topic, partition), { offset, metadata: metadata ?? '' });
  }

  /** Calls back whenever something new may be read, until it is told to stop. */
  watch(wake: () => void): () => void {
    this.#readers.add(wake);
    return () => this.#readers.delete(wake);
  }

  /** Lets readers look again, as after an outage. */
  wakeReaders(): void {
    for (const wake of this.#readers) wake();
  }
}

function partitionOf(key: Buffer | null, partitions: number): number {
  let sum = 0;
  for (const byte of key ?? []) sum = (sum * 31 + byte) >>> 0;
  return sum % partitions;
}
