import * as zlib from 'node:zlib';
import { packLz4, unpackLz4 } from '../../kafka/wire/lz4.ts';
import { packSnappy, unpackSnappy } from '../../kafka/wire/snappy.ts';
import { BATCH_HEADER_SIZE, type BatchHeader, compressionOf } from './record-batch.ts';

/** One record of a batch: what the broker looks at, and where it lies in the uncompressed bytes. */
export interface RecordView {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  /** A record without value: with its key it says that the key is deleted. */
  readonly isTombstone: boolean;
  readonly start: number;
  /** Where the bytes behind the time begin: nothing in them depends on the batch's base timestamp. */
  readonly afterTimestamp: number;
  readonly end: number;
}

export interface BatchRecords {
  readonly bytes: Buffer;
  readonly records: readonly RecordView[];
}

interface BatchCodec {
  readonly compress: (bytes: Buffer) => Buffer;
  readonly decompress: (bytes: Buffer) => Buffer;
}

const MAX_DECOMPRESSED = 256 << 20;
const LIMIT = { maxOutputLength: MAX_DECOMPRESSED };

/** By the number that stands in the attributes of a batch. */
const CODECS: Readonly<Record<number, BatchCodec>> = {
  0: { compress: (bytes) => bytes, decompress: (bytes) => bytes },
  1: { compress: (bytes) => zlib.gzipSync(bytes), decompress: (bytes) => zlib.gunzipSync(bytes, LIMIT) },
  2: { compress: packSnappy, decompress: (bytes) => unpackSnappy(bytes, MAX_DECOMPRESSED) },
  3: { compress: packLz4, decompress: (bytes) => unpackLz4(bytes, MAX_DECOMPRESSED) },
  4: { compress: (bytes) => zlib.zstdCompressSync(bytes), decompress: (bytes) => zlib.zstdDecompressSync(bytes, LIMIT) },
};

/** Undefined for a codec that there is not. */
export function codecOf(header: BatchHeader): BatchCodec | undefined {
  return CODECS[compressionOf(header)];
}

/** The records of a batch, or undefined where they cannot be read: bytes that are not as many records as it says. */
export function readRecords(batch: Buffer, header: BatchHeader): BatchRecords | undefined {
  const bytes = decompress(batch.subarray(BATCH_HEADER_SIZE, header.size), header);
  if (!bytes) return undefined;
  const records: RecordView[] = [];
  const from = new RecordReader(bytes);
  for (let i = 0; i < header.recordCount; i++) {
    const record = from.next(header);
    if (!record) return undefined;
    records.push(record);
  }
  return { bytes, records };
}

function decompress(bytes: Buffer, header: BatchHeader): Buffer | undefined {
  try {
    return codecOf(header)?.decompress(bytes);
  } catch {
    return undefined; // The producer's compression is not ours to judge: whoever needs the records says what follows.
  }
}

/** Never reads past the end: the bytes are those of a stranger. */
class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(header: BatchHeader): RecordView | undefined {
    const start = this.#at;
    const length = this.#varint();
    const end = this.#at + length;
    if (!(length > 0) || end > this.#bytes.length) return undefined;
    this.#at += 1; // attributes, unused
    const timestamp = header.baseTimestamp + this.#varint();
    const afterTimestamp = this.#at;
    const offset = header.baseOffset + this.#varint();
    const key = this.#slice(end);
    if (key === undefined) return undefined;
    const valueLength = this.#varint();
    if (!(this.#at + Math.max(valueLength, 0) <= end)) return undefined;
    this.#at = end;
    return { offset, timestamp, key, isTombstone: valueLength < 0, start, afterTimestamp, end };
  }

  /** Bytes with their length before them; undefined where they would end behind `end`. */
  #slice(end: number): Buffer | null | undefined {
    const length = this.#varint();
    if (length < 0) return null;
    const from = this.#at;
    if (!(from + length <= end)) return undefined;
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }

  /** Zigzag, exact up to 2^53; not a number past the end. */
  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || factor > 2 ** 63) return Number.NaN;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
