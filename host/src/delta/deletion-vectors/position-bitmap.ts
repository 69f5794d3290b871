/**
 * The bytes of a deletion vector: positions of rows in a file as a 64-bit roaring bitmap in the portable layout (PROTOCOL.md
 * "Deletion Vector Format", RoaringFormatSpec). The inline example 3 of PROTOCOL.md is in an older layout that nobody writes.
 */

const MAGIC = 1681511377;
/** Cookies of a 32-bit bitmap: without, and with run containers. */
const PLAIN_COOKIE = 12346;
const RUN_COOKIE = 12347;
/** A bitmap with runs and fewer containers than this has no offsets. */
const OFFSETS_FROM = 4;
/** Up to so many values a container is a sorted array, beyond it a bit set. */
const ARRAY_VALUES = 4096;
const BITSET_BYTES = 8192;
const CONTAINER_VALUES = 0x1_0000;
const BITMAP_VALUES = 0x1_0000_0000;

/** Positions of rows in a file, ascending and each once. */
export type Positions = readonly number[];

/** Throws a RangeError for bytes that are no such bitmap, or hold more than one. */
export function decodePositions(data: Buffer): Positions {
  const reader = new Reader(data);
  const magic = reader.u32();
  if (magic !== MAGIC) throw new RangeError(`it begins with ${magic}, not with ${MAGIC}`);
  const bitmaps = reader.u64();
  const positions: number[] = [];
  for (let at = 0; at < bitmaps; at += 1) readBitmap(reader, reader.u32() * BITMAP_VALUES, positions);
  if (reader.left > 0) throw new RangeError(`${reader.left} bytes follow its end`);
  for (let at = 1; at < positions.length; at += 1) {
    if ((positions[at - 1] ?? 0) >= (positions[at] ?? 0)) throw new RangeError('its positions do not ascend');
  }
  return positions;
}

function readBitmap(reader: Reader, base: number, positions: number[]): void {
  const cookie = reader.u32();
  const hasRuns = (cookie & 0xffff) === RUN_COOKIE;
  if (!hasRuns && cookie !== PLAIN_COOKIE) throw new RangeError(`a bitmap in it begins with ${cookie}`);
  const containers = hasRuns ? (cookie >>> 16) + 1 : reader.u32();
  if (containers > CONTAINER_VALUES) throw new RangeError(`a bitmap in it has ${containers} containers`);
  const isRun = hasRuns ? reader.bytes(Math.ceil(containers / 8)) : null;
  const descriptions = Array.from({ length: containers }, () => ({ key: reader.u16(), values: reader.u16() + 1 }));
  // The containers follow one another, so where each begins is known without the offsets.
  if (!hasRuns || containers >= OFFSETS_FROM) reader.bytes(4 * containers);
  for (const [index, { key, values }] of descriptions.entries()) {
    const first = base + key * CONTAINER_VALUES;
    if (isRun !== null && ((isRun[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) readRuns(reader, first, positions);
    else if (values <= ARRAY_VALUES) for (let at = 0; at < values; at += 1) positions.push(first + reader.u16());
    else readBitset(reader, first, positions);
  }
}

function readRuns(reader: Reader, first: number, positions: number[]): void {
  for (let runs = reader.u16(); runs > 0; runs -= 1) {
    const start = first + reader.u16();
    const length = reader.u16() + 1;
    for (let at = 0; at < length; at += 1) positions.push(start + at);
  }
}

function readBitset(reader: Reader, first: number, positions: number[]): void {
  for (const [at, byte] of reader.bytes(BITSET_BYTES).entries()) {
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (1 << bit)) !== 0) positions.push(first + at * 8 + bit);
  }
}

/** Little-endian reads that never pass the end. */
class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }
  get left(): number {
    return this.#data.length - this.#at;
  }
  bytes(length: number): Buffer {
    if (length > this.left) throw new RangeError('it is cut off');
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }
  u16(): number {
    return this.bytes(2).readUInt16LE(0);
  }
  u32(): number {
    return this.bytes(4).readUInt32LE(0);
  }
  u64(): number {
    return Number(this.bytes(8).readBigUInt64LE(0));
  }
}

/** The same bytes as Spark's, but for runs, which we do not write. */
export function encodePositions(positions: Positions): Buffer {
  const bitmaps = grouped(positions, BITMAP_VALUES);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(MAGIC, 0);
  head.writeBigUInt64LE(BigInt(bitmaps.length), 4);
  return Buffer.concat([head, ...bitmaps.flatMap(({ key, values }) => [u32(key), ...bitmapBytes(values)])]);
}

function bitmapBytes(positions: Positions): readonly Buffer[] {
  const containers = grouped(positions, CONTAINER_VALUES);
  const bodies = containers.map(({ values }) => containerBytes(values));
  const head = Buffer.alloc(8 + 8 * containers.length);
  head.writeUInt32LE(PLAIN_COOKIE, 0);
  head.writeUInt32LE(containers.length, 4);
  let offset = head.length;
  for (const [index, { key, values }] of containers.entries()) {
    head.writeUInt16LE(key, 8 + 4 * index);
    head.writeUInt16LE(values.length - 1, 10 + 4 * index);
    head.writeUInt32LE(offset, 8 + 4 * containers.length + 4 * index);
    offset += bodies[index]?.length ?? 0;
  }
  return [head, ...bodies];
}

function containerBytes(values: Positions): Buffer {
  if (values.length > ARRAY_VALUES) {
    const bits = Buffer.alloc(BITSET_BYTES);
    for (const value of values) bits.writeUInt8((bits[value >> 3] ?? 0) | (1 << (value & 7)), value >> 3);
    return bits;
  }
  const array = Buffer.alloc(2 * values.length);
  for (const [at, value] of values.entries()) array.writeUInt16LE(value, 2 * at);
  return array;
}

/** Ascending values by their quotient, with their remainders. */
function grouped(values: Positions, size: number): readonly { readonly key: number; readonly values: number[] }[] {
  const groups: { key: number; values: number[] }[] = [];
  for (const value of values) {
    const key = Math.floor(value / size);
    const last = groups.at(-1);
    if (last?.key === key) last.values.push(value - key * size);
    else groups.push({ key, values: [value - key * size] });
  }
  return groups;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
