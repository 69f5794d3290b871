import { isUtf8 } from 'node:buffer';
import type { KafkaRecord, LocatedRecord } from '../kafka/driver.ts';
import { HEADER, HOST_PREFIX, headerNumber, headerText, type Origin, originOf } from '../retry/headers.ts';
import { isReference } from './payloads.ts';

/** Where a dead letter is. */
export interface DeadLetterPlace {
  /** Name of its queue. */
  readonly queue: string;
  readonly partition: number;
  readonly offset: number;
}

/** The name of a dead letter, `orders.dlq:3:17`: the same for as long as its topic lives. */
export function formatId({ queue, partition, offset }: DeadLetterPlace): string {
  return `${queue}:${partition}:${offset}`;
}

/** The place that an id names, or null where it is none. */
export function parseId(id: string): DeadLetterPlace | null {
  const match = /^(.+):(\d{1,9}):(\d{1,15})$/.exec(id);
  if (match === null) return null;
  const [, queue = '', partition, offset] = match;
  return { queue, partition: Number(partition), offset: Number(offset) };
}

/** What a dead letter tells of itself. */
export interface DeadLetter extends DeadLetterPlace {
  readonly id: string;
  readonly plugin: string | null;
  readonly pluginVersion: string | null;
  readonly worker: string | null;
  readonly stage: string | null;
  /** Failed attempts. */
  readonly attempts: number;
  readonly error: { readonly code: string | null; readonly name: string | null; readonly message: string | null };
  readonly origin: Origin;
  /** ISO times, as the worker wrote them. */
  readonly firstFailedAt: string | null;
  readonly failedAt: string | null;
  /** Epoch milliseconds when it was written. */
  readonly storedAt: number;
  /** As text; null where the record has none. */
  readonly key: string | null;
  /** As the log lines of its worker have it: the header `trace_id`, else the key. */
  readonly trace: string | null;
  /** The dead letter whose replay failed and became this one. */
  readonly parent: string | null;
  /** Bytes of the value; null where the record has none. */
  readonly bytes: number | null;
  /** Reference to the record where it was too large for the topic, and stands in storage; null where it is here. */
  readonly payload: string | null;
}

/** Reads the `ph.` headers of a dead letter. Whoever wrote them, nothing here throws. */
export function describeDeadLetter(queue: string, record: LocatedRecord): DeadLetter {
  const { partition, offset, headers, key, value, timestamp } = record;
  const text = (name: string): string | null => headerText(headers, name) ?? null;
  const place = { queue, partition, offset };
  const payload = payloadOf(record);
  const keyText = key === null ? null : key.toString('utf8');
  return {
    ...place,
    id: formatId(place),
    plugin: text(HEADER.plugin),
    pluginVersion: text(HEADER.pluginVersion),
    worker: text(HEADER.worker),
    stage: text(HEADER.stage),
    attempts: headerNumber(headers, HEADER.attempts, 0),
    error: { code: text(HEADER.errorCode), name: text(HEADER.errorName), message: text(HEADER.errorMessage) },
    origin: originOf(record, { cluster: '', topic: '', partition }, true),
    firstFailedAt: text(HEADER.firstFailedAt),
    failedAt: text(HEADER.failedAt),
    storedAt: timestamp,
    key: keyText,
    trace: text('trace_id') ?? keyText,
    parent: parentOf(place, text(HEADER.replay)),
    bytes: payload === null ? (value?.length ?? null) : nullIfAbsent(headerNumber(headers, HEADER.payloadValueBytes, -1)),
    payload,
  };
}

function payloadOf({ value, headers }: LocatedRecord): string | null {
  const reference = headerText(headers, HEADER.payload);
  return isReference(reference) && value?.length === 0 ? reference : null;
}

const nullIfAbsent = (bytes: number): number | null => (bytes < 0 ? null : bytes);

/** The dead letter as it would be if the topic had taken it whole. */
export function restored(reference: LocatedRecord, { key, value, headers }: KafkaRecord): LocatedRecord {
  const own = Object.entries(reference.headers).filter(([name]) => name.startsWith(HOST_PREFIX) && !OF_PAYLOADS.has(name));
  return { ...reference, key, value, headers: Object.fromEntries([...Object.entries(headers), ...own]) };
}

const OF_PAYLOADS: ReadonlySet<string> = new Set([HEADER.payload, HEADER.payloadValueBytes]);

/** A sender may have made the header up: only an earlier dead letter of the same queue can be the parent. */
function parentOf({ queue }: DeadLetterPlace, replay: string | null): string | null {
  return replay !== null && parseId(replay)?.queue === queue ? replay : null;
}

/** The bytes as text, or null where they are none. */
export function textOf(bytes: Buffer): string | null {
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
}
