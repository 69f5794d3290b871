import type { CommitInfo, Protocol, Txn } from './log/actions.ts';
import type { MergePolicy, UpdateCondition } from './merge/merge-plan.ts';
import type { SchemaField } from './schema/column-type.ts';
import type { TableSpec } from './schema/schema.ts';

export interface OpenOptions {
  /**
   * Creates the table where its log is provably absent. One that is there must take its rows: {@link DeltaTable.differences}
   * tells in what it is another.
   */
  readonly create?: TableSpec;
  /** Adds nullable columns that the table lacks, in a commit before it is opened. Default false: they are refused. */
  readonly addColumns?: boolean;
}

/** The last offset of one writer, to be committed with the rows up to it. */
export interface WriteTxn extends Pick<Txn, 'appId' | 'version'> {
  /**
   * The last version that the caller knew when it chose the rows, null for none. Where the table has moved on since, the
   * write is refused with `PH_DELTA_TXN_CONFLICT`: some of the rows may be there. Not looked at where absent.
   */
  readonly after?: bigint | null;
}

/** An app id that a writer relies on and does not write, with the last version that it knew, null for none. */
export interface ReadTxn {
  readonly appId: string;
  readonly version: bigint | null;
}

export interface WriteOptions {
  readonly txns?: readonly WriteTxn[];
  /** Where the table has moved on in one of these, the write is refused with `PH_DELTA_TXN_CONFLICT`. */
  readonly reads?: readonly ReadTxn[];
}

/** Which rows an append leaves out. */
export interface DedupeRule {
  /** Rows whose value of this column was written within the window are left out, and so are all but one of a value in a block. Null repeats nothing. */
  readonly column: string;
  /** Milliseconds. At least so long ago: rows that a compaction wrote anew may count as younger. */
  readonly window: number;
}

export interface AppendOptions extends WriteOptions {
  readonly dedupe?: DedupeRule;
}

export interface MergeOptions extends WriteOptions {
  /** The columns that name a row. */
  readonly key: readonly [string, ...string[]];
  /** Per column; `keepOldWhenNull` where absent. */
  readonly policies?: Readonly<Record<string, MergePolicy>>;
  /** When a row is merged into the one that has its key; always where absent. */
  readonly updateWhen?: UpdateCondition;
}

/** Every txn of the write was in the table already: nothing was written. */
export interface Skipped {
  readonly skipped: true;
  readonly version: number;
}
export interface Appended {
  readonly skipped: false;
  readonly version: number;
  readonly rows: number;
  /** Rows that were left out by {@link AppendOptions.dedupe}. */
  readonly repeated: number;
  readonly files: number;
  readonly bytes: number;
}
export interface Merged {
  readonly skipped: false;
  readonly version: number;
  readonly inserted: number;
  readonly updated: number;
  readonly bytes: number;
}

export interface OptimizePlan {
  /** Files that would be written anew. */
  readonly files: number;
  readonly bytes: number;
  /** Those among them that are not small, and only have many deleted rows. */
  readonly purgedFiles: number;
  /** Files that they would become; a second pass over the new ones may make them fewer. */
  readonly newFiles: number;
}

export interface TableSummary {
  readonly version: number;
  /** Null where a file of another writer says no count; then {@link DeltaTable.count} counts. */
  readonly rows: number | null;
  readonly files: number;
  readonly bytes: number;
  readonly schema: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  readonly protocol: Protocol;
  readonly properties: Readonly<Record<string, string>>;
  readonly description: string | null;
  /** What the newest commit says of itself; null where it is known only from a checkpoint. */
  readonly lastCommit: CommitInfo | null;
  /** The last offset of each writer. */
  readonly txns: readonly Txn[];
}
