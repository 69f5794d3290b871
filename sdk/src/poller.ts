import type { Static, TSchema } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';
import type { MessageOf, TopicDefinition } from './topic.ts';

export interface PollerOptions<Topic extends TopicDefinition, Row extends TSchema> {
  /** The source table and its filters in KQL, without paging: the host adds cursor, overlap, order and take. */
  readonly query: string;
  /** Query parameters, declared and typed by the host; never spliced into the text. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
  readonly row: Row;
  readonly produces: Topic;
  /** A row as a message, or null to leave it out. */
  map(row: Static<Row>): MessageOf<Topic> | null;
  /** What makes a row the same row when the overlap reads it again. */
  identity(row: Static<Row>): string;
}

/** A poller as the host sees it. */
export interface PollerDefinition extends Branded<'poller'> {
  readonly query: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly row: TSchema;
  readonly produces: TopicDefinition;
  map(row: unknown): unknown;
  identity(row: unknown): string;
}

/** A worker that reads an Eventhouse table and sends each row once as a message. */
export function definePoller<Topic extends TopicDefinition, Row extends TSchema>(options: PollerOptions<Topic, Row>): PollerDefinition {
  const definition = { ...options, parameters: options?.parameters ?? {} } as unknown as Omit<PollerDefinition, keyof Branded<'poller'>>;
  return brand('poller', definition, options);
}
