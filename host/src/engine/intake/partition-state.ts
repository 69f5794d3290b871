import type { Wait } from '../../clock.ts';
import type { CommitOffset, KafkaRecord } from '../../kafka/driver.ts';
import { encodeAhead } from './commit-metadata.ts';
import { Ledger, type Span } from './ledger.ts';

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
  /** What an owner before us had settled above that, in order. */
  readonly resumed?: readonly Span[];
}

/** A commit of one partition as it is sent, and what is to be done once it is stored. */
export interface PlannedCommit {
  readonly state: PartitionState;
  readonly offset: CommitOffset;
  /** Settled when it was planned: with more settled, there is something new to commit. */
  readonly settled: number;
  /** Staged files of records that nobody reads again once this is stored. */
  readonly released: ReadonlySet<string>;
}

/** A record that this version of the plugin must not read. */
export interface NewerRecord {
  readonly offset: number;
  /** Of the topic's schema, by the record's header. */
  readonly version: number;
  /** Milliseconds until it is looked at again. */
  readonly wait: number;
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
  /** Settled when that was committed. */
  #committedSettled = 0;
  /** Offset after the last record of the partition, as last asked for; null until then. */
  head: number | null = null;
  /** Since when it was seen to have records that nobody fetched, though it is not paused; on the monotonic clock, null where it has none. */
  unreadSince: number | null = null;
  /** The record at which it waits for a newer version of the plugin. */
  newer: NewerRecord | null = null;
  /** The head that waits for its due time, and since when. */
  #waiting = { offset: -1, since: 0 };
  /** Highest offset that a handler was started for. */
  highestStarted = -1;
  /** Lost or handed over: nothing of it may change anything any more. */
  closed = false;
  /** Paused until its head is looked at again: when it is due, or once more for its version. */
  delayed: Wait | null = null;
  /** When the oldest pending or open record came, by batch, on the monotonic clock. */
  readonly #arrivals: { readonly offset: number; readonly at: number }[] = [];
  #releases: { readonly offset: number; readonly uri: string }[] = [];
  #pending: KafkaRecord[] = [];
  #next = 0;

  constructor(options: PartitionOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.source = options.source;
    this.lane = options.lane;
    this.committed = options.committed;
    this.ledger = new Ledger(options.committed, options.resumed);
  }

  /** What is before this offset is known to be settled, and not read. Only before anything was delivered. */
  begin(offset: number): void {
    this.ledger = new Ledger(offset);
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

  /** Notes from where up to where the partition has records; null where that is not known. */
  spans(offsets: { readonly low: number; readonly high: number } | null): void {
    this.head = offsets?.high ?? null;
    // What retention has deleted unread, nobody can fetch.
    const isUnread = offsets !== null && offsets.high > Math.max(offsets.low, this.ledger.end) && this.delayed === null;
    this.unreadSince = isUnread ? (this.unreadSince ?? performance.now()) : null;
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
    const record = this.#pending[this.#next];
    if (record === undefined) return undefined;
    this.#next++;
    if (this.#next === this.#pending.length) {
      this.#pending = [];
      this.#next = 0;
    }
    return record;
  }

  get pending(): number {
    return this.#pending.length - this.#next;
  }

  /** Deletes a staged file once no owner can be given its record again. */
  releaseAfter(offset: number, uri: string): void {
    this.#releases.push({ offset, uri });
  }

  /**
   * What is to be committed, or null where nothing is new.
   *
   * @param ahead whether what is settled above the watermark goes along: `kept` where the broker is known to keep it
   */
  planCommit(ahead: 'kept' | 'tried' | 'dropped'): PlannedCommit | null {
    const { topic, partition, ledger } = this;
    const { watermark, settled } = ledger;
    if (watermark <= this.committed && (ahead === 'dropped' || settled === this.#committedSettled)) return null;
    const { text, reach } = ahead === 'dropped' ? { text: undefined, reach: watermark } : encodeAhead(watermark, ledger.settledAhead());
    const passed = ahead === 'kept' ? reach : watermark;
    const released = this.#releases.filter(({ offset }) => offset < watermark || (offset < passed && !ledger.isOpen(offset)));
    return {
      state: this,
      offset: { topic, partition, offset: watermark, ...(text !== undefined && { metadata: text }) },
      settled,
      released: new Set(released.map(({ uri }) => uri)),
    };
  }

  /** The commit is stored. */
  committedAs({ offset, settled, released }: PlannedCommit): void {
    this.committed = offset.offset;
    this.#committedSettled = settled;
    if (released.size > 0) this.#releases = this.#releases.filter(({ uri }) => !released.has(uri));
  }

  /** When the oldest open record came, on the monotonic clock, or null. */
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
    this.delayed?.cancel();
    this.delayed = null;
    let bytes = 0;
    for (let record = this.shift(); record !== undefined; record = this.shift()) bytes += recordBytes(record);
    return bytes;
  }
}
