import { crc32c } from '../../../host/src/kafka/crc32c.ts';

export interface BatchSpec {
  readonly values: readonly string[];
  readonly timestamp?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly sequence?: number;
}

/** A record batch as a producer sends it: uncompressed, base offset 0, all records of one time. */
export function buildBatch({
  values,
  timestamp = 1_000,
  producerId = -1,
  producerEpoch = producerId < 0 ? -1 : 0,
  sequence = producerId < 0 ? -1 : 0,
}: BatchSpec): Buffer {
  const records = Buffer.concat(values.map(buildRecord));
  const batch = Buffer.alloc(61 + records.length);
  batch.writeInt32BE(batch.length - 12, 8);
  batch[16] = 2;
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

function buildRecord(value: string, index: number): Buffer {
  const bytes = Buffer.from(value);
  const body = Buffer.concat([Buffer.from([0]), varint(0), varint(index), varint(-1), varint(bytes.length), bytes, varint(0)]);
  return Buffer.concat([varint(body.length), body]);
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
