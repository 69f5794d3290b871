import { promisify } from 'node:util';
import zlib from 'node:zlib';
import kafkajs from 'kafkajs';

const { CompressionCodecs, CompressionTypes } = kafkajs;

const zstdCompress: (input: Uint8Array) => Promise<Buffer> = promisify(zlib.zstdCompress);
const zstdDecompress: (input: Uint8Array) => Promise<Buffer> = promisify(zlib.zstdDecompress);

/** Codecs that kafkajs leaves out. A batch in an unknown codec crashes its consumer for good, so all we have are registered. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) => zstdCompress(buffer),
    decompress: (buffer: Buffer) => zstdDecompress(buffer),
  });
}

/** kafkajs's form of a codec: it hands over its encoder, but needs no more of it than the bytes. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

/** By the lowest three bits of a batch's attributes; undefined where it is not compressed. Throws where the codec is not to be had. */
export function codecOf(attributes: number): Codec | undefined {
  const codecs: Readonly<Record<number, (() => Codec) | undefined>> = CompressionCodecs;
  return codecs[attributes & 0x07]?.();
}
