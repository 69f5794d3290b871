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
export type { CommitInfo, Protocol, Txn } from './actions.ts';
export type { WrittenBlock } from './append-commit.ts';
export type { WrittenCheckpoint } from './checkpoint.ts';
export { type DeltaColumn, type DeltaType, identifier, literal, type SchemaField, type SchemaType } from './column-type.ts';
export type { CompactionRule } from './compaction-plan.ts';
export {
  CommitConflictError,
  type ConflictRule,
  RowConversionError,
  type RowFault,
  TableGoneError,
  TxnConflictError,
} from './delta-errors.ts';
export { type DeltaEngine, type DeltaEngineOptions, openDeltaEngine, type SqlValue } from './engine.ts';
export { type HistoryEntry, readHistory } from './history.ts';
export type { CleanedLog, LogCleanupOptions } from './log-cleanup.ts';
export type { MergePolicy, UpdateCondition } from './merge-plan.ts';
export type { Optimized, OptimizeOptions } from './optimize.ts';
export { intervalMilliseconds } from './retention.ts';
export type { RowBlock, RowProjection } from './row-block.ts';
export type { TableSpec } from './schema.ts';
export type { SchemaDifference } from './schema-fit.ts';
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
export type { ReadOptions, TableRow } from './table-rows.ts';
export type { ProtocolUpgrade } from './upgrade.ts';
export type { Vacuumed, VacuumOptions } from './vacuum.ts';
export type { CheckCount, VerifyFault } from './verify/findings.ts';
export { type Verified, type VerifyOptions, verifyTable } from './verify/verify-table.ts';
