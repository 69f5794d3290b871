import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../../kafka/wire/varint.ts';
import { codecOf, type RecordView, readRecords } from './batch-records.ts';
import type { KeyOffsets } from './key-offsets.ts';
import { type BatchHeader, deleteHorizonOf, isControl, isTransactional, rewriteBatch } from './record-batch.ts';
import type { ReadBatch } from './segment.ts';

export interface FilterRules {
  readonly latest: KeyOffsets;
  readonly isAborted: (producerId: number, offset: number) => boolean;
  /** Up to here an earlier compaction has removed the records of aborted transactions, and markers are not needed for them. */
  readonly cleanedTo: number;
  /** Up to here `latest` is complete: what comes after stays as it is. */
  readonly to: number;
  readonly now: number;
  /** How long tombstones and markers stay after the first compaction that met them, so that slow readers see them. */
  readonly deleteRetentionMs: number;
}

/**
 * Says batch by batch, in the order of the log, what compaction leaves of it: the latest record of each key, tombstones and
 * markers until their delete horizon, and every batch that cannot be read, as it is. A batch that loses records covers the same
 * offsets as before; one that loses all is gone.
 */
export class BatchFilter {
  readonly #rules: FilterRules;
  /** Producers that have records left in their current transaction. */
  readonly #inTransaction = new Set<number>();
  #nextHorizon = Number.POSITIVE_INFINITY;

  constructor(rules: FilterRules) {
    this.#rules = rules;
  }

  /** When the first of what was kept for its delete horizon only may go. */
  get nextHorizon(): number {
    return this.#nextHorizon;
  }

  /** The batch as it stays (the same bytes where nothing changes), or undefined if nothing does. */
  apply({ header, intact, bytes }: ReadBatch): Buffer | undefined {
    if (!intact || header.baseOffset >= this.#rules.to) return bytes;
    const kept = isControl(header) ? this.#marker(header, bytes) : this.#records(header, bytes);
    if (kept && !isControl(header) && isTransactional(header)) this.#inTransaction.add(header.producerId);
    return kept;
  }

  /** A marker is needed while records of its transaction are there. */
  #marker(header: BatchHeader, bytes: Buffer): Buffer | undefined {
    if (this.#inTransaction.delete(header.producerId)) return bytes;
    const { now, cleanedTo } = this.#rules;
    const horizon = deleteHorizonOf(header);
    if (horizon !== undefined && now >= horizon && header.lastOffset < cleanedTo) return undefined;
    return this.#withHorizon(header, bytes);
  }

  #records(header: BatchHeader, bytes: Buffer): Buffer | undefined {
    const { latest, isAborted, now } = this.#rules;
    if (isTransactional(header) && isAborted(header.producerId, header.baseOffset)) return undefined;
    const read = readRecords(bytes, header);
    if (!read) return bytes;
    const horizon = deleteHorizonOf(header);
    const tombstonesStay = horizon === undefined || now < horizon;
    const kept = read.records.filter(
      ({ key, offset, isTombstone }) => key !== null && offset >= latest.get(key) && (tombstonesStay || !isTombstone),
    );
    if (kept.length === 0) return undefined;
    if (kept.some(({ isTombstone }) => isTombstone)) return this.#withHorizon(header, bytes, kept);
    return kept.length === read.records.length ? bytes : rewrite(header, bytes, kept, read.bytes, undefined);
  }

  /** Gives the batch a delete horizon unless it has one, and keeps `kept` of its records, or all. */
  #withHorizon(header: BatchHeader, bytes: Buffer, kept?: readonly RecordView[]): Buffer {
    const read = readRecords(bytes, header);
    if (!read) return bytes;
    const present = deleteHorizonOf(header);
    const horizon = present ?? this.#rules.now + this.#rules.deleteRetentionMs;
    this.#nextHorizon = Math.min(this.#nextHorizon, horizon);
    const staying = kept ?? read.records;
    if (present !== undefined && staying.length === read.records.length) return bytes;
    return rewrite(header, bytes, staying, read.bytes, present === undefined ? horizon : undefined);
  }
}

function rewrite(
  header: BatchHeader,
  batch: Buffer,
  kept: readonly RecordView[],
  bytes: Buffer,
  deleteHorizon: number | undefined,
): Buffer {
  const records = kept.map((record) =>
    deleteHorizon === undefined ? bytes.subarray(record.start, record.end) : rebased(record, bytes, deleteHorizon),
  );
  return rewriteBatch(batch, {
    records: Buffer.concat(records),
    compress: codecOf(header)?.compress ?? ((uncompressed) => uncompressed),
    count: kept.length,
    maxTimestamp: kept.reduce((latest, { timestamp }) => Math.max(latest, timestamp), -1),
    ...(deleteHorizon !== undefined && { deleteHorizon }),
  });
}

/** The record with its time told from another base. */
function rebased({ timestamp, afterTimestamp, end }: RecordView, bytes: Buffer, baseTimestamp: number): Buffer {
  const delta = timestamp - baseTimestamp;
  const length = 1 + sizeOfVarlong(delta) + (end - afterTimestamp);
  const record = Buffer.alloc(sizeOfVarint(length) + length);
  const attributes = writeVarint(record, 0, length);
  const rest = writeVarlong(record, attributes + 1, delta);
  bytes.copy(record, rest, afterTimestamp, end);
  return record;
}
