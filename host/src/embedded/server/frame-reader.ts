import { MalformedRequest } from '../wire/reader.ts';

const LENGTH_BYTES = 4;
/** Key, version and correlation id. */
const SMALLEST_REQUEST = 8;

/** Cuts a byte stream into requests. Holds no more memory than has really arrived, whatever length is announced. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The requests that this chunk completes. Throws {@link MalformedRequest} for a length that cannot be right. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    const frames: Buffer[] = [];
    for (;;) {
      const length = this.#announced();
      if (length === undefined || this.#held < LENGTH_BYTES + length) return frames;
      const all = this.#joined();
      frames.push(all.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      const rest = all.subarray(LENGTH_BYTES + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#held = rest.length;
    }
  }

  #announced(): number | undefined {
    if (this.#held < LENGTH_BYTES) return undefined;
    const [first] = this.#chunks;
    const head = first && first.length >= LENGTH_BYTES ? first : this.#joined();
    const length = head.readInt32BE(0);
    if (length < SMALLEST_REQUEST || length > this.#maxBytes)
      throw new MalformedRequest(`request of ${length} bytes, at most ${this.#maxBytes} are accepted`);
    return length;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    const all = first && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks, this.#held);
    this.#chunks = [all];
    return all;
  }
}
