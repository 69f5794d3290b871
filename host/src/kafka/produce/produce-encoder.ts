import type { OutgoingRecord } from '../driver.ts';
import { codecOf } from '../wire/codecs.ts';
import { crc32c } from '../wire/crc32c.ts';
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../wire/varint.ts';

/**
 * Encoding of Produce requests 3 to 8 into one buffer for each partition. kafkajs makes an encoder with a buffer of its
 * own for each record and each header and copies it several times: 11 µs a record of 1 KB, against 2 µs here.
 */
export const PRODUCE_VERSIONS = { first: 3, last: 8 } as const;

/** What a record needs to be encoded. */
export class WireMessage {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: OutgoingRecord['headers'];
  readonly timestamp: number;
  /** Set once, and kept over retries: else a retried record could move to another partition. */
  partition: number | undefined;

  constructor({ key, value, headers, timestamp, partition }: OutgoingRecord, now: number) {
    this.key = key;
    this.value = value;
    this.headers = headers;
    this.timestamp = timestamp ?? now;
    this.partition = partition;
  }
}

/** What stands in the head of a batch beside its records. */
export interface BatchHead {
  readonly producerId: string | number;
  readonly producerEpoch: number;
  readonly compression: number;
}

/** A batch as it goes over the wire, and for whom. */
export interface EncodedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProduceSettings {
  readonly acks: number;
  /** Milliseconds that the broker waits for its replicas. */
  readonly timeout: number;
}

const RECORDS_AT = 61;

const lengthOf = (part: Buffer | string): number => (typeof part === 'string' ? Buffer.byteLength(part) : part.length);

type HeaderLine = readonly [name: string, value: Buffer | string | null];

/** Name and value of each header line; a list gives one line for each value. */
function headerLines(headers: OutgoingRecord['headers']): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (const name in headers) {
    const value = headers[name] as Buffer | string | readonly (Buffer | string)[] | undefined;
    if (value === undefined) lines.push([name, null]);
    else if (typeof value === 'string' || Buffer.isBuffer(value)) lines.push([name, value]);
    else for (const one of value) lines.push([name, one]);
  }
  return lines;
}

const sizeOfBytes = (part: Buffer | string | null): number => {
  if (part === null) return 1;
  const length = lengthOf(part);
  return sizeOfVarint(length) + length;
};

function writeBytes(to: Buffer, at: number, part: Buffer | string | null): number {
  if (part === null) return writeVarint(to, at, -1);
  if (typeof part === 'string') {
    const length = Buffer.byteLength(part);
    const start = writeVarint(to, at, length);
    to.write(part, start, length, 'utf8');
    return start + length;
  }
  const start = writeVarint(to, at, part.length);
  to.set(part, start);
  return start + part.length;
}

const NO_LINES: readonly HeaderLine[] = [];

/** The records' own bytes, after `room` bytes left free before them. */
function encodeRecords(messages: readonly WireMessage[], firstTimestamp: number, room: number): Buffer {
  const bodies = new Array<number>(messages.length);
  const lines = new Array<readonly HeaderLine[]>(messages.length);
  let total = room;
  for (let i = 0; i < messages.length; i++) {
    const { key, value, headers, timestamp } = messages[i] as WireMessage;
    const header = headers === undefined ? NO_LINES : headerLines(headers);
    let body =
      1 + sizeOfVarlong(timestamp - firstTimestamp) + sizeOfVarint(i) + sizeOfBytes(key) + sizeOfBytes(value) + sizeOfVarint(header.length);
    for (const [name, part] of header) body += sizeOfBytes(name) + sizeOfBytes(part);
    lines[i] = header;
    bodies[i] = body;
    total += sizeOfVarint(body) + body;
  }
  const bytes = Buffer.allocUnsafe(total);
  let at = room;
  for (let i = 0; i < messages.length; i++) {
    const { key, value, timestamp } = messages[i] as WireMessage;
    const header = lines[i] as readonly HeaderLine[];
    at = writeVarint(bytes, at, bodies[i] as number);
    bytes[at++] = 0;
    at = writeVarlong(bytes, at, timestamp - firstTimestamp);
    at = writeVarint(bytes, at, i);
    at = writeBytes(bytes, at, key);
    at = writeBytes(bytes, at, value);
    at = writeVarint(bytes, at, header.length);
    for (const [name, part] of header) at = writeBytes(bytes, writeBytes(bytes, at, name), part);
  }
  return bytes;
}

/** One record batch, at offset 0: the broker sets another. */
export async function encodeBatch(messages: readonly WireMessage[], firstSequence: number, head: BatchHead): Promise<Buffer> {
  const firstTimestamp = (messages[0] as WireMessage).timestamp;
  let maxTimestamp = firstTimestamp;
  for (const { timestamp } of messages) if (timestamp > maxTimestamp) maxTimestamp = timestamp;
  let bytes = encodeRecords(messages, firstTimestamp, RECORDS_AT);
  const codec = codecOf(head.compression);
  if (codec !== undefined) {
    bytes = Buffer.concat([bytes.subarray(0, RECORDS_AT), await codec.compress({ buffer: bytes.subarray(RECORDS_AT) })]);
  }
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(head.compression, 21);
  bytes.writeInt32BE(messages.length - 1, 23);
  bytes.writeBigInt64BE(BigInt(firstTimestamp), 27);
  bytes.writeBigInt64BE(BigInt(maxTimestamp), 35);
  bytes.writeBigInt64BE(BigInt(head.producerId), 43);
  bytes.writeInt16BE(head.producerEpoch, 51);
  bytes.writeInt32BE(firstSequence, 53);
  bytes.writeInt32BE(messages.length, 57);
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17);
  return bytes;
}

/** The body of the request, after kafkajs's request header. One batch for a partition. */
export function encodeProduceRequest(batches: readonly EncodedBatch[], { acks, timeout }: ProduceSettings): Buffer {
  const topics = Map.groupBy(batches, ({ topic }) => topic);
  const parts: Buffer[] = [];
  const head = Buffer.alloc(12);
  head.writeInt16BE(-1, 0); // no transactional id
  head.writeInt16BE(acks, 2);
  head.writeInt32BE(timeout, 4);
  head.writeInt32BE(topics.size, 8);
  parts.push(head);
  for (const [topic, partitions] of topics) {
    const name = Buffer.from(topic);
    const start = Buffer.alloc(2 + name.length + 4);
    start.writeInt16BE(name.length, 0);
    name.copy(start, 2);
    start.writeInt32BE(partitions.length, 2 + name.length);
    parts.push(start);
    for (const { partition, bytes } of partitions) {
      const entry = Buffer.alloc(8);
      entry.writeInt32BE(partition, 0);
      entry.writeInt32BE(bytes.length, 4);
      parts.push(entry, bytes);
    }
  }
  return Buffer.concat(parts);
}
