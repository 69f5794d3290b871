import { writeInt64 } from './reader.ts';

const INITIAL_SIZE = 256;

/** Builds one answer. Record data is spliced in by reference, so that a fetch never copies what it read from disk. */
export class WireWriter {
  readonly #finished: Buffer[] = [];
  #buffer = Buffer.allocUnsafe(INITIAL_SIZE);
  #offset = 0;

  int8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer.writeInt8(value, at);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  int64(value: number): this {
    const at = this.#reserve(8);
    writeInt64(this.#buffer, value, at);
    return this;
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const length = Buffer.byteLength(value);
    this.int16(length);
    const at = this.#reserve(length);
    this.#buffer.write(value, at, 'utf8');
    return this;
  }

  bytes(value: Buffer | null): this {
    if (value === null) return this.int32(-1);
    this.int32(value.length);
    const at = this.#reserve(value.length);
    value.copy(this.#buffer, at);
    return this;
  }

  /** Length-prefixed like {@link bytes}, but keeps a reference: the caller must not touch `value` any more. */
  splice(value: Buffer): this {
    this.int32(value.length);
    if (value.length === 0) return this;
    this.#finished.push(this.#buffer.subarray(0, this.#offset), value);
    this.#buffer = Buffer.allocUnsafe(INITIAL_SIZE);
    this.#offset = 0;
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  unsignedVarint(value: number): this {
    let rest = value;
    while (rest > 127) {
      this.#byte((rest & 127) | 128);
      rest = Math.floor(rest / 128);
    }
    return this.#byte(rest);
  }

  compactString(value: string | null): this {
    if (value === null) return this.unsignedVarint(0);
    const length = Buffer.byteLength(value);
    this.unsignedVarint(length + 1);
    const at = this.#reserve(length);
    this.#buffer.write(value, at, 'utf8');
    return this;
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  noTaggedFields(): this {
    return this.unsignedVarint(0);
  }

  /** The answer with its length in front, in pieces to be written one after another. The writer is done for afterwards. */
  frame(): readonly Buffer[] {
    const parts = [...this.#finished, this.#buffer.subarray(0, this.#offset)];
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(parts.reduce((sum, part) => sum + part.length, 0));
    return [length, ...parts];
  }

  #byte(value: number): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  #reserve(length: number): number {
    const at = this.#offset;
    this.#offset = at + length;
    if (this.#offset > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#offset));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    return at;
  }
}
