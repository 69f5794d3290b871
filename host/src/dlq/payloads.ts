import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPipelineError, type Log, PermanentError } from '@pipeline-host/sdk';
import type { KafkaRecord, OutgoingRecord } from '../kafka/driver.ts';
import { packRecord, unpackRecord } from '../kafka/stored-record.ts';
import type { ObjectStat, ObjectStore } from '../storage/index.ts';

/** No plugin's objects begin like this: plugin names have no dot. */
const FOLDER = '.dead-letters';
const EXTENSION = '.batch';
const SHA256 = /^[0-9a-f]{64}$/;
const BACKOFF_MILLISECONDS = { first: 250, most: 30_000 } as const;

/** What a dead letter keeps elsewhere: key, value and headers of the record, byte for byte, and its time. */
export type Payload = Pick<OutgoingRecord, 'key' | 'value' | 'headers' | 'timestamp'>;

export interface WriteOptions {
  readonly store: ObjectStore;
  readonly log: Log;
  /** Ends the wait for a store that is away. */
  readonly signal: AbortSignal;
}

/**
 * Stores a record that is too large for its dead-letter topic, whole (the claim-check pattern). Resolves with the reference
 * when the object is durable: the SHA-256 of its bytes, which is also its name. So a dead letter can refer to no other object
 * than one of these, and the same record is stored once, however often it is tried. An outage of the store is waited out,
 * as one of the broker is.
 */
export async function writePayload({ store, log, signal }: WriteOptions, topic: string, payload: Payload): Promise<string> {
  const bytes = await packRecord(payload);
  const reference = hash('sha256', bytes, 'hex');
  for (let wait: number = BACKOFF_MILLISECONDS.first; ; wait = Math.min(2 * wait, BACKOFF_MILLISECONDS.most)) {
    try {
      const path = pathOf(topic, reference);
      // An old one is made young: nobody sweeps what a dead letter is about to refer to.
      if ((await store.putIfAbsent(path, bytes)) === 'exists') await store.put(path, bytes);
      return reference;
    } catch (error) {
      if (signal.aborted || !isPipelineError(error) || error.kind === 'permanent' || error.kind === 'fatal') throw error;
      log.warn({ error, topic, wait }, 'the record of a dead letter cannot be stored; its partition waits, and it is tried again');
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }
}

/** @throws PermanentError `PH_DLQ_PAYLOAD_MISSING`, `PH_DLQ_PAYLOAD_DAMAGED` */
export async function readPayload(store: ObjectStore, topic: string, reference: string): Promise<KafkaRecord> {
  const path = pathOf(topic, reference);
  const place = `${store.uri}/${path}`;
  const bytes = await store.get(path);
  if (bytes === null) throw new PermanentError('PH_DLQ_PAYLOAD_MISSING', `the record of the dead letter is not at ${place}`, { place });
  if (hash('sha256', bytes, 'hex') !== reference)
    throw new PermanentError('PH_DLQ_PAYLOAD_DAMAGED', `${place} is not what the dead letter refers to`, { place });
  return unpackRecord(bytes);
}

/** Whether a text can be a reference: whoever writes into the topic may have made it up. */
export function isReference(text: string | undefined): text is string {
  return text !== undefined && SHA256.test(text);
}

/** A stored record. */
export interface StoredPayload extends ObjectStat {
  readonly reference: string;
}

/** What is stored for a topic, with what dead letters call it. */
export async function listPayloads(store: ObjectStore, topic: string): Promise<readonly StoredPayload[]> {
  return (await store.list(folderOf(topic))).flatMap((stat) => {
    const reference = stat.path.slice(folderOf(topic).length + 1, -EXTENSION.length);
    return isReference(reference) && stat.path === pathOf(topic, reference) ? [{ ...stat, reference }] : [];
  });
}

const folderOf = (topic: string): string => `${FOLDER}/${topic}`;
const pathOf = (topic: string, reference: string): string => `${folderOf(topic)}/${reference}${EXTENSION}`;
