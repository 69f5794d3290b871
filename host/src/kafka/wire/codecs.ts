import { promisify } from 'node:util';
import zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import { packLz4, unpackLz4 } from './lz4.ts';
import { packSnappy, unpackSnappy } from './snappy.ts';

const { CompressionCodecs } = kafkajs;

/** Codecs of record batches, by their number in the attributes of a batch. */
export const COMPRESSION = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type Compression = keyof typeof COMPRESSION;

/** Bytes that one batch may have when it is unpacked: a batch of some kilobytes can hold gigabytes. */
export const MOST_UNPACKED = 64 * 1024 * 1024;

/** kafkajs's form of a codec: it hands over its encoder, but needs no more of it than the bytes. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  /** Rejects where the bytes are not of this codec, or more than {@link MOST_UNPACKED} when unpacked. */
  decompress(bytes: Buffer): Promise<Buffer>;
}

const LIMIT = { maxOutputLength: MOST_UNPACKED };
const gzip: (input: Uint8Array) => Promise<Buffer> = promisify(zlib.gzip);
const gunzip: (input: Uint8Array, options: zlib.ZlibOptions) => Promise<Buffer> = promisify(zlib.gunzip);
const zstdCompress: (input: Uint8Array) => Promise<Buffer> = promisify(zlib.zstdCompress);
const zstdDecompress: (input: Uint8Array, options: zlib.ZstdOptions) => Promise<Buffer> = promisify(zlib.zstdDecompress);

/** By the number in the attributes of a batch. Snappy and lz4 are faster than the way to another thread and back. */
const CODECS: readonly (Codec | undefined)[] = [
  undefined,
  { compress: ({ buffer }) => gzip(buffer), decompress: (bytes) => gunzip(bytes, LIMIT) },
  { compress: async ({ buffer }) => packSnappy(buffer), decompress: async (bytes) => unpackSnappy(bytes, MOST_UNPACKED) },
  { compress: async ({ buffer }) => packLz4(buffer), decompress: async (bytes) => unpackLz4(bytes, MOST_UNPACKED) },
  { compress: ({ buffer }) => zstdCompress(buffer), decompress: (bytes) => zstdDecompress(bytes, LIMIT) },
];

/** By the lowest three bits of a batch's attributes; undefined where it is not compressed. Throws where there is no such codec. */
export function codecOf(attributes: number): Codec | undefined {
  const number = attributes & 0x07;
  if (number >= CODECS.length) throw new Error(`compressed by an unknown codec (${number})`);
  return CODECS[number];
}

/** Gives kafkajs's own encoder the codecs that it leaves out: it crashes for good on an unknown one. */
export function registerCodecs(): void {
  for (const [number, codec] of CODECS.entries()) if (codec !== undefined) Object.assign(CompressionCodecs, { [number]: () => codec });
}
