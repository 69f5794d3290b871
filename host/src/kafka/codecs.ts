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
