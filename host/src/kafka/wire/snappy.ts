import { compressSync, uncompressSync } from 'snappy';

/** What snappy-java, and with it Kafka's Java client, writes before its blocks; librdkafka and we write one bare block. */
const XERIAL = Buffer.from('82534e4150505900', 'hex');
/** The mark, a version and the oldest version that can read it. */
const XERIAL_HEADER_BYTES = 16;

/** One bare block, which every client reads. */
export function packSnappy(bytes: Buffer): Buffer {
  return compressSync(bytes);
}

/** A bare block, or the framed blocks of snappy-java. @throws Error where it is neither, or has more than `most` bytes unpacked */
export function unpackSnappy(bytes: Buffer, most: number): Buffer {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return unpackBlock(bytes, most);
  const blocks: Buffer[] = [];
  let left = most;
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const size = bytes.readInt32BE(at);
    const start = at + 4;
    if (size < 0 || start + size > bytes.length) throw new Error('snappy: a block ends behind the end of the batch');
    const block = unpackBlock(bytes.subarray(start, start + size), left);
    blocks.push(block);
    left -= block.length;
    at = start + size;
  }
  return Buffer.concat(blocks);
}

/** The length that a block says is allocated before it is unpacked: it is looked at first. */
function unpackBlock(block: Buffer, most: number): Buffer {
  const length = lengthOf(block);
  if (length > most) throw new Error(`snappy: ${length} bytes unpacked, more than the ${most} that are taken`);
  const bytes = uncompressSync(block);
  return typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
}

/** The unsigned varint that a block begins with. */
function lengthOf(block: Buffer): number {
  let length = 0;
  for (let at = 0, factor = 1; at < 5; at++, factor *= 128) {
    const byte = block[at];
    if (byte === undefined) break;
    length += (byte & 0x7f) * factor;
    if (byte < 0x80) return length;
  }
  throw new Error('snappy: no length');
}
