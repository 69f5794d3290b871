import { createHash } from 'node:crypto';
import { withoutQuery } from './attachment-url.ts';
import type { XactConfig } from './config.ts';

/** UUID version 5 (SHA-1) of a name in a namespace. */
export function uuid5(namespace: string, name: string): string {
  const digest = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name, 'utf8')
    .digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

export const EVENT_NAMESPACE = uuid5(URL_NAMESPACE, 'http://nsmkdvPipe/event_id');

/** The two systems before us named the same attachment differently; which one to agree with is configuration. */
export const MEDIA_NAMESPACES = {
  nsmkdvPipe: uuid5(URL_NAMESPACE, 'http://nsmkdvPipe/media_id'),
  xactPipeline: uuid5(URL_NAMESPACE, 'http://xactPipeline/media_id'),
} as const;

/** The id of an event, from its trimmed trace id. */
export const eventIdOf = (traceId: string): string => uuid5(EVENT_NAMESPACE, traceId);

/** The id of one attachment of an event: the trimmed trace id and the URL as it was received. */
export function mediaIdOf(traceId: string, url: string, config: Pick<XactConfig, 'mediaNamespace' | 'mediaIdIgnoresQuery'>): string {
  return uuid5(MEDIA_NAMESPACES[config.mediaNamespace], `${traceId}:${config.mediaIdIgnoresQuery ? withoutQuery(url) : url}`);
}
