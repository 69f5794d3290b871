import type { KafkaRecord, RecordHeaders } from '../kafka/driver.ts';

/** The host's own record headers. Everything that retry, replay and dead letters add to a record stands here and nowhere else. */
export const HEADER = {
  id: 'ph.id',
  schema: 'ph.schema',
  redo: 'ph.redo',
  attempts: 'ph.attempts',
  dueAt: 'ph.due-at',
  /** The dependency that the record waits for, where that has no room for it in memory. */
  heldBy: 'ph.held-by',
  plugin: 'ph.plugin',
  pluginVersion: 'ph.plugin.version',
  worker: 'ph.worker',
  stage: 'ph.stage',
  firstFailedAt: 'ph.first-failed-at',
  failedAt: 'ph.failed-at',
  errorCode: 'ph.error.code',
  errorMessage: 'ph.error.message',
  errorName: 'ph.error.name',
  onDeadError: 'ph.error.on-dead',
  originCluster: 'ph.origin.cluster',
  originTopic: 'ph.origin.topic',
  originPartition: 'ph.origin.partition',
  originOffset: 'ph.origin.offset',
  originTimestamp: 'ph.origin.timestamp',
  /** Tables, separated by commas, that hold the rows of a table writer's dead letter already. */
  written: 'ph.tables.written',
  /** Records of the batch that could not be read: the dead letter's value is the whole batch. */
  batch: 'ph.batch',
  /** The record was too large for the dead-letter topic: SHA-256 of the object in storage that holds it. */
  payload: 'ph.payload.sha256',
  /** Bytes of its value; absent where it has none. */
  payloadValueBytes: 'ph.payload.value-bytes',
  /** Id of the dead letter that a replay came from. */
  replay: 'ph.replay',
  /** How often the dead letter was replayed on purpose, this time included. */
  replayCount: 'ph.replay.count',
  /** End of the lane before the replay was first tried: a copy of it can only stand there or later. */
  replayFrom: 'ph.replay.from',
} as const;

export const HOST_PREFIX = 'ph.';

/** The text of a header, of the first value where it is repeated, or undefined. */
export function headerText(headers: RecordHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  const first = value[0];
  return first === undefined ? undefined : first.toString();
}

/** A header that holds a whole number, or the fallback. */
export function headerNumber(headers: RecordHeaders | undefined, name: string, fallback: number): number {
  const text = headerText(headers, name);
  if (text === undefined) return fallback;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : fallback;
}

/**
 * Failed attempts so far. The `retry_count` header of the systems before us is read, never written; our own counts only on
 * records of a retry topic, since on any other a sender may have made it up.
 */
export function failedAttempts(headers: RecordHeaders | undefined, retried: boolean): number {
  const before = headerNumber(headers, 'retry_count', 0);
  return Math.max(0, retried ? headerNumber(headers, HEADER.attempts, before) : before);
}

/** The headers without those of the host, as text. */
export function authorHeaders(headers: RecordHeaders | undefined): Record<string, string> {
  const own: Record<string, string> = {};
  for (const name of Object.keys(headers ?? {})) {
    if (name.startsWith(HOST_PREFIX)) continue;
    const text = headerText(headers, name);
    if (text !== undefined) own[name] = text;
  }
  return own;
}

/** Where a record first came from: kept through retry and replay, so that identities stay the same. */
export interface Origin {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp: number;
}

/** The origin that the headers of a retried record name, or the record's own place: other senders may claim what they like. */
export function originOf(
  record: KafkaRecord,
  place: { readonly cluster: string; readonly topic: string; readonly partition: number },
  retried: boolean,
): Origin {
  const topic = retried ? headerText(record.headers, HEADER.originTopic) : undefined;
  if (topic === undefined) return { ...place, offset: String(record.offset), timestamp: record.timestamp };
  return {
    cluster: headerText(record.headers, HEADER.originCluster) ?? place.cluster,
    topic,
    partition: headerNumber(record.headers, HEADER.originPartition, place.partition),
    offset: headerText(record.headers, HEADER.originOffset) ?? String(record.offset),
    timestamp: headerNumber(record.headers, HEADER.originTimestamp, record.timestamp),
  };
}
