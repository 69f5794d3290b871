import type { KafkaRecord } from '../kafka/driver.ts';
import { Ledger } from './ledger.ts';

/** Bytes that a record holds in memory, roughly: its key, value and the objects around them. */
export function recordBytes(record: KafkaRecord): number {
  return (record.value?.length ?? 0) + (record.key?.length ?? 0) + 128;
}

export interface PartitionOptions {
  readonly topic: string;
  readonly partition: number;
  /** The class of source partitions whose keys these are: a retry partition belongs to its class. */
  readonly source: number;
  /** 0 and up in a retry topic, null in the source topic. */
  readonly lane: number | null;
  readonly committed: number;
}

/** One partition for as long as it is assigned: a new assignment makes a new object, so late completions of a lost one find nothing to change. */
export class PartitionState {
  readonly topic: string;
  readonly partition: number;
  readonly source: number;
  readonly lane: number | null;
  ledger: Ledger;
  /** Last committed offset. */
  committed: number;
  /** The head that waits for its due time, and since when. */
  #waiting = { offset: -1, since: 0 };
  /** Highest offset that a handler was started for. */
  highestStarted = -1;
  /** Lost or handed over: nothing of it may change anything any more. */
  closed = false;
  /** Waits for the due time of its head. */
  delayed: NodeJS.Timeout | null = null;
  /** Epoch milliseconds when the oldest pending or open record came, by batch. */
  readonly #arrivals: { readonly offset: number; readonly at: number }[] = [];
  readonly #releases: { readonly offset: number; readonly uri: string }[] = [];
  #pending: KafkaRecord[] = [];
  #head = 0;

  constructor(options: PartitionOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.source = options.source;
    this.lane = options.lane;
    this.committed = options.committed;
    this.ledger = new Ledger(options.committed);
  }

  /** Begins at another offset than the committed one. Only before anything was delivered. */
  restart(offset: number): void {
    this.committed = offset;
    this.ledger = new Ledger(offset);
  }

  /** Epoch milliseconds since when this head is waited for. */
  waitedFor(offset: number, now: number): number {
    if (this.#waiting.offset !== offset) this.#waiting = { offset, since: now };
    return this.#waiting.since;
  }

  /** Notes when a batch came, for the age of the oldest open record. */
  arrived(firstOffset: number, at: number): void {
    // Here, since nobody may ever ask for the age.
    this.oldestOpenSince();
    this.#arrivals.push({ offset: firstOffset, at });
  }

  push(record: KafkaRecord): void {
    this.#pending.push(record);
  }

  /** The next record that no handler was given, in offset order. */
  shift(): KafkaRecord | undefined {
    const record = this.#pending[this.#head];
    if (record === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#pending.length) {
      this.#pending = [];
      this.#head = 0;
    }
    return record;
  }

  get pending(): number {
    return this.#pending.length - this.#head;
  }

  /** Deletes a staged file once the commit has passed this offset. */
  releaseAfter(offset: number, uri: string): void {
    this.#releases.push({ offset, uri });
  }

  /** The staged files whose records are committed. */
  takeReleased(): string[] {
    const released: string[] = [];
    for (let index = this.#releases.length - 1; index >= 0; index--) {
      const release = this.#releases[index];
      if (release !== undefined && release.offset < this.committed) {
        released.push(release.uri);
        this.#releases.splice(index, 1);
      }
    }
    return released;
  }

  /** Epoch milliseconds when the oldest open record came, or null. */
  oldestOpenSince(): number | null {
    if (this.ledger.open === 0) {
      this.#arrivals.length = 0;
      return null;
    }
    const watermark = this.ledger.watermark;
    while (this.#arrivals.length > 1 && (this.#arrivals[1]?.offset ?? Number.POSITIVE_INFINITY) <= watermark) this.#arrivals.shift();
    return this.#arrivals[0]?.at ?? null;
  }

  /** Ends its life: pending records are forgotten, to be read again by the next owner. Returns the bytes they held. */
  close(): number {
    this.closed = true;
    if (this.delayed !== null) clearTimeout(this.delayed);
    this.delayed = null;
    let bytes = 0;
    for (let record = this.shift(); record !== undefined; record = this.shift()) bytes += recordBytes(record);
    return bytes;
  }
}
