import type { WireReader } from '../wire/reader.ts';
import type { WireWriter } from '../wire/writer.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One request type of the protocol: its versions and how its two messages look in each of them. */
export interface Api<Request, Response> {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [oldest: number, newest: number];
  /** Flexible versions carry tagged fields in their headers. */
  readonly flexible?: true;
  readonly decode: (reader: WireReader, version: number) => Request;
  readonly encode: (writer: WireWriter, version: number, response: Response) => void;
  /** What the request touches, so that a fault can be meant for one topic or partition. */
  readonly touches?: (request: Request) => readonly Partial<TopicPartition>[];
}

/** Answers do not ask clients to slow down; but for commits, see OffsetCommitResponse. */
export const NO_THROTTLE = 0;
/** "Not asked for" in fields of authorised operations. */
export const NO_AUTHORISED_OPERATIONS = -2_147_483_648;
