import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrorCode } from '../error-code.ts';
import { StorageFailure, type WriteBytes } from '../storage/append-file.ts';
import { replaceFile } from '../storage/atomic-file.ts';
import { compact } from './compaction.ts';
import { type CompactionLimits, planCompaction } from './compaction-plan.ts';
import { type CompactionState, readCompactionState, writeCompactionState } from './compaction-state.ts';
import { LogProducers, type StoredBatchHeader } from './log-producers.ts';
import { inspectKeys, inspectProducedBatch } from './produced-batch.ts';
import { type BatchHeader, isTransactional, offsetAfter, readBatchHeader } from './record-batch.ts';
import type { TimedOffset } from './record-timestamps.ts';
import type { Recovery, Segment } from './segment.ts';
import { SegmentList } from './segment-list.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import { buildMarker, type TransactionMarker } from './transaction-marker.ts';

/** The limits of a log, read at each use so that a changed topic config takes effect at once. Negative means none. */
export interface LogLimits {
  readonly segmentBytes: number;
  readonly maxMessageBytes: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Set where the topic keeps the latest record of each key. */
  readonly compaction?: CompactionLimits;
}

export interface LogOptions {
  readonly limits: () => LogLimits;
  /** False after a crash: then the last segment is checked and its torn tail cut off. */
  readonly cleanShutdown: boolean;
  readonly onRecovery?: (folder: string, recovery: Recovery) => void;
  readonly write?: WriteBytes;
  /** Keys that a round of compaction holds in memory. */
  readonly keysAtOnce?: number;
}

export type AppendResult =
  | { readonly error: typeof ErrorCode.NONE; readonly offset: number }
  | { readonly error: Exclude<ErrorCode, typeof ErrorCode.NONE>; readonly cause?: unknown };

/** Whether a transactional batch belongs to a transaction that is going on; a log by itself knows of none. */
export type Admission = (header: BatchHeader) => ErrorCode;

export type AppendListener = (bytes: number) => void;

const PRODUCER_EXPIRY_MS = 24 * 3_600_000;

/** The log of one partition: segments of record batches, oldest first. All calls but flushing and closing are synchronous. */
export class PartitionLog {
  readonly folder: string;
  readonly #options: LogOptions;
  readonly #producers = new LogProducers();
  readonly #listeners = new Set<AppendListener>();
  readonly #segments: SegmentList;
  #startOffset: number;
  #endOffset = 0;
  #compaction: CompactionState;
  #abandoned = false;

  constructor(folder: string, options: LogOptions) {
    this.folder = folder;
    this.#options = options;
    mkdirSync(folder, { recursive: true });
    this.#segments = new SegmentList(folder, options.write);
    if (this.#segments.all.length === 0) this.#segments.roll(0);
    if (!options.cleanShutdown && this.#active.size > 0) this.#recover();
    this.#endOffset = this.#active.nextOffset;
    this.#startOffset = Math.min(Math.max(this.#readStart(), this.#segments.oldest.baseOffset), this.#endOffset);
    this.#moveStart(this.#startOffset); // a crash may have come between noting the start and removing segments
    this.#producers.restore(folder, this.#endOffset, (offset) => this.#segments.headers(offset));
    this.#compaction = readCompactionState(folder);
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** The offset that the next record gets; with a single node it is the high watermark too. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Where the first open transaction begins, or the end: up to here a reader of committed records may go. */
  get lastStableOffset(): number {
    return this.#producers.transactions.firstOpenOffset ?? this.#endOffset;
  }

  /** Producers whose transaction is open here. */
  get openTransactions(): readonly number[] {
    return this.#producers.transactions.openProducers();
  }

  /** Stores what a producer sent, one batch, untouched but for its base offset. A repeated idempotent batch gets its first offset. */
  append(records: Buffer, admit: Admission = () => ErrorCode.INVALID_TXN_STATE): AppendResult {
    const limits = this.#options.limits();
    const header = inspectProducedBatch(records, limits.maxMessageBytes);
    if ('error' in header) return { error: header.error as Exclude<ErrorCode, 0> };
    const verdict = this.#producers.check(header);
    if (verdict.kind === 'refused') return { error: verdict.error as Exclude<ErrorCode, 0> };
    if (verdict.kind === 'duplicate') return { error: ErrorCode.NONE, offset: verdict.offset };
    const admitted = isTransactional(header) ? admit(header) : ErrorCode.NONE;
    const error = admitted || (limits.compaction ? inspectKeys(records, header) : ErrorCode.NONE);
    if (error) return { error };
    try {
      return { error: ErrorCode.NONE, offset: this.#store(records, { header }) };
    } catch (cause) {
      return { error: ErrorCode.KAFKA_STORAGE_ERROR, cause };
    }
  }

  /** Ends the open transaction of a producer; does nothing where it has none, so that it can be repeated. Throws StorageFailure. */
  endTransaction(marker: TransactionMarker, timestamp: number): void {
    if (!this.#producers.transactions.isOpen(marker.producerId)) return;
    const batch = buildMarker(marker, timestamp);
    this.#store(batch, { header: readBatchHeader(batch, 0), committed: marker.committed });
  }

  /** Ends an open transaction that nobody will ever decide. Throws StorageFailure. */
  abortOrphan(producerId: number, timestamp: number): void {
    this.endTransaction({ producerId, producerEpoch: this.#producers.epochOf(producerId), committed: false }, timestamp);
  }

  /**
   * Whole batches that begin before `before`, from `offset` on, see {@link Segment.read}. Undefined where there are none. The first
   * may begin behind `offset`, where compaction has left a gap. Throws CorruptBatch.
   */
  read(offset: number, maxBytes: number, before = this.#endOffset): Buffer | undefined {
    return offset < before ? this.#segments.read(offset, maxBytes, before) : undefined;
  }

  /** The aborted transactions that a reader of these batches, which begin at `from`, may meet. */
  abortedAmong(from: number, batches: Buffer): readonly AbortedTransaction[] {
    const { transactions } = this.#producers;
    return transactions.hasAbortedFrom(from) ? transactions.abortedWithin(from, offsetAfter(batches)) : [];
  }

  findTime(timestamp: number): TimedOffset | undefined {
    return this.#segments.findTime(timestamp, this.#startOffset);
  }

  /** Moves the start up to `offset` (-1: to the end) and removes segments that lie wholly before it. */
  deleteBefore(offset: number): typeof ErrorCode.NONE | typeof ErrorCode.OFFSET_OUT_OF_RANGE {
    const target = offset === -1 ? this.#endOffset : offset;
    if (target < 0 || target > this.#endOffset) return ErrorCode.OFFSET_OUT_OF_RANGE;
    this.#moveStart(Math.max(target, this.#startOffset));
    return ErrorCode.NONE;
  }

  /** Removes whole segments past the limits of time and size. A last segment that has expired is sealed first. */
  applyRetention(now: number): void {
    const { retentionMs, retentionBytes } = this.#options.limits();
    const expired = (segment: Segment): boolean => retentionMs >= 0 && segment.size > 0 && segment.maxTimestamp < now - retentionMs;
    if (expired(this.#active)) this.#roll(this.#endOffset);
    let total = this.#segments.all.reduce((sum, segment) => sum + segment.size, 0);
    let keep = 0;
    for (const segment of this.#segments.all.slice(0, -1)) {
      // Compaction may leave a segment empty.
      if (segment.size > 0 && !expired(segment) && !(retentionBytes >= 0 && total - segment.size >= retentionBytes)) break;
      total -= segment.size;
      keep += 1;
    }
    const limited = retentionMs >= 0 || retentionBytes >= 0;
    if (limited && keep > 0) this.#moveStart(Math.max(this.#startOffset, (this.#segments.all[keep] as Segment).baseOffset));
    this.#producers.transactions.forgetBefore(this.#startOffset);
    this.#producers.forgetBefore(now - PRODUCER_EXPIRY_MS);
  }

  /**
   * Removes records that a later one of the same key has replaced, where the topic wants that and it is worth it; serves readers and
   * writers meanwhile. True if something was compacted. Stops early, with nothing lost, on `signal` or when retention takes the
   * segments away.
   */
  async compact(now: number, signal: AbortSignal): Promise<boolean> {
    const { compaction: limits, segmentBytes } = this.#options.limits();
    if (!limits) return false;
    const sealBefore = now - Math.min(limits.segmentMs, limits.maxLagMs);
    if (this.#active.size > 0 && this.#active.firstTimestamp < sealBefore) this.#roll(this.#endOffset);
    const before = this.#compaction;
    const start = this.#startOffset;
    const plan = planCompaction(this.#segments.all, limits, before, now, this.lastStableOffset);
    if (!plan) return false;
    // What producers have written must be known without the batches that go.
    await this.flush();
    this.#producers.transactions.forgetBefore(before.cleanedTo);
    this.#saveProducers();
    const { deleteRetentionMs } = limits;
    const { folder } = this;
    const aborted = this.#producers.transactions.abortedWithin(0, plan.segments.at(-1)?.nextOffset ?? 0);
    try {
      const after = await compact({
        ...{ plan, folder, before, segmentBytes, deleteRetentionMs, aborted, now, signal },
        ...(this.#options.keysAtOnce !== undefined && { keysAtOnce: this.#options.keysAtOnce }),
        replace: (sources) => !this.#abandoned && this.#segments.replace(sources),
      });
      if (!after || this.#abandoned) return false;
      writeCompactionState(folder, after);
      this.#compaction = after;
      return true;
    } catch (error) {
      if (this.#abandoned || this.#startOffset !== start) return false; // the segments were closed under it
      throw error;
    }
  }

  /** Calls `listener` with the size of each append until the returned function is called. */
  onAppend(listener: AppendListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything appended so far is on disk. */
  async flush(): Promise<void> {
    if (this.#abandoned) return;
    await this.#segments.flush();
  }

  /** Flushes, notes the state of producers and lets go of the files. */
  async close(): Promise<void> {
    await this.flush();
    this.#saveProducers();
    await this.#segments.close();
  }

  /** Lets go of the files without a word: the topic is being deleted. Wakes who waits for records. */
  abandon(): void {
    this.#abandoned = true;
    void this.#segments.close();
    for (const listener of [...this.#listeners]) listener(0);
  }

  get #active(): Segment {
    return this.#segments.active;
  }

  /** Stores a checked batch at the end of the log and returns its offset. Throws with nothing changed. */
  #store(batch: Buffer, { header, ...marker }: StoredBatchHeader): number {
    const offset = this.#endOffset;
    const { segmentBytes } = this.#options.limits();
    if (this.#active.size > 0 && this.#active.size + header.size > segmentBytes) this.#roll(offset);
    this.#active.append(batch, header, offset);
    this.#endOffset = offset + header.recordCount;
    this.#producers.record({ header: { ...header, baseOffset: offset, lastOffset: this.#endOffset - 1 }, ...marker });
    for (const listener of [...this.#listeners]) listener(batch.length);
    return offset;
  }

  #roll(baseOffset: number): void {
    this.#segments.roll(baseOffset);
    this.#saveProducers();
  }

  #moveStart(offset: number): void {
    try {
      if (offset !== this.#startOffset) replaceFile(join(this.folder, 'start-offset'), `${offset}\n`);
    } catch (cause) {
      throw new StorageFailure(`cannot note the start of ${this.folder}`, { cause });
    }
    this.#startOffset = offset;
    this.#segments.removeBefore(offset);
  }

  #readStart(): number {
    const path = join(this.folder, 'start-offset');
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  }

  #recover(): void {
    const recovery = this.#active.recover();
    if (recovery.truncated > 0 || recovery.corrupt > 0) this.#options.onRecovery?.(this.folder, recovery);
  }

  #saveProducers(): void {
    this.#producers.save(this.folder, this.#endOffset);
  }
}
