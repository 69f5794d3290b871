/** A place in a buffer, moved by reading. Kafka's varints are zigzag, its varlongs too; both come as numbers up to 2^53. */
export class Cursor {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  int8(): number {
    return this.bytes.readInt8(this.at++);
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  int64(): number {
    this.at += 8;
    return this.bytes.readInt32BE(this.at - 8) * 0x1_0000_0000 + this.bytes.readUInt32BE(this.at - 4);
  }

  string(): string {
    const length = this.int16();
    this.at += Math.max(length, 0);
    return length < 0 ? '' : this.bytes.toString('utf8', this.at - length, this.at);
  }

  varint(): number {
    const { bytes } = this;
    let byte = bytes[this.at++] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let result = byte & 0x7f;
    let shift = 7;
    do {
      byte = bytes[this.at++] as number;
      result |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte >= 0x80 && shift < 35);
    return (result >>> 1) ^ -(result & 1);
  }

  varlong(): number {
    const { bytes } = this;
    let factor = 1;
    let result = 0;
    let byte: number;
    do {
      byte = bytes[this.at++] as number;
      result += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte >= 0x80 && factor < 2 ** 63);
    return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
  }

  /** Bytes with a varint length before them; a view, not a copy. */
  varbytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

export function sizeOfVarint(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let to = at;
  while (zigzag >= 0x80) {
    bytes[to++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  bytes[to++] = zigzag;
  return to;
}

export function sizeOfVarlong(value: number): number {
  let size = 1;
  for (let zigzag = value >= 0 ? value * 2 : -value * 2 - 1; zigzag >= 0x80; zigzag = Math.floor(zigzag / 128)) size++;
  return size;
}

export function writeVarlong(bytes: Buffer, at: number, value: number): number {
  let zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
  let to = at;
  while (zigzag >= 0x80) {
    bytes[to++] = (zigzag % 128) | 0x80;
    zigzag = Math.floor(zigzag / 128);
  }
  bytes[to++] = zigzag;
  return to;
}
