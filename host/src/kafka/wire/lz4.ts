import { compressFrameSync, decompressFrameSync } from 'lz4-napi';

const MAGIC = 0x184d2204;
const IN_PLAIN = 0x8000_0000;
/** Flags of a frame. */
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const DICTIONARY = 0x01;
/** No byte of a compressed block stands for more. */
const MOST_FOR_A_BYTE = 255;

/** One frame of independent blocks, as Kafka's clients write it. */
export function packLz4(bytes: Buffer): Buffer {
  return compressFrameSync(bytes);
}

/** @throws Error where it is no frame, or may have more than `most` bytes unpacked */
export function unpackLz4(bytes: Buffer, most: number): Buffer {
  const { end, unpacked } = measureFrame(bytes);
  if (unpacked > most) throw new Error(`lz4: up to ${unpacked} bytes unpacked, more than the ${most} that are taken`);
  return decompressFrameSync(bytes.subarray(0, end));
}

/** Where the frame ends, and what its blocks hold at the most: all but the last are full in what Kafka's clients write. */
function measureFrame(bytes: Buffer): { readonly end: number; readonly unpacked: number } {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== MAGIC) throw new Error('lz4: no frame');
  const flags = bytes.readUInt8(4);
  const blockSize = 2 ** (8 + 2 * ((bytes.readUInt8(5) >>> 4) & 7));
  let at = 7 + (flags & CONTENT_SIZE ? 8 : 0) + (flags & DICTIONARY ? 4 : 0);
  let unpacked = 0;
  while (at + 4 <= bytes.length) {
    const word = bytes.readUInt32LE(at);
    at += 4;
    if (word === 0) return { end: Math.min(bytes.length, at + (flags & CONTENT_CHECKSUM ? 4 : 0)), unpacked };
    const size = word % IN_PLAIN;
    unpacked += word >= IN_PLAIN ? size : Math.min(blockSize, size * MOST_FOR_A_BYTE);
    at += size + (flags & BLOCK_CHECKSUM ? 4 : 0);
  }
  throw new Error('lz4: the frame has no end');
}
