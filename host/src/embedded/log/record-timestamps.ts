import * as zlib from 'node:zlib';
import { BATCH_HEADER_SIZE, type BatchHeader, compressionOf } from './record-batch.ts';

export interface TimedOffset {
  readonly offset: number;
  readonly timestamp: number;
}

const MAX_DECOMPRESSED = 256 << 20;
const GZIP = 1;
const ZSTD = 4;

/**
 * The first record of a batch at or after `timestamp` and `minOffset`. Where the records cannot be read (snappy, lz4), the start
 * of the batch: a consumer then begins a little early, never late.
 */
export function findInBatch(batch: Buffer, header: BatchHeader, timestamp: number, minOffset: number): TimedOffset | undefined {
  const records = decompress(batch.subarray(BATCH_HEADER_SIZE, header.size), compressionOf(header));
  if (!records) return { offset: Math.max(header.baseOffset, minOffset), timestamp: header.baseTimestamp };
  const cursor = { at: 0 };
  for (let i = 0; i < header.recordCount && cursor.at < records.length; i++) {
    const length = readVarint(records, cursor);
    const end = cursor.at + length;
    cursor.at += 1; // attributes
    const time = header.baseTimestamp + readVarint(records, cursor);
    const offset = header.baseOffset + readVarint(records, cursor);
    if (time >= timestamp && offset >= minOffset) return { offset, timestamp: time };
    cursor.at = end;
  }
  return undefined;
}

function decompress(bytes: Buffer, codec: number): Buffer | undefined {
  try {
    if (codec === 0) return bytes;
    if (codec === GZIP) return zlib.gunzipSync(bytes, { maxOutputLength: MAX_DECOMPRESSED });
    if (codec === ZSTD) return zlib.zstdDecompressSync(bytes, { maxOutputLength: MAX_DECOMPRESSED });
  } catch {
    // The producer's compression is not ours to judge: the answer stays early but safe.
  }
  return undefined;
}

/** Zigzag varint; exact up to 2^53. */
function readVarint(bytes: Buffer, cursor: { at: number }): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = bytes[cursor.at++] ?? 0;
    value += (byte & 127) * factor;
    if (byte < 128) break;
    factor *= 128;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
