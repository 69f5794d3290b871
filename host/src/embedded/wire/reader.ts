/** Raised for bytes that are not a request of the protocol. The connection that sent them is closed; nothing else happens. */
export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

/** Array elements a request may hold in all: a small request must not be able to claim a large heap. */
const MAX_ELEMENTS = 200_000;
const HIGH = 4_294_967_296;

/** Reads an int64 as a number, exact up to 2^53. */
export function readInt64(buffer: Buffer, offset: number): number {
  return buffer.readInt32BE(offset) * HIGH + buffer.readUInt32BE(offset + 4);
}

/** Writes an exact number as an int64. */
export function writeInt64(buffer: Buffer, value: number, offset: number): void {
  const high = Math.floor(value / HIGH);
  buffer.writeInt32BE(high, offset);
  buffer.writeUInt32BE(value - high * HIGH, offset + 4);
}

/** A bounds-checked cursor over one request. Every read throws {@link MalformedRequest} rather than run past the end. */
export class WireReader {
  readonly #buffer: Buffer;
  #offset = 0;
  #elements = MAX_ELEMENTS;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  int8(): number {
    return this.#buffer.readInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  /** Refuses values that a number cannot hold exactly: no offset, id or time of day is that large. */
  int64(): number {
    const value = readInt64(this.#buffer, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new MalformedRequest(`int64 out of range at byte ${this.#offset - 8}`);
    return value;
  }

  string(): string {
    const value = this.nullableString();
    if (value === null) throw new MalformedRequest(`null where text is required at byte ${this.#offset}`);
    return value;
  }

  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#text(length);
  }

  /** A view of the request's own bytes: copy what outlives the request and is small. */
  bytes(): Buffer {
    return this.nullableBytes() ?? Buffer.alloc(0);
  }

  nullableBytes(): Buffer | null {
    const length = this.int32();
    if (length < 0) return null;
    const start = this.#take(length);
    return this.#buffer.subarray(start, start + length);
  }

  array<T>(read: (reader: WireReader) => T): T[] {
    return this.nullableArray(read) ?? [];
  }

  nullableArray<T>(read: (reader: WireReader) => T): T[] | null {
    const length = this.int32();
    return length < 0 ? null : this.#items(length, read);
  }

  // Flexible versions (KIP-482): compact lengths are unsigned varints of length + 1, and tagged fields follow each structure.

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#buffer[this.#take(1)] as number;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new MalformedRequest(`varint too long at byte ${this.#offset}`);
  }

  compactString(): string {
    const length = this.unsignedVarint() - 1;
    if (length < 0) throw new MalformedRequest(`null where text is required at byte ${this.#offset}`);
    return this.#text(length);
  }

  nullableCompactArray<T>(read: (reader: WireReader) => T): T[] | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : this.#items(length, read);
  }

  skipTaggedFields(): void {
    const count = this.unsignedVarint();
    for (let i = 0; i < count; i++) {
      this.unsignedVarint();
      this.#take(this.unsignedVarint());
    }
  }

  #text(length: number): string {
    const start = this.#take(length);
    return this.#buffer.toString('utf8', start, start + length);
  }

  #items<T>(length: number, read: (reader: WireReader) => T): T[] {
    this.#elements -= length;
    if (length > this.remaining || this.#elements < 0) throw new MalformedRequest(`array of ${length} elements at byte ${this.#offset}`);
    const items: T[] = [];
    for (let i = 0; i < length; i++) items.push(read(this));
    return items;
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#buffer.length - start)
      throw new MalformedRequest(`${length} bytes wanted at byte ${start} of ${this.#buffer.length}`);
    this.#offset = start + length;
    return start;
  }
}
