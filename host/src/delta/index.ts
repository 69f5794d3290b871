/**
 * Delta Lake tables: append, merge, read, maintain. Usable by itself, as `pipeline-host/delta`: it knows an object store and
 * nothing else of the host.
 *
 * ```ts
 * const engine = await openDeltaEngine({ tempDirectory: '/tmp/delta' });
 * const table = await DeltaTable.open(engine, openStore('file:///data/tables'), 'events', { create: spec });
 * await table.append({ ndjson: Buffer.from('{"id":"a"}\n'), rows: 1 }, { txns: [{ appId: 'me/0', version: 41n }] });
 * await engine.close();
 * ```
 *
 * Errors have a `code` of `PH_DELTA_*` or `PH_STORAGE_*`; `isPipelineError` of `@pipeline-host/sdk` knows them.
 */
export { type ObjectStore, openStore } from '../storage/index.ts';
export {
  CommitConflictError,
  type ConflictRule,
  RowConversionError,
  type RowFault,
  TableGoneError,
  TxnConflictError,
} from './delta-errors.ts';
export { type DeltaEngine, type DeltaEngineOptions, openDeltaEngine, type SqlValue } from './duckdb/engine.ts';
export type { CommitInfo, Protocol, Txn } from './log/actions.ts';
export type { WrittenCheckpoint } from './log/checkpoint.ts';
export { type HistoryEntry, readHistory } from './log/history.ts';
export type { CompactionRule } from './maintenance/compaction-plan.ts';
export type { CleanedLog, LogCleanupOptions } from './maintenance/log-cleanup.ts';
export type { Optimized, OptimizeOptions } from './maintenance/optimize.ts';
export { intervalMilliseconds } from './maintenance/retention.ts';
export type { Vacuumed, VacuumOptions } from './maintenance/vacuum.ts';
export type { MergePolicy, UpdateCondition } from './merge/merge-plan.ts';
export type { ReadOptions, TableRow } from './read/table-rows.ts';
export type { RowBlock, RowProjection } from './rows/row-block.ts';
export { type DeltaColumn, type DeltaType, identifier, literal, type SchemaField, type SchemaType } from './schema/column-type.ts';
export type { TableSpec } from './schema/schema.ts';
export type { SchemaDifference } from './schema/schema-fit.ts';
export type { ProtocolUpgrade } from './schema/upgrade.ts';
export { DeltaTable } from './table.ts';
export type {
  Appended,
  AppendOptions,
  DedupeRule,
  Merged,
  MergeOptions,
  OpenOptions,
  OptimizePlan,
  ReadTxn,
  Skipped,
  TableSummary,
  WriteOptions,
  WriteTxn,
} from './table-contract.ts';
export type { CheckCount, VerifyFault } from './verify/findings.ts';
export { type Verified, type VerifyOptions, verifyTable } from './verify/verify-table.ts';
export type { WrittenBlock } from './write/append-commit.ts';
