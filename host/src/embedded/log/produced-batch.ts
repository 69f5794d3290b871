import { ErrorCode } from '../error-code.ts';
import { readRecords } from './batch-records.ts';
import {
  BATCH_HEADER_SIZE,
  type BatchHeader,
  batchSize,
  compressionOf,
  isControl,
  isIntact,
  readBatchHeader,
  readMagic,
} from './record-batch.ts';

const ZSTD = 4;

/** Checks what a producer sent for one partition, once, before it is stored: exactly one whole, intact batch with honest counts. */
export function inspectProducedBatch(records: Buffer, maxMessageBytes: number): BatchHeader | { readonly error: ErrorCode } {
  if (records.length < BATCH_HEADER_SIZE) return { error: ErrorCode.CORRUPT_MESSAGE };
  const size = batchSize(records, 0);
  if (size === undefined)
    return { error: readMagic(records, 0) === 2 ? ErrorCode.CORRUPT_MESSAGE : ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT };
  if (size > records.length) return { error: ErrorCode.CORRUPT_MESSAGE };
  if (size < records.length) return { error: ErrorCode.INVALID_RECORD };
  if (size > maxMessageBytes) return { error: ErrorCode.MESSAGE_TOO_LARGE };
  const header = readBatchHeader(records, 0);
  if (!isIntact(records, 0, size)) return { error: ErrorCode.CORRUPT_MESSAGE };
  const delta = header.lastOffset - header.baseOffset;
  if (header.recordCount < 1 || delta !== header.recordCount - 1 || isControl(header)) return { error: ErrorCode.INVALID_RECORD };
  if (compressionOf(header) > ZSTD) return { error: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE };
  return header;
}

/** Checks a batch for a topic that keeps the latest record of each key: every record needs one, and the broker must find it. */
export function inspectKeys(records: Buffer, header: BatchHeader): ErrorCode {
  const read = readRecords(records, header);
  return read?.records.every(({ key }) => key !== null) ? ErrorCode.NONE : ErrorCode.INVALID_RECORD;
}
