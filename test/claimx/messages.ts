import type { MessageOf, TopicDefinition } from '@pipeline-host/sdk';
import { createMessageCodec } from '../../host/src/engine/messages/message-codec.ts';

/** What a handler of the topic gets for these bytes. @throws as the host does, for what becomes a dead letter */
export function decode<Topic extends TopicDefinition>(topic: Topic, value: unknown): MessageOf<Topic> {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return createMessageCodec(topic).decode(bytes) as MessageOf<Topic>;
}

/** The message as it stands on the topic. */
export function encode<Topic extends TopicDefinition>(topic: Topic, message: MessageOf<Topic>): unknown {
  return JSON.parse(createMessageCodec(topic).encode(message).toString('utf8'));
}
