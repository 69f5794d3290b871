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

/** Positions of rows in a file, ascending and each once. A typed array: a file may have lost a million rows, and no merge is to hold the event loop. */
export type Positions = Float64Array;

/** A run of positions in the bytes: which there are, and how they are written. */
interface Container {
  /** What its values count from. */
  readonly first: number;
  readonly values: number;
  readonly form: 'array' | 'bits' | 'runs';
  readonly bytes: Buffer;
}

/** Throws a RangeError for bytes that are no such bitmap, or hold more than one. */
export function decodePositions(data: Buffer): Positions {
  const reader = new Reader(data);
  const magic = reader.u32();
  if (magic !== MAGIC) throw new RangeError(`it begins with ${magic}, not with ${MAGIC}`);
  const bitmaps = reader.u64();
  const containers: Container[] = [];
  for (let at = 0; at < bitmaps; at += 1) readBitmap(reader, reader.u32() * BITMAP_VALUES, containers);
  if (reader.left > 0) throw new RangeError(`${reader.left} bytes follow its end`);
  const positions = new Float64Array(containers.reduce((sum, { values }) => sum + values, 0));
  let at = 0;
  for (const container of containers) at = readContainer(container, positions, at);
  for (at = 1; at < positions.length; at += 1) {
    if ((positions[at - 1] ?? 0) >= (positions[at] ?? 0)) throw new RangeError('its positions do not ascend');
  }
  return positions;
}

function readBitmap(reader: Reader, base: number, into: Container[]): void {
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
    if (isRun !== null && ((isRun[index >> 3] ?? 0) & (1 << (index & 7))) !== 0)
      into.push({ first, values, form: 'runs', bytes: reader.bytes(4 * reader.u16()) });
    else if (values <= ARRAY_VALUES) into.push({ first, values, form: 'array', bytes: reader.bytes(2 * values) });
    else into.push({ first, values, form: 'bits', bytes: reader.bytes(BITSET_BYTES) });
  }
}

/** Writes a container's positions from `start` on, and returns where they end. */
function readContainer(container: Container, positions: Positions, start: number): number {
  const { first, values, form, bytes } = container;
  const end = start + values;
  const into = positions.subarray(start, end);
  const read =
    form === 'array' ? readArray(bytes, first, into) : form === 'bits' ? readBits(bytes, first, into) : readRuns(bytes, first, into);
  if (read !== values) throw new RangeError(`a container in it holds ${read} positions and says ${values}`);
  return end;
}

/** How many there are; those beyond the end of `into` are not written. So below. */
function readArray(bytes: Buffer, first: number, into: Positions): number {
  for (let at = 0; at < into.length; at += 1) into[at] = first + bytes.readUInt16LE(2 * at);
  return into.length;
}

function readBits(bytes: Buffer, first: number, into: Positions): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    for (let bits = bytes[at] ?? 0; bits !== 0; bits &= bits - 1) {
      into[count] = first + at * 8 + 31 - Math.clz32(bits & -bits);
      count += 1;
    }
  }
  return count;
}

function readRuns(bytes: Buffer, first: number, into: Positions): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    const start = first + bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2) + 1;
    for (let offset = 0; offset < length; offset += 1) into[count + offset] = start + offset;
    count += length;
  }
  return count;
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
  return Buffer.concat([head, ...bitmaps.flatMap(({ key, values }) => [u32(key), ...bitmapBytes(values, key * BITMAP_VALUES)])]);
}

/** `base`: what the positions count from, here and below. */
function bitmapBytes(positions: Positions, base: number): readonly Buffer[] {
  const containers = grouped(positions, CONTAINER_VALUES);
  const bodies = containers.map(({ key, values }) => containerBytes(values, key * CONTAINER_VALUES));
  const head = Buffer.alloc(8 + 8 * containers.length);
  head.writeUInt32LE(PLAIN_COOKIE, 0);
  head.writeUInt32LE(containers.length, 4);
  let offset = head.length;
  for (const [index, { key, values }] of containers.entries()) {
    head.writeUInt16LE(key - base / CONTAINER_VALUES, 8 + 4 * index);
    head.writeUInt16LE(values.length - 1, 10 + 4 * index);
    head.writeUInt32LE(offset, 8 + 4 * containers.length + 4 * index);
    offset += bodies[index]?.length ?? 0;
  }
  return [head, ...bodies];
}

function containerBytes(positions: Positions, base: number): Buffer {
  if (positions.length > ARRAY_VALUES) {
    const bits = Buffer.alloc(BITSET_BYTES);
    for (const position of positions) {
      const value = position - base;
      bits[value >> 3] = (bits[value >> 3] ?? 0) | (1 << (value & 7));
    }
    return bits;
  }
  const array = Buffer.alloc(2 * positions.length);
  for (let at = 0; at < positions.length; at += 1) array.writeUInt16LE((positions[at] ?? 0) - base, 2 * at);
  return array;
}

/** Ascending positions by their quotient. */
function grouped(positions: Positions, size: number): readonly { readonly key: number; readonly values: Positions }[] {
  const groups: { key: number; values: Positions }[] = [];
  for (let start = 0; start < positions.length; ) {
    const key = Math.floor((positions[start] ?? 0) / size);
    const end = firstAtLeast(positions, (key + 1) * size, start);
    groups.push({ key, values: positions.subarray(start, end) });
    start = end;
  }
  return groups;
}

function firstAtLeast(positions: Positions, bound: number, from: number): number {
  let [low, high] = [from, positions.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] ?? bound) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two lists without a common position as one. */
export function mergedPositions(some: Positions, others: Positions): Positions {
  const all = new Float64Array(some.length + others.length);
  for (let at = 0, a = 0, b = 0; at < all.length; at += 1) {
    const [one = Number.POSITIVE_INFINITY, other = Number.POSITIVE_INFINITY] = [some[a], others[b]];
    if (one < other) a += 1;
    else b += 1;
    all[at] = Math.min(one, other);
  }
  return all;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
