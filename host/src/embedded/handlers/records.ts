import { type FetchedPartition, type FetchPartition, type FetchRequest, type FetchResponse, fetchApi } from '../api/fetch.ts';
import { EARLIEST, LATEST, listOffsetsApi } from '../api/list-offsets.ts';
import { type ProduceRequest, type ProduceResponse, produceApi } from '../api/produce.ts';
import { deleteRecordsApi } from '../api/topic-admin.ts';
import type { BrokerParts } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import type { AppendListener, PartitionLog } from '../log/partition-log.ts';
import type { TimedOffset } from '../log/record-timestamps.ts';
import { CorruptBatch } from '../log/segment.ts';
import { type Call, CLOSE_CONNECTION, NO_ANSWER } from '../server/call.ts';
import { type Route, route } from '../server/router.ts';
import { cleanupPolicy } from '../topics/topic-config.ts';
import { storing } from './storing.ts';

/** A fetch never reads more than this, whatever the client asks for; a single larger batch is still served whole. */
const MAX_FETCH_BYTES = 55 << 20;

/** Writing and reading records. */
export function recordRoutes(parts: BrokerParts): readonly Route[] {
  const { topics } = parts;
  return [
    route(produceApi, (request, call) => produce(parts, request, call)),
    route(fetchApi, (request, call) => fetch(parts, request, call)),
    route(listOffsetsApi, (request, { faults }) => ({
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, timestamp }) => {
          const log = topics.partition(name, index);
          const error = faults.errorFor(name, index) || (log ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
          const found = log && !error ? findOffset(log, timestamp, request.readCommitted) : { offset: -1, timestamp: -1 };
          return { index, error, ...found };
        }),
      })),
    })),
    route(deleteRecordsApi, (request) => ({
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, offset }) => {
          const log = topics.partition(name, index);
          if (!log) return { index, error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, lowWatermark: -1 };
          // What only compaction may remove has no start to be moved.
          const { deletes } = cleanupPolicy(topics.get(name)?.config ?? {});
          if (!deletes) return { index, error: ErrorCode.POLICY_VIOLATION, lowWatermark: -1 };
          const error = storing(parts.settings.log, `delete records of ${name}`, () => log.deleteBefore(offset));
          return { index, error, lowWatermark: error === ErrorCode.NONE ? log.startOffset : -1 };
        }),
      })),
    })),
  ];
}

function findOffset(log: PartitionLog, timestamp: number, readCommitted: boolean): TimedOffset {
  const end = readCommitted ? log.lastStableOffset : log.endOffset;
  if (timestamp === LATEST) return { offset: end, timestamp: -1 };
  if (timestamp === EARLIEST) return { offset: log.startOffset, timestamp: -1 };
  const found = log.findTime(timestamp);
  return found && found.offset < end ? found : { offset: -1, timestamp: -1 };
}

type ProducedPartition = ProduceResponse['topics'][number]['partitions'][number];

async function produce(
  { topics, transactions, settings, settle }: BrokerParts,
  request: ProduceRequest,
  { faults }: Call,
): Promise<ProduceResponse | typeof NO_ANSWER | typeof CLOSE_CONNECTION> {
  const written = new Set<PartitionLog>();
  const badAcks = request.acks < -1 || request.acks > 1;
  const store = (name: string, index: number, records: Buffer): ProducedPartition => {
    const refused = (error: number): ProducedPartition => ({ index, error, baseOffset: -1, logStartOffset: -1 });
    const log = topics.partition(name, index);
    if (badAcks) return refused(ErrorCode.INVALID_REQUIRED_ACKS);
    if (!log) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const injected = faults.errorFor(name, index);
    if (injected) return refused(injected);
    const result = log.append(records, (header) => transactions.admit(header, name, index));
    if (result.error !== ErrorCode.NONE) {
      if (result.error === ErrorCode.KAFKA_STORAGE_ERROR)
        settings.log('error', 'cannot store records', { topic: name, partition: index, error: result.cause });
      return refused(result.error);
    }
    written.add(log);
    return { index, error: ErrorCode.NONE, baseOffset: result.offset, logStartOffset: log.startOffset };
  };
  let answer = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ index, records }) => store(name, index, records)),
  }));
  try {
    await settle(written);
  } catch (error) {
    settings.log('error', 'cannot flush records', { error });
    // On disk or not: nobody knows. Not acknowledged, so the producer sends again.
    const lost = (partition: ProducedPartition): ProducedPartition => ({
      ...partition,
      error: partition.error || ErrorCode.KAFKA_STORAGE_ERROR,
    });
    answer = answer.map(({ name, partitions }) => ({ name, partitions: partitions.map(lost) }));
  }
  if (request.acks !== 0) return { topics: answer };
  // A producer that wants no answer learns of a failure by losing its connection.
  const failed = answer.some(({ partitions }) => partitions.some(({ error }) => error !== ErrorCode.NONE));
  return failed ? CLOSE_CONNECTION : NO_ANSWER;
}

interface Fetched {
  readonly topics: FetchResponse['topics'];
  readonly bytes: number;
  /** An error is answered at once. */
  readonly failed: boolean;
}

async function fetch({ topics, settings }: BrokerParts, request: FetchRequest, call: Call): Promise<FetchResponse> {
  const wanted = request.topics.flatMap(({ partitions }) => partitions);
  let fetched = read();
  const deadline = performance.now() + request.maxWaitMs;
  // More than once where what was appended is not committed yet.
  while (fetched.bytes < request.minBytes && !fetched.failed && wanted.length > 0) {
    const left = deadline - performance.now();
    if (left <= 0 || call.peer.closed.aborted) break;
    const logs = new Set(wanted.flatMap(({ topic, partition }) => topics.partition(topic, partition) ?? []));
    await appended(logs, request.minBytes - fetched.bytes, left, call.peer.closed);
    fetched = read();
  }
  return { readCommitted: request.readCommitted, topics: fetched.topics };

  function read(): Fetched {
    let left = Math.min(request.maxBytes, MAX_FETCH_BYTES);
    let bytes = 0;
    let failed = false;
    const results = new Map<FetchPartition, FetchedPartition>();
    // Another partition goes first each time, so that a busy one cannot keep the others out of small fetches.
    const first = Math.floor(Math.random() * wanted.length);
    for (const part of [...wanted.slice(first), ...wanted.slice(0, first)]) {
      const result = left > 0 ? readPartition(part, left) : readPartition(part, 0);
      results.set(part, result);
      failed ||= result.error !== ErrorCode.NONE;
      const size = result.records?.length ?? 0;
      left -= size;
      bytes += size;
    }
    const named = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((part) => results.get(part) as FetchedPartition),
    }));
    return { topics: named, bytes, failed };
  }

  function readPartition({ topic, partition, offset, maxBytes }: FetchPartition, left: number): FetchedPartition {
    const log = topics.partition(topic, partition);
    const injected = call.faults.errorFor(topic, partition);
    if (!log || injected) {
      return { ...NOTHING, partition, error: injected || ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
    }
    const { endOffset, startOffset, lastStableOffset } = log;
    const state = { ...NOTHING, partition, highWatermark: endOffset, startOffset, lastStableOffset };
    if (offset < startOffset || offset > endOffset) return { ...state, error: ErrorCode.OFFSET_OUT_OF_RANGE };
    try {
      const before = request.readCommitted ? lastStableOffset : endOffset;
      const records = left > 0 ? log.read(offset, Math.min(Math.max(maxBytes, 0), left), before) : undefined;
      const aborted = request.readCommitted && records ? log.abortedAmong(offset, records) : [];
      return { ...state, error: ErrorCode.NONE, records, aborted };
    } catch (error) {
      settings.log('error', 'cannot read records', { topic, partition, offset, error });
      return { ...state, error: error instanceof CorruptBatch ? ErrorCode.CORRUPT_MESSAGE : ErrorCode.KAFKA_STORAGE_ERROR };
    }
  }
}

const NOTHING = { highWatermark: -1, lastStableOffset: -1, startOffset: -1, records: undefined, aborted: [] };

/** Waits until `bytes` more have been written to the logs together, a log went away, the time is over or the client is gone. */
function appended(logs: ReadonlySet<PartitionLog>, bytes: number, waitMs: number, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let missing = bytes;
    const listener: AppendListener = (size) => {
      missing -= size;
      if (missing <= 0 || size === 0) done();
    };
    const stops = [...logs].map((log) => log.onAppend(listener));
    const timer = setTimeout(done, waitMs);
    closed.addEventListener('abort', done, { once: true });
    if (closed.aborted) done();

    function done(): void {
      clearTimeout(timer);
      closed.removeEventListener('abort', done);
      for (const stop of stops) stop();
      resolve();
    }
  });
}
