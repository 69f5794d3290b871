import type { Static, TSchema } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';
import type { ColumnSource, ColumnsOf } from './column-source.ts';
import type { Duration } from './duration.ts';
import type { Log, RecordInfo } from './services.ts';
import type { RowOf, TableDefinition } from './table.ts';
import type { MessageOf, TopicDefinition } from './topic.ts';

/** What `rows` gets beside the message. */
export interface TableWriterContext<Config = unknown> {
  readonly config: Config;
  readonly log: Log;
  readonly record: RecordInfo;
  /** The write time, one value a batch: `2026-01-05T14:22:07.123Z`. */
  readonly writtenAt: string;
}

/** Rows by table name. No rows for a table: leave it out. */
export type RowsOf<Tables extends readonly TableDefinition[]> = {
  readonly [Table in Tables[number] as Table['name']]?: readonly RowOf<Table>[];
};

/** When a batch is written: at the first limit that is reached. */
export interface FlushPolicy {
  /** Default 10,000. */
  readonly rows?: number;
  /** Bytes of rows as JSON. Default 32 MiB. */
  readonly bytes?: number;
  /** Age of the oldest row. Default 5 s. */
  readonly age?: Duration;
}

interface TableWriterBasics<Topic extends TopicDefinition, Tables extends readonly TableDefinition[], Config extends TSchema> {
  readonly consumes: Topic;
  readonly writes: Tables;
  readonly config?: Config;
  readonly flush?: FlushPolicy;
}

/** A writer gives either `rows`, a function, or `columns`, data. */
export type TableWriterOptions<
  Topic extends TopicDefinition,
  Tables extends readonly TableDefinition[],
  Config extends TSchema,
> = TableWriterBasics<Topic, Tables, Config> &
  (
    | {
        /** The rows of one message, pure. A thrown `PermanentError`, and a row that the table refuses, make the record a dead letter before the commit. */
        rows(message: MessageOf<Topic>, context: TableWriterContext<Static<Config>>): RowsOf<Tables>;
        readonly columns?: never;
      }
    | {
        /**
         * Where each column of one table comes from: one row a message, made by SQL over the bytes of a whole batch. Needs a
         * topic of JSON. Several times as fast as `rows`.
         */
        readonly columns: Tables extends readonly [infer Table] ? ColumnsOf<MessageOf<Topic>, RowOf<Table>> : never;
        readonly rows?: never;
      }
  );

/** A table writer as the host sees it. Exactly one of `rows` and `columns` is there. */
export interface TableWriterDefinition extends Branded<'table-writer'> {
  readonly consumes: TopicDefinition;
  readonly writes: readonly TableDefinition[];
  readonly config: TSchema | undefined;
  readonly flush: FlushPolicy;
  readonly rows: ((message: unknown, context: TableWriterContext) => Readonly<Record<string, readonly object[] | undefined>>) | undefined;
  readonly columns: Readonly<Record<string, ColumnSource>> | undefined;
}

/**
 * A worker that writes rows. The offsets of the records travel in the same Delta commit as their rows, so a record's
 * rows are in the table exactly once, whatever dies.
 */
export function defineTableWriter<
  Topic extends TopicDefinition,
  const Tables extends readonly TableDefinition[],
  Config extends TSchema = TSchema,
>(options: TableWriterOptions<Topic, Tables, Config>): TableWriterDefinition {
  return brand(
    'table-writer',
    {
      consumes: options?.consumes,
      writes: options?.writes,
      config: options?.config,
      flush: options?.flush ?? {},
      rows: options?.rows as TableWriterDefinition['rows'],
      columns: options?.columns as TableWriterDefinition['columns'],
    },
    options,
  );
}
