import type { TopicDefinition } from '@pipeline-host/sdk';

/**
 * The bytes of a message as a sender writes them, right or wrong: bytes and text are the record's value as they are; anything
 * else is written as JSON, or by the topic's own codec.
 */
export function recordValue(topic: TopicDefinition, message: unknown): Buffer {
  if (message instanceof Uint8Array) return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (typeof message === 'string') return Buffer.from(message, 'utf8');
  if (typeof topic.codec === 'object') return Buffer.from(topic.codec.encode(message));
  return Buffer.from(JSON.stringify(message) ?? '', 'utf8');
}

/** The key that the topic gives what is read; null where that is no message: its sender would have had some other. */
export function recordKey(topic: TopicDefinition, read: () => unknown): string | null {
  let message: unknown;
  try {
    message = read();
  } catch {
    return null;
  }
  // Decoded boundary: the message was just checked against the topic's schema.
  return topic.key(message as never);
}
