import { crc32c } from '../../kafka/wire/crc32c.ts';
import { readInt64, writeInt64 } from '../wire/reader.ts';

/**
 * What the broker reads of a RecordBatch (magic 2). The bytes are stored as the producer sent them; the broker sets the base
 * offset alone, which the checksum does not cover.
 */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Size of the whole batch in bytes, header included. */
  readonly size: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1 for a producer without idempotence. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

export const BATCH_HEADER_SIZE = 61;
const SIZE_PREFIX = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const CRC_START = 21;
const ATTRIBUTES_AT = 21;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const RECORD_COUNT_AT = 57;
const MAGIC = 2;
const COMPRESSION_MASK = 0x07;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const DELETE_HORIZON = 0x40;

/** Size of the batch that starts at `at`, or undefined if these bytes cannot be the start of one. Needs a whole header. */
export function batchSize(bytes: Buffer, at: number): number | undefined {
  const size = bytes.readInt32BE(at + 8) + SIZE_PREFIX;
  return size >= BATCH_HEADER_SIZE && bytes[at + MAGIC_AT] === MAGIC ? size : undefined;
}

export function readMagic(bytes: Buffer, at: number): number {
  return bytes[at + MAGIC_AT] ?? -1;
}

/** Needs a whole header at `at`; see {@link batchSize} for whether it is one. */
export function readBatchHeader(bytes: Buffer, at: number): BatchHeader {
  const baseOffset = readInt64(bytes, at);
  return {
    baseOffset,
    size: bytes.readInt32BE(at + 8) + SIZE_PREFIX,
    attributes: bytes.readInt16BE(at + ATTRIBUTES_AT),
    lastOffset: baseOffset + bytes.readInt32BE(at + 23),
    baseTimestamp: readInt64(bytes, at + BASE_TIMESTAMP_AT),
    maxTimestamp: readInt64(bytes, at + MAX_TIMESTAMP_AT),
    producerId: readInt64(bytes, at + 43),
    producerEpoch: bytes.readInt16BE(at + 51),
    baseSequence: bytes.readInt32BE(at + 53),
    recordCount: bytes.readInt32BE(at + RECORD_COUNT_AT),
  };
}

/** The offset that follows whole batches, one behind another. */
export function offsetAfter(batches: Buffer): number {
  let last = 0;
  for (let at = 0; at < batches.length; at += batches.readInt32BE(at + 8) + SIZE_PREFIX) last = at;
  return readBatchHeader(batches, last).lastOffset + 1;
}

/** True when the checksum fits the whole batch of `size` bytes at `at`. */
export function isIntact(bytes: Buffer, at: number, size: number): boolean {
  return crc32c(bytes, at + CRC_START, at + size) === bytes.readUInt32BE(at + CRC_AT);
}

/** Puts the checksum over a batch that is complete otherwise. */
export function seal(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch, CRC_START), CRC_AT);
}

export function setBaseOffset(batch: Buffer, offset: number): void {
  writeInt64(batch, offset, 0);
}

/** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export function compressionOf(header: BatchHeader): number {
  return header.attributes & COMPRESSION_MASK;
}

export function isTransactional(header: BatchHeader): boolean {
  return (header.attributes & TRANSACTIONAL) !== 0;
}

export function isControl(header: BatchHeader): boolean {
  return (header.attributes & CONTROL) !== 0;
}

/** When tombstones and markers of this batch may go, set by the compaction that met them first; it stands in for the base timestamp. */
export function deleteHorizonOf(header: BatchHeader): number | undefined {
  return (header.attributes & DELETE_HORIZON) === 0 ? undefined : header.baseTimestamp;
}

export interface BatchContents {
  /** Uncompressed records, one after another, their offsets and times relative to the batch's own. */
  readonly records: Buffer;
  /** Compresses as the attributes of the batch say. */
  readonly compress: (records: Buffer) => Buffer;
  readonly count: number;
  readonly maxTimestamp: number;
  /** Set for a batch that gets a delete horizon now. */
  readonly deleteHorizon?: number;
}

/** A stored batch with fewer records or a delete horizon: it covers the same offsets and is of the same producer. */
export function rewriteBatch(batch: Buffer, { records, compress, count, maxTimestamp, deleteHorizon }: BatchContents): Buffer {
  const rewritten = Buffer.concat([batch.subarray(0, BATCH_HEADER_SIZE), compress(records)]);
  rewritten.writeInt32BE(rewritten.length - SIZE_PREFIX, 8);
  if (deleteHorizon !== undefined) {
    rewritten.writeInt16BE(rewritten.readInt16BE(ATTRIBUTES_AT) | DELETE_HORIZON, ATTRIBUTES_AT);
    writeInt64(rewritten, deleteHorizon, BASE_TIMESTAMP_AT);
  }
  writeInt64(rewritten, maxTimestamp, MAX_TIMESTAMP_AT);
  rewritten.writeInt32BE(count, RECORD_COUNT_AT);
  seal(rewritten);
  return rewritten;
}
