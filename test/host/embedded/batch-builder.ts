import * as zlib from 'node:zlib';
import { crc32c } from '../../../host/src/kafka/wire/crc32c.ts';
import { packLz4, unpackLz4 } from '../../../host/src/kafka/wire/lz4.ts';
import { packSnappy, unpackSnappy } from '../../../host/src/kafka/wire/snappy.ts';
import { Cursor } from '../../../host/src/kafka/wire/varint.ts';

export interface RecordSpec {
  readonly key?: string | null;
  readonly value: string | null;
}

export interface BatchSpec {
  readonly values: readonly (string | RecordSpec)[];
  readonly codec?: Codec;
  /** Its records are not in its codec at all. */
  readonly broken?: boolean;
  readonly transactional?: boolean;
  readonly timestamp?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly sequence?: number;
}

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof CODECS)[number];

const PACK: Readonly<Record<Codec, (bytes: Buffer) => Buffer>> = {
  none: (bytes) => bytes,
  gzip: (bytes) => zlib.gzipSync(bytes),
  snappy: packSnappy,
  lz4: packLz4,
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
};
const UNPACK: Readonly<Record<Codec, (bytes: Buffer) => Buffer>> = {
  none: (bytes) => bytes,
  gzip: (bytes) => zlib.gunzipSync(bytes),
  snappy: (bytes) => unpackSnappy(bytes, 1e9),
  lz4: (bytes) => unpackLz4(bytes, 1e9),
  zstd: (bytes) => zlib.zstdDecompressSync(bytes),
};

/** A record batch as a producer sends it: base offset 0, all records of one time. */
export function buildBatch({
  values,
  codec = 'none',
  broken = false,
  transactional = false,
  timestamp = 1_000,
  producerId = -1,
  producerEpoch = producerId < 0 ? -1 : 0,
  sequence = producerId < 0 ? -1 : 0,
}: BatchSpec): Buffer {
  const plain = Buffer.concat(values.map(buildRecord));
  const records = broken ? plain : PACK[codec](plain);
  const batch = Buffer.alloc(61 + records.length);
  batch.writeInt32BE(batch.length - 12, 8);
  batch[16] = 2;
  batch.writeInt16BE(CODECS.indexOf(codec) | (transactional ? 0x10 : 0), 21);
  batch.writeInt32BE(values.length - 1, 23);
  batch.writeBigInt64BE(BigInt(timestamp), 27);
  batch.writeBigInt64BE(BigInt(timestamp), 35);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(producerEpoch, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeInt32BE(values.length, 57);
  records.copy(batch, 61);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}

function buildRecord(spec: string | RecordSpec, index: number): Buffer {
  const { key = null, value } = typeof spec === 'string' ? { value: spec } : spec;
  const body = Buffer.concat([Buffer.from([0]), varint(0), varint(index), ...sized(key), ...sized(value), varint(0)]);
  return Buffer.concat([varint(body.length), body]);
}

function sized(text: string | null): readonly Buffer[] {
  if (text === null) return [varint(-1)];
  const bytes = Buffer.from(text);
  return [varint(bytes.length), bytes];
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

export interface SeenRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

export interface SeenBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
  /** Of control batches, what they say. */
  readonly marker: 'commit' | 'abort' | undefined;
  readonly records: readonly SeenRecord[];
}

/** Reads stored batches as a consumer does, and fails on a wrong checksum. */
export function readBatches(bytes: Buffer): readonly SeenBatch[] {
  const batches: SeenBatch[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readInt32BE(at + 8) + 12;
    batches.push(readBatch(bytes.subarray(at, at + size)));
    at += size;
  }
  return batches;
}

/** What was broken when it was built is not packed. */
function unpackOrBroken(codec: Codec, packed: Buffer): Buffer {
  try {
    return UNPACK[codec](packed);
  } catch {
    return packed;
  }
}

function readBatch(batch: Buffer): SeenBatch {
  if (crc32c(batch, 21) !== batch.readUInt32BE(17)) throw new Error('wrong checksum');
  const attributes = batch.readInt16BE(21);
  const baseOffset = Number(batch.readBigInt64BE(0));
  const baseTimestamp = Number(batch.readBigInt64BE(27));
  const codec = CODECS[attributes & 7] ?? 'none';
  const packed = batch.subarray(61);
  const from = new Cursor(unpackOrBroken(codec, packed));
  const text = (bytes: Buffer | null): string | null => (bytes === null ? null : bytes.toString('latin1'));
  const records = Array.from({ length: batch.readInt32BE(57) }, (): SeenRecord => {
    const end = from.varint() + from.at;
    from.at += 1;
    const timestamp = baseTimestamp + from.varlong();
    const offset = baseOffset + from.varint();
    const record = { offset, timestamp, key: text(from.varbytes()), value: text(from.varbytes()) };
    from.at = end;
    return record;
  });
  const isControl = (attributes & 0x20) !== 0;
  const type = isControl ? Buffer.from(records[0]?.key ?? '', 'latin1').readInt16BE(2) : undefined;
  return {
    ...{ baseOffset, records },
    lastOffset: baseOffset + batch.readInt32BE(23),
    producerId: Number(batch.readBigInt64BE(43)),
    producerEpoch: batch.readInt16BE(51),
    isTransactional: (attributes & 0x10) !== 0,
    marker: type === undefined ? undefined : type === 1 ? 'commit' : 'abort',
  };
}
