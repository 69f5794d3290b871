import type { Static, TSchema } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';

/** Turns message bytes into a plain value and back. The host still checks the value against the topic's schema. */
export interface Codec {
  readonly name: string;
  /** @throws on bytes that are not a message; the record becomes a dead letter with stage `decode`. */
  decode(bytes: Uint8Array): unknown;
  encode(message: unknown): Uint8Array | string;
}

/** `json` reads UTF-8 JSON; `bytes` hands the value over as a `Uint8Array`; or the author's own. */
export type TopicCodec = 'json' | 'bytes' | Codec;

/** An older or foreign shape of a topic's message and the way to the present one. `upgrade` throws to reject. */
export interface AcceptedShape<Old extends TSchema = TSchema, Message = unknown> {
  readonly schema: Old;
  upgrade(message: Static<Old>): Message;
}

/** A stream of messages of one schema. Its full name is the plugin's prefix, a dot and `name`. */
export interface TopicDefinition<Name extends string = string, Message = unknown> extends Branded<'topic'> {
  readonly name: Name;
  readonly schema: TSchema;
  readonly accepts: readonly AcceptedShape[];
  readonly codec: TopicCodec;
  /** Of the schema: goes out with each message as the header `ph.schema`. */
  readonly version: number;
  /** Belongs to someone else: its existence is checked at start, it is never created or written. */
  readonly external: boolean;
  /** Partitions of the topic if the host creates it; the host's default (6) where absent. */
  readonly partitions: number | undefined;
  /** The record key; null spreads records over the partitions. A method, so that definitions of different messages fit one list. */
  key(message: Message): string | null;
}

export interface TopicOptions<Message, Old extends readonly TSchema[]> {
  readonly key: (message: Message) => string | null;
  /** Tried in order where a message does not fit the schema. */
  readonly accepts?: { readonly [Index in keyof Old]: AcceptedShape<Old[Index], Message> };
  readonly codec?: TopicCodec;
  /**
   * Of the schema; 1 by default. Raise it with a change that older readers of the topic would not understand: they wait at
   * the first message of a newer version until they are replaced, in place of taking it for a bad one.
   */
  readonly version?: number;
  readonly partitions?: number;
}

/** The message type of a topic definition. */
export type MessageOf<Topic> = Topic extends TopicDefinition<string, infer Message> ? Message : never;

/**
 * A topic of this plugin.
 *
 * @param name without the prefix, e.g. `'downloads.pending'`; full name `<prefix>.downloads.pending`
 */
export function defineTopic<const Name extends string, Schema extends TSchema, const Old extends readonly TSchema[] = readonly []>(
  name: Name,
  schema: Schema,
  options: TopicOptions<Static<Schema>, Old>,
): TopicDefinition<Name, Static<Schema>> {
  return brand(
    'topic',
    {
      name,
      schema,
      accepts: (options?.accepts ?? []) as readonly AcceptedShape[],
      codec: options?.codec ?? 'json',
      version: options?.version ?? 1,
      external: false,
      partitions: options?.partitions,
      key: options?.key,
    },
    options,
  );
}

/**
 * Another plugin's or system's topic, by its contract. It must exist when the host starts. `version` is the newest version
 * of its schema that is understood here.
 *
 * @param name the full name, e.g. `'claims.downloads.results'`
 */
export function externalTopic<const Name extends string, Schema extends TSchema, const Old extends readonly TSchema[] = readonly []>(
  name: Name,
  schema: Schema,
  options: Partial<Omit<TopicOptions<Static<Schema>, Old>, 'partitions'>> = {},
): TopicDefinition<Name, Static<Schema>> {
  return brand(
    'topic',
    {
      name,
      schema,
      accepts: (options?.accepts ?? []) as readonly AcceptedShape[],
      codec: options?.codec ?? 'json',
      version: options?.version ?? 1,
      external: true,
      partitions: undefined,
      key: options?.key ?? (() => null),
    },
    options,
  );
}
