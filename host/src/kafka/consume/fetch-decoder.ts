import { errorMessage } from '@pipeline-host/sdk';
import type { KafkaRecord, RecordHeaders } from '../driver.ts';
import { codecOf, MOST_UNPACKED } from '../wire/codecs.ts';
import { Cursor } from '../wire/varint.ts';

/**
 * Decoding of Fetch responses 4 to 11 straight into the port's records: a third of the time of kafkajs, which makes a
 * decoder, two BigInts and two strings for each record. One stored batch of the broker becomes one `FetchedBatch`, which
 * kafkajs's own `Batch` then filters (offset, control) as if it were a message. Aborted transactions are found here: of
 * those that overlap, kafkajs gives records away.
 */
export interface FetchedBatch {
  /** The last offset that the stored batch covers, in kafkajs's text form. */
  readonly offset: string;
  /** No reader sees its records: they are control records or of an aborted transaction. So kafkajs's `Batch` calls it. */
  readonly isControlRecord: boolean;
  readonly records: readonly KafkaRecord[];
}

interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  /** For kafkajs, which has none left to find. */
  readonly abortedTransactions: readonly [];
  readonly preferredReadReplica?: number;
  readonly messages: readonly FetchedBatch[];
}

export interface FetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime?: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[];
}

export const FETCH_VERSIONS = { first: 4, last: 11 } as const;

interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** What a response may still unpack. Once it is used up, the rest of a partition counts as cut off, and comes again. */
interface Unpacking {
  left: number;
}

interface StoredBatch extends FetchedBatch {
  readonly lastOffset: number;
  readonly producerId: number;
  readonly isTransactional: boolean;
  readonly isAbortMarker: boolean;
}

/** In the key of a control record, after its version. */
const ABORT = 0;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const HEADER_BYTES = 61;
/** Length of a batch counts from after itself. */
const LENGTH_END = 12;

export async function decodeFetchResponse(raw: Buffer, version: number): Promise<FetchResponse> {
  const from = new Cursor(raw);
  const throttle = from.int32();
  if (version >= 7) from.at += 6; // error code and session id of incremental fetches, which kafkajs never asks for
  const unpacking: Unpacking = { left: MOST_UNPACKED };
  const responses: { topicName: string; partitions: FetchedPartition[] }[] = [];
  for (let topics = from.int32(); topics > 0; topics--) {
    const topicName = from.string();
    const partitions: FetchedPartition[] = [];
    for (let count = from.int32(); count > 0; count--) partitions.push(await decodePartition(from, version, unpacking));
    responses.push({ topicName, partitions });
  }
  // From version 8 on the broker leaves the waiting to the client.
  return version >= 8 ? { throttleTime: 0, clientSideThrottleTime: throttle, responses } : { throttleTime: throttle, responses };
}

/** The records of whole batches, one behind another, as they are stored. */
export async function decodeStored(bytes: Buffer): Promise<readonly KafkaRecord[]> {
  return (await decodeBatches(bytes, { left: MOST_UNPACKED })).flatMap(({ records }) => records);
}

async function decodePartition(from: Cursor, version: number, unpacking: Unpacking): Promise<FetchedPartition> {
  const partition = from.int32();
  const errorCode = from.int16();
  const highWatermark = String(from.int64());
  from.at += version >= 5 ? 16 : 8; // last stable offset, log start offset
  const aborted: AbortedTransaction[] = [];
  for (let count = from.int32(); count > 0; count--) aborted.push({ producerId: from.int64(), firstOffset: from.int64() });
  const preferredReadReplica = version >= 11 ? from.int32() : -1;
  const size = from.int32();
  const end = from.at + Math.max(size, 0);
  const batches = await decodeBatches(from.bytes.subarray(from.at, end), unpacking);
  from.at = end;
  const messages = aborted.length === 0 ? batches : hideAborted(batches, aborted);
  return { partition, errorCode, highWatermark, abortedTransactions: [], preferredReadReplica, messages };
}

/** The broker lists transactions by their end: one that began earlier may come later. */
function hideAborted(batches: readonly StoredBatch[], transactions: readonly AbortedTransaction[]): readonly FetchedBatch[] {
  const begins = transactions.toSorted((left, right) => left.firstOffset - right.firstOffset);
  const aborted = new Set<number>();
  let next = 0;
  return batches.map((batch) => {
    for (let one = begins[next]; one !== undefined && one.firstOffset <= batch.lastOffset; one = begins[++next])
      aborted.add(one.producerId);
    if (batch.isAbortMarker) aborted.delete(batch.producerId);
    else if (batch.isTransactional && aborted.has(batch.producerId)) return { ...batch, isControlRecord: true };
    return batch;
  });
}

/** The last batch may be cut off by the size limit of the fetch; it comes again with the next. */
async function decodeBatches(bytes: Buffer, unpacking: Unpacking): Promise<StoredBatch[]> {
  const batches: StoredBatch[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length && unpacking.left > 0; ) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + 8);
    if (end > bytes.length || end < at + HEADER_BYTES) break;
    if (bytes.readInt8(at + 16) !== 2) {
      throw Object.assign(new Error('records in a format older than Kafka 0.11 are not supported'), {
        name: 'KafkaJSNotImplemented',
        retriable: false,
      });
    }
    batches.push(await decodeBatch(bytes.subarray(at, end), unpacking));
    at = end;
  }
  return batches;
}

async function decodeBatch(bytes: Buffer, unpacking: Unpacking): Promise<StoredBatch> {
  const from = new Cursor(bytes);
  const baseOffset = from.int64();
  from.at = 21; // length, leader epoch, magic, checksum: TCP's own is trusted, as kafkajs does
  const attributes = from.int16();
  const lastOffset = baseOffset + from.int32();
  const firstTimestamp = from.int64();
  const maxTimestamp = from.int64();
  const producerId = from.int64();
  from.at += 6; // producer epoch, base sequence
  const count = from.int32();
  const appendTime = (attributes & LOG_APPEND_TIME) > 0 ? maxTimestamp : undefined;
  let decoded: readonly KafkaRecord[];
  try {
    const codec = codecOf(attributes);
    const records = codec === undefined ? from : new Cursor(await codec.decompress(bytes.subarray(from.at)));
    if (records !== from) unpacking.left -= records.bytes.length;
    decoded = decodeRecords(records, count, baseOffset, firstTimestamp, appendTime);
  } catch (error) {
    const reason = `the batch up to offset ${lastOffset} cannot be read: ${errorMessage(error)}`;
    // At the last offset, which no reader begins behind. A failure here would come again with each fetch, for ever.
    const unreadable = { reason, records: count };
    decoded = [{ offset: lastOffset, timestamp: maxTimestamp, key: null, value: bytes, headers: NO_HEADERS, unreadable }];
  }
  const isControlRecord = (attributes & CONTROL) > 0;
  return {
    offset: String(lastOffset),
    lastOffset,
    producerId,
    isControlRecord,
    isTransactional: (attributes & TRANSACTIONAL) > 0,
    isAbortMarker: isControlRecord && decoded[0]?.key?.readInt16BE(2) === ABORT,
    records: decoded,
  };
}

function decodeRecords(
  from: Cursor,
  count: number,
  baseOffset: number,
  firstTimestamp: number,
  appendTime: number | undefined,
): KafkaRecord[] {
  const records: KafkaRecord[] = [];
  for (let i = 0; i < count; i++) {
    const length = from.varint();
    const end = from.at + length;
    if (length <= 0 || end > from.bytes.length) throw new Error('malformed record');
    from.at++; // attributes, unused
    const delta = from.varlong();
    const offset = baseOffset + from.varint();
    const key = from.varbytes();
    const value = from.varbytes();
    const headers = decodeHeaders(from);
    if (from.at > end) throw new Error('malformed record');
    from.at = end;
    records.push({ offset, timestamp: appendTime ?? firstTimestamp + delta, key, value, headers });
  }
  return records;
}

const NO_HEADERS: RecordHeaders = Object.freeze({});

/** A name that repeats becomes a list. A name like `__proto__` stays a plain key. */
function decodeHeaders(from: Cursor): RecordHeaders {
  let count = from.varint();
  if (count <= 0) return NO_HEADERS;
  if (count > from.bytes.length - from.at) throw new Error('malformed record');
  const headers: Record<string, Buffer | string | (Buffer | string)[] | undefined> = {};
  for (; count > 0; count--) {
    const name = from.varbytes()?.toString('utf8') ?? '';
    const value = from.varbytes() ?? undefined;
    if (!Object.hasOwn(headers, name)) {
      if (name === '__proto__') Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true });
      else headers[name] = value;
    } else if (value !== undefined) {
      const before = headers[name];
      if (Array.isArray(before)) before.push(value);
      else headers[name] = before === undefined ? [value] : [before, value];
    }
  }
  return headers;
}
