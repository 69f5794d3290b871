import { type Static, type TObject, type TSchema, type TUnsafe, Type } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';
import type { Duration } from './duration.ts';

/** Column types of a Delta table. `long` is 64 bits, `integer` 32, `timestamp` microseconds in UTC. */
export type DeltaType =
  | 'string'
  | 'integer'
  | 'long'
  | 'double'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | 'binary'
  | `decimal(${number},${number})`;

/** The annotation that holds a column's Delta type. */
export const DELTA_TYPE = 'x-ph-delta';

const column_ = <T>(type: DeltaType, schema: TSchema): TUnsafe<T> => Type.Unsafe<T>({ ...schema, [DELTA_TYPE]: type });

/** Column builders of row schemas. Wrap in `Nullable(...)` what may be null. */
export const column = {
  string: () => column_<string>('string', Type.String()),
  integer: () => column_<number>('integer', Type.Integer()),
  /** Whole numbers beyond 2^53 as bigint or as text. */
  long: () => column_<number | bigint | string>('long', Type.Union([Type.Integer(), Type.String({ pattern: '^-?\\d+$' })])),
  double: () => column_<number>('double', Type.Number()),
  boolean: () => column_<boolean>('boolean', Type.Boolean()),
  /** `2026-01-05` */
  date: () => column_<string>('date', Type.String()),
  /** ISO-8601 text, up to microseconds, e.g. `2026-01-05T14:22:07.123456Z` */
  timestamp: () => column_<string>('timestamp', Type.String()),
  /** Base64 text. */
  binary: () => column_<string>('binary', Type.String()),
  /** Exact text such as `12.50`; the scale is the digits after the point. */
  decimal: (precision: number, scale: number) =>
    column_<string>(`decimal(${precision},${scale})`, Type.String({ pattern: '^-?\\d+(\\.\\d+)?$' })),
} as const;

/**
 * What a merge does with a column: `keepOldWhenNull` (default) never overwrites with null, `always` writes what comes,
 * `preserve` never changes after the insert, `greatest` keeps the greater of what is stored and what comes, so that rows may
 * come in any order; null is less than all. An absent column always keeps the stored value.
 */
export type ColumnPolicy = 'keepOldWhenNull' | 'always' | 'preserve' | 'greatest';

/**
 * When a row is merged into the one that has its key; always where there is none. `distinct`: one of the columns differs
 * from what is stored, null being a value like others. `differs`: the same, but where null is stored, the row is always merged.
 * `newer`: the column is greater than what is stored; `notOlder`: or
 * equal to it. A stored null is older than all; a row whose column is null, or absent, is newer than nothing.
 */
export type UpdateCondition<Column extends string = string> =
  | { readonly distinct: readonly [Column, ...Column[]] }
  | { readonly differs: readonly [Column, ...Column[]] }
  | { readonly newer: Column }
  | { readonly notOlder: Column };

/** Of tables of both modes. */
export interface TableOptions<Column extends string> {
  readonly partitionBy?: readonly Column[];
  /**
   * Other names under which a table that exists may have a column, such as `{ event_id: ['trace_id'] }`. Its own name comes
   * first, then the first of these that is there; a new table has the column's own.
   */
  readonly aliases?: Readonly<Partial<Record<Column, readonly string[]>>>;
  /** The table and the rows for it are left out until `plugins.<p>.tables.<t>.enabled` is true in the config. */
  readonly optional?: boolean;
}
export interface AppendOptions<Column extends string> extends TableOptions<Column> {
  readonly mode: 'append';
  /**
   * Rows whose column value was already written within the window are left out; of one value that comes several times one
   * row is kept. Needed where the topic is made by a worker, which may send an output twice. What was written is read back
   * from the table, so it holds over restarts, rebalances and several writers of the table alike, and for rows that an
   * earlier host wrote. The window must be longer than the time between the two sends: a crash and its restart. 16 bytes a
   * row of the window are kept, on disk where memory ends. A null repeats nothing.
   */
  readonly dedupe?: { readonly column: Column; readonly window: Duration };
}
export interface MergeOptions<Column extends string> extends TableOptions<Column> {
  readonly mode: 'merge';
  /** The columns that name a row. Null keys are dead letters. */
  readonly key: readonly [Column, ...Column[]];
  readonly columns?: Readonly<Partial<Record<Column, ColumnPolicy>>>;
  /** Rows of a batch are held against it one after the other. */
  readonly updateWhen?: UpdateCondition<Column>;
  /**
   * Of a new table: whether a merge marks replaced rows by deletion vectors (default), or writes their files anew, for
   * readers that do not know the feature (Delta reader version 3). A table that exists keeps what it has.
   */
  readonly deletionVectors?: boolean;
}

/**
 * A Delta table. The host creates it where it is provably absent. One that exists keeps its columns, types and partitions:
 * nullable columns that it lacks are added when a writer starts, values that its types do not hold exactly make their
 * records dead letters, and a writer whose rows it cannot take does not start.
 */
export interface TableDefinition<Name extends string = string, Row = unknown> extends Branded<'table'> {
  readonly name: Name;
  readonly row: TObject;
  readonly options: AppendOptions<string> | MergeOptions<string>;
  /** Only for types: the row as a writer gives it. */
  readonly rowType?: Row;
}

type NullableKeys<Row> = { [Column in keyof Row]: null extends Row[Column] ? Column : never }[keyof Row];
/** A row as a writer gives it: a nullable column may be left out. In a merge, left out keeps what is stored. */
export type RowInput<Row> = { readonly [Column in Exclude<keyof Row, NullableKeys<Row>>]: Row[Column] } & {
  readonly [Column in NullableKeys<Row>]?: Row[Column] | undefined;
};

/** The row type of a table definition. */
export type RowOf<Table> = Table extends { readonly rowType?: infer Row } ? Exclude<Row, undefined> : never;

/** A table of this plugin; its physical name and place are configuration. */
export function defineTable<const Name extends string, Row extends TObject>(
  name: Name,
  row: Row,
  options: AppendOptions<Extract<keyof Static<Row>, string>> | MergeOptions<Extract<keyof Static<Row>, string>>,
): TableDefinition<Name, RowInput<Static<Row>>> {
  return brand('table', { name, row, options: (options ?? {}) as AppendOptions<string> | MergeOptions<string> }, options);
}
