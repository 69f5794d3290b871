import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppendFile, type WriteBytes } from '../storage/append-file.ts';
import { readInt64 } from '../wire/reader.ts';
import { readRecords } from './batch-records.ts';
import { walkBatches } from './batch-walk.ts';
import type { StoredBatchHeader } from './log-producers.ts';
import { BATCH_HEADER_SIZE, type BatchHeader, batchSize, isControl, isIntact, readBatchHeader, setBaseOffset } from './record-batch.ts';
import { findInBatch, type TimedOffset } from './record-timestamps.ts';
import { INDEX_INTERVAL, SparseIndex } from './sparse-index.ts';
import { isCommitMarker } from './transaction-marker.ts';

/** A stored batch does not fit its checksum. The consumer gets CORRUPT_MESSAGE; nothing is skipped in silence. */
export class CorruptBatch extends Error {
  override readonly name = 'CorruptBatch';
}

export interface Recovery {
  /** Bytes of a torn tail that were cut off. */
  readonly truncated: number;
  /** Batches with a wrong checksum that have good ones behind them: kept, reported, never served. */
  readonly corrupt: number;
}

export interface ReadBatch {
  readonly header: BatchHeader;
  readonly intact: boolean;
  readonly bytes: Buffer;
}

/** One file of a partition's log: raw record batches, named for the offset of its first. */
export class Segment {
  readonly baseOffset: number;
  readonly #file: AppendFile;
  #index: SparseIndex | undefined;
  #maxTimestamp = -1;
  #firstTimestamp = -1;
  #nextOffset: number;
  /** Bytes from here on were checked by this process before it wrote them; older ones are checked when read. */
  #trustedFrom: number;

  constructor(folder: string, baseOffset: number, write?: WriteBytes, fileName = segmentFileName(baseOffset)) {
    this.baseOffset = baseOffset;
    this.#file = new AppendFile(join(folder, fileName), write);
    this.#nextOffset = baseOffset;
    this.#trustedFrom = this.#file.size;
  }

  get size(): number {
    return this.#file.size;
  }

  /** The offset after the last record. */
  get nextOffset(): number {
    this.#load();
    return this.#nextOffset;
  }

  /** -1 for an empty segment. */
  get maxTimestamp(): number {
    this.#load();
    return this.#maxTimestamp;
  }

  /** Of the first batch; -1 for an empty segment. */
  get firstTimestamp(): number {
    this.#load();
    return this.#firstTimestamp;
  }

  /** True while some of it may not be on disk. */
  get pending(): boolean {
    return this.#file.pending;
  }

  /**
   * Reads the last segment after a crash: checks every checksum and cuts off what the crash left half-written. A bad batch that has
   * a good one behind it is no torn tail but a damaged disk: it stays, since cutting there would lose the records after it.
   */
  recover(): Recovery {
    let end = 0;
    let corrupt = 0;
    let doubtful = 0;
    let expected = this.baseOffset;
    for (const { header, position, intact } of walkBatches(this.#file, 0, true)) {
      if (!intact) {
        doubtful += 1;
        continue;
      }
      if (header.baseOffset < expected) break;
      expected = header.lastOffset + 1;
      corrupt += doubtful;
      doubtful = 0;
      end = position + header.size;
    }
    const truncated = this.#file.size - end;
    if (truncated > 0) this.#file.truncate(end);
    this.#index = undefined;
    this.#trustedFrom = corrupt > 0 ? this.#file.size : 0;
    return { truncated, corrupt };
  }

  /** Stores one checked batch at `offset`, patching its base offset in place. Throws StorageFailure with nothing written. */
  append(batch: Buffer, header: BatchHeader, offset: number): void {
    this.#load();
    setBaseOffset(batch, offset);
    const position = this.#file.size;
    this.#file.append(batch);
    this.#note(offset, offset + header.lastOffset - header.baseOffset, position, header.maxTimestamp);
  }

  /**
   * Whole batches that begin before `before`, from the first that ends at `offset` or later: at most `maxBytes`, but at least one.
   * Undefined where there is none.
   */
  read(offset: number, maxBytes: number, before: number): Buffer | undefined {
    const from = this.#loadedIndex().positionOf(offset);
    const wanted = Math.min(this.#file.size - from, maxBytes + INDEX_INTERVAL);
    let buffer = this.#bytes(from, wanted);
    let start = 0;
    for (;;) {
      if (start + BATCH_HEADER_SIZE > buffer.length) {
        if (from + start + BATCH_HEADER_SIZE > this.#file.size) return undefined;
        buffer = this.#bytes(from, start + BATCH_HEADER_SIZE + maxBytes);
      }
      const size = this.#sizeAt(buffer, start, from);
      if (readBatchHeader(buffer, start).lastOffset >= offset) break;
      start += size;
    }
    if (readInt64(buffer, start) >= before) return undefined;
    const first = this.#sizeAt(buffer, start, from);
    if (start + first > buffer.length) buffer = this.#bytes(from, start + first);
    let end = start + first;
    while (end + BATCH_HEADER_SIZE <= buffer.length) {
      const next = end + this.#sizeAt(buffer, end, from);
      if (next > buffer.length || next - start > maxBytes || readInt64(buffer, end) >= before) break;
      end = next;
    }
    return this.#verified(buffer, start, end, from + start);
  }

  /** The first record at or after `timestamp` and `minOffset`. */
  findTime(timestamp: number, minOffset: number): TimedOffset | undefined {
    const from = this.#loadedIndex().positionOfTime(timestamp);
    for (const { header, position } of walkBatches(this.#file, from, false)) {
      if (header.maxTimestamp < timestamp || header.lastOffset < minOffset) continue;
      const found = findInBatch(this.#bytes(position, header.size), header, timestamp, minOffset);
      if (found) return found;
    }
    return undefined;
  }

  /** The headers of all batches from `offset` on, and what control batches say, for rebuilding the state of producers. */
  *headers(offset: number): Generator<StoredBatchHeader, void, undefined> {
    for (const { header, position } of walkBatches(this.#file, this.#loadedIndex().positionOf(offset), false)) {
      if (header.baseOffset < offset) continue;
      if (!isControl(header)) yield { header };
      else yield { header, committed: isCommitMarker(this.#controlKey(header, position)) };
    }
  }

  /** All batches in order, for compaction. `intact` is false for one that does not fit its checksum. */
  *batches(): Generator<ReadBatch, void, undefined> {
    for (const { header, position, intact } of walkBatches(this.#file, 0, true))
      yield { header, intact, bytes: this.#bytes(position, header.size) };
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Removes the file; the descriptor follows when a running flush has ended. */
  remove(): void {
    rmSync(this.#file.path, { force: true });
    void this.close();
  }

  #loadedIndex(): SparseIndex {
    this.#load();
    return this.#index as SparseIndex;
  }

  /** Sealed segments are indexed when first used, so that opening a large log stays quick. */
  #load(): void {
    if (this.#index) return;
    this.#index = new SparseIndex();
    this.#nextOffset = this.baseOffset;
    this.#maxTimestamp = -1;
    this.#firstTimestamp = -1;
    for (const { header, position } of walkBatches(this.#file, 0, false)) {
      this.#note(header.baseOffset, header.lastOffset, position, header.maxTimestamp);
    }
  }

  #note(offset: number, lastOffset: number, position: number, maxTimestamp: number): void {
    this.#index?.add(offset, position, this.#maxTimestamp);
    if (position === 0) this.#firstTimestamp = maxTimestamp;
    this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp);
    this.#nextOffset = lastOffset + 1;
  }

  #controlKey(header: BatchHeader, position: number): Buffer | null {
    return readRecords(this.#bytes(position, header.size), header)?.records[0]?.key ?? null;
  }

  #sizeAt(buffer: Buffer, at: number, from: number): number {
    const size = batchSize(buffer, at);
    if (size === undefined) throw new CorruptBatch(`no batch at byte ${from + at} of ${this.#file.path}`);
    return size;
  }

  #bytes(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(length, this.#file.size - position));
    this.#file.read(buffer, position, buffer.length);
    return buffer;
  }

  /** The first bad batch is an error; a bad one behind good ones is left for the next read. */
  #verified(buffer: Buffer, start: number, end: number, position: number): Buffer {
    if (position >= this.#trustedFrom) return buffer.subarray(start, end);
    for (let at = start; at < end; ) {
      const size = batchSize(buffer, at) ?? 0;
      if (!isIntact(buffer, at, size)) {
        if (at > start) return buffer.subarray(start, at);
        throw new CorruptBatch(`wrong checksum at byte ${position} of ${this.#file.path}`);
      }
      at += size;
    }
    return buffer.subarray(start, end);
  }
}

export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`;
}
