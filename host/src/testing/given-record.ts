import type { TopicDefinition } from '@pipeline-host/sdk';
import { createMessageCodec } from '../engine/messages/message-codec.ts';
import type { KafkaRecord } from '../kafka/driver.ts';
import { HEADER } from '../retry/headers.ts';
import { recordKey, recordValue } from './record-value.ts';

/** What a record has beside its message. */
export interface RecordOptions {
  /** By default what the topic's `key` makes of the message. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Epoch milliseconds; now by default. */
  readonly timestamp?: number;
  /** Which attempt this is; 1 by default. Later ones come from the retry topic, as they do in a host. */
  readonly attempt?: number;
  /** False: the worker's outputs are sent but never acknowledged, as where the process dies just then. Of no use to table writers. */
  readonly acknowledged?: boolean;
}

/** A record as a broker would hand it over. */
export function givenRecord(topic: TopicDefinition, message: unknown, offset: number, options: RecordOptions = {}): KafkaRecord {
  const { headers = {}, timestamp = Date.now(), attempt = 1 } = options;
  const value = recordValue(topic, message);
  const key = options.key === undefined ? recordKey(topic, () => createMessageCodec(topic).decode(value)) : options.key;
  const texts = Object.entries(attempt > 1 ? { ...headers, [HEADER.attempts]: String(attempt - 1) } : headers);
  return {
    offset,
    timestamp,
    key: key === null ? null : Buffer.from(key, 'utf8'),
    value,
    headers: Object.fromEntries(texts.map(([name, text]) => [name, Buffer.from(text, 'utf8')])),
  };
}
