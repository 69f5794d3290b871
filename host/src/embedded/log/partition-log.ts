import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrorCode } from '../error-code.ts';
import { StorageFailure, type WriteBytes } from '../storage/append-file.ts';
import { replaceFile, syncFolder } from '../storage/atomic-file.ts';
import { inspectProducedBatch } from './produced-batch.ts';
import { type ProducerSnapshot, ProducerState } from './producer-state.ts';
import type { TimedOffset } from './record-timestamps.ts';
import { baseOffsetOf, type Recovery, Segment } from './segment.ts';

/** The limits of a log, read at each use so that a changed topic config takes effect at once. Negative means none. */
export interface LogLimits {
  readonly segmentBytes: number;
  readonly maxMessageBytes: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

export interface LogOptions {
  readonly limits: () => LogLimits;
  /** False after a crash: then the last segment is checked and its torn tail cut off. */
  readonly cleanShutdown: boolean;
  readonly onRecovery?: (folder: string, recovery: Recovery) => void;
  readonly write?: WriteBytes;
}

export type AppendResult =
  | { readonly error: typeof ErrorCode.NONE; readonly offset: number }
  | { readonly error: Exclude<ErrorCode, typeof ErrorCode.NONE>; readonly cause?: unknown };

export type AppendListener = (bytes: number) => void;

const PRODUCER_EXPIRY_MS = 24 * 3_600_000;

/** The log of one partition: segments of record batches, oldest first. All calls but flushing and closing are synchronous. */
export class PartitionLog {
  readonly folder: string;
  readonly #options: LogOptions;
  readonly #producers = new ProducerState();
  readonly #listeners = new Set<AppendListener>();
  readonly #segments: Segment[] = [];
  #startOffset: number;
  #endOffset = 0;
  #abandoned = false;

  constructor(folder: string, options: LogOptions) {
    this.folder = folder;
    this.#options = options;
    mkdirSync(folder, { recursive: true });
    const bases = readdirSync(folder).flatMap((name) => baseOffsetOf(name) ?? []);
    for (const base of bases.sort((a, b) => a - b)) this.#segments.push(new Segment(folder, base, options.write));
    if (this.#segments.length === 0) this.#roll(0);
    if (!options.cleanShutdown && this.#active.size > 0) this.#recover();
    this.#endOffset = this.#active.nextOffset;
    this.#startOffset = Math.min(Math.max(this.#readStart(), this.#oldest.baseOffset), this.#endOffset);
    this.#moveStart(this.#startOffset); // a crash may have come between noting the start and removing segments
    this.#restoreProducers();
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** The offset that the next record gets; with a single node it is the high watermark too. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Stores what a producer sent, one batch, untouched but for its base offset. A repeated idempotent batch gets its first offset. */
  append(records: Buffer): AppendResult {
    const limits = this.#options.limits();
    const header = inspectProducedBatch(records, limits.maxMessageBytes);
    if ('error' in header) return { error: header.error as Exclude<ErrorCode, 0> };
    const verdict = this.#producers.check(header);
    if (verdict.kind === 'refused') return { error: verdict.error as Exclude<ErrorCode, 0> };
    if (verdict.kind === 'duplicate') return { error: ErrorCode.NONE, offset: verdict.offset };
    const offset = this.#endOffset;
    try {
      if (this.#active.size > 0 && this.#active.size + header.size > limits.segmentBytes) this.#roll(offset);
      this.#active.append(records, header, offset);
    } catch (cause) {
      return { error: ErrorCode.KAFKA_STORAGE_ERROR, cause };
    }
    this.#endOffset = offset + header.recordCount;
    this.#producers.record(header, offset);
    for (const listener of [...this.#listeners]) listener(records.length);
    return { error: ErrorCode.NONE, offset };
  }

  /** Whole batches from `offset` on, see {@link Segment.read}. Undefined at the end of the log. Throws CorruptBatch. */
  read(offset: number, maxBytes: number): Buffer | undefined {
    if (offset >= this.#endOffset) return undefined;
    const first = this.#segments.findLastIndex((segment) => segment.baseOffset <= offset);
    for (const segment of this.#segments.slice(Math.max(first, 0))) {
      const found = segment.size > 0 ? segment.read(offset, maxBytes) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  findTime(timestamp: number): TimedOffset | undefined {
    for (const segment of this.#segments) {
      const found = segment.maxTimestamp >= timestamp ? segment.findTime(timestamp, this.#startOffset) : undefined;
      if (found) return found;
    }
    return undefined;
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
    let total = this.#segments.reduce((sum, segment) => sum + segment.size, 0);
    let keep = 0;
    for (const segment of this.#segments.slice(0, -1)) {
      if (!expired(segment) && !(retentionBytes >= 0 && total - segment.size >= retentionBytes)) break;
      total -= segment.size;
      keep += 1;
    }
    if (keep > 0) this.#moveStart(Math.max(this.#startOffset, (this.#segments[keep] as Segment).baseOffset));
    this.#producers.forgetBefore(now - PRODUCER_EXPIRY_MS);
  }

  /** Calls `listener` with the size of each append until the returned function is called. */
  onAppend(listener: AppendListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything appended so far is on disk. */
  async flush(): Promise<void> {
    if (this.#abandoned) return;
    await Promise.all(this.#segments.filter((segment) => segment.pending).map((segment) => segment.flush()));
  }

  /** Flushes, notes the state of producers and lets go of the files. */
  async close(): Promise<void> {
    await this.flush();
    this.#saveProducers();
    await Promise.all(this.#segments.map((segment) => segment.close()));
  }

  /** Lets go of the files without a word: the topic is being deleted. Wakes who waits for records. */
  abandon(): void {
    this.#abandoned = true;
    for (const segment of this.#segments) void segment.close();
    for (const listener of [...this.#listeners]) listener(0);
  }

  get #active(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  get #oldest(): Segment {
    return this.#segments[0] as Segment;
  }

  #roll(baseOffset: number): void {
    let segment: Segment;
    try {
      segment = new Segment(this.folder, baseOffset, this.#options.write);
    } catch (cause) {
      throw new StorageFailure(`cannot begin a segment in ${this.folder}`, { cause });
    }
    this.#segments.push(segment);
    syncFolder(this.folder);
    if (this.#segments.length > 1) this.#saveProducers();
  }

  #moveStart(offset: number): void {
    try {
      if (offset !== this.#startOffset) replaceFile(join(this.folder, 'start-offset'), `${offset}\n`);
    } catch (cause) {
      throw new StorageFailure(`cannot note the start of ${this.folder}`, { cause });
    }
    this.#startOffset = offset;
    while ((this.#segments[1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= offset) this.#segments.shift()?.remove();
  }

  #readStart(): number {
    return Number(readOptional(join(this.folder, 'start-offset')) ?? '0');
  }

  #recover(): void {
    const recovery = this.#active.recover();
    if (recovery.truncated > 0 || recovery.corrupt > 0) this.#options.onRecovery?.(this.folder, recovery);
  }

  #saveProducers(): void {
    const saved: SavedProducers = { offset: this.#endOffset, producers: this.#producers.snapshot() };
    replaceFile(join(this.folder, 'producers.json'), JSON.stringify(saved));
  }

  /** From the last snapshot and the batches after it; from all batches if there is none. */
  #restoreProducers(): void {
    const text = readOptional(join(this.folder, 'producers.json'));
    const saved = text === undefined ? undefined : (JSON.parse(text) as SavedProducers);
    const usable = saved !== undefined && saved.offset <= this.#endOffset;
    if (usable) this.#producers.restore(saved.producers);
    const from = usable ? saved.offset : 0;
    for (const [i, segment] of this.#segments.entries()) {
      if ((this.#segments[i + 1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= from) continue;
      for (const header of segment.headers(from)) this.#producers.record(header, header.baseOffset);
    }
  }
}

interface SavedProducers {
  readonly offset: number;
  readonly producers: ProducerSnapshot;
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
