const PIECE_BYTES = 256 * 1024;

/** Texts as UTF-8, many in one piece of memory: a piece for each takes longer to make, and the collector longer to find. */
export class TextBytes {
  #piece = Buffer.alloc(0);
  #at = 0;

  /** Bytes of the text alone, for as long as anybody has them. */
  of(text: string): Buffer {
    const most = 3 * text.length; // no UTF-16 unit takes more
    if (most > PIECE_BYTES) return Buffer.from(text, 'utf8');
    if (this.#at + most > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += this.#piece.write(text, start, 'utf8');
    return this.#piece.subarray(start, this.#at);
  }
}
