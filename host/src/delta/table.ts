import type { ObjectStore } from '../storage/index.ts';
import { discardDataFiles, type TableFolder } from './data-files.ts';
import { deltaError } from './delta-errors.ts';
import type { DeltaEngine, SqlValue } from './duckdb/engine.ts';
import type { WrittenCheckpoint } from './log/checkpoint.ts';
import { loadSnapshot } from './log/log.ts';
import { areWritten, txnIds } from './log/txns.ts';
import { type CompactionRule, planCompaction, summaryOfPlan } from './maintenance/compaction-plan.ts';
import { type CleanedLog, cleanLog, type LogCleanupOptions } from './maintenance/log-cleanup.ts';
import { type Exclusive, type Optimized, type OptimizeOptions, optimizeTable } from './maintenance/optimize.ts';
import { type Vacuumed, type VacuumOptions, vacuumTable } from './maintenance/vacuum.ts';
import { mergeBlock } from './merge/merge-commit.ts';
import { withScan } from './read/scan.ts';
import { copyToParquet, type ReadOptions, readPages, selectSql, type TableRow } from './read/table-rows.ts';
import { NO_FILES } from './rows/parquet-copy.ts';
import type { RowBlock } from './rows/row-block.ts';
import { addMissingColumns } from './schema/add-columns.ts';
import { identifier, type SchemaField } from './schema/column-type.ts';
import { checkSpec } from './schema/schema.ts';
import type { SchemaDifference } from './schema/schema-fit.ts';
import { type ProtocolUpgrade, planUpgrade, upgradeTable } from './schema/upgrade.ts';
import { summaryOf } from './summary.ts';
import type {
  Appended,
  AppendOptions,
  DedupeRule,
  Merged,
  MergeOptions,
  OpenOptions,
  OptimizePlan,
  Skipped,
  TableSummary,
} from './table-contract.ts';
import { TableState } from './table-state.ts';
import { breakOrder, commitBlock, type WrittenBlock, writeBlock } from './write/append-commit.ts';
import { createTable } from './write/create-table.ts';
import { RecentValues } from './write/recent-values.ts';
import { commitUnique } from './write/unique-append.ts';
import { WriteQueue } from './write/write-queue.ts';

/** One Delta table, opened. Methods may be called at once; commits are made in the order of the calls. */
export class DeltaTable {
  readonly #state: TableState;
  readonly #queue = new WriteQueue();
  /** Columns that were added when it was opened. */
  readonly addedColumns: readonly string[];
  /** One for each rule that it was given. */
  readonly #recent: RecentValues[] = [];

  private constructor(state: TableState, addedColumns: readonly string[] = []) {
    this.#state = state;
    this.addedColumns = addedColumns;
  }

  /**
   * Opens the table at `path` of the store. Throws `PH_DELTA_ABSENT` where there is none and `create` is not given,
   * `PH_DELTA_FOLDER_TAKEN` where files but no log are, `PH_DELTA_PROTOCOL` naming features that we do not honour, and
   * `PH_DELTA_SCHEMA` naming the columns in which the live table cannot take the rows of `create`. Never writes over anything.
   */
  static async open(engine: DeltaEngine, store: ObjectStore, path: string, options: OpenOptions = {}): Promise<DeltaTable> {
    const folder: TableFolder = { store, path };
    const { create, addColumns = false } = options;
    if (create !== undefined) checkSpec(create);
    const snapshot = (await loadSnapshot(engine, folder)) ?? (create === undefined ? null : await createTable(engine, folder, create));
    if (snapshot === null) throw deltaError('PH_DELTA_ABSENT', path, `there is no Delta table at ${store.uri}/${path}`);
    const added = create !== undefined && addColumns ? await addMissingColumns(folder, snapshot, create) : [];
    return new DeltaTable(new TableState(engine, folder, snapshot, create), added);
  }

  /**
   * Opens the table as it was at a version, to read it. Throws `PH_DELTA_VERSION` where the log does not hold the version
   * yet, or not any more.
   */
  static async openVersion(engine: DeltaEngine, store: ObjectStore, path: string, version: number): Promise<DeltaTable> {
    const folder: TableFolder = { store, path };
    const snapshot = await loadSnapshot(engine, folder, version);
    if (snapshot === null) throw deltaError('PH_DELTA_ABSENT', path, `there is no Delta table at ${store.uri}/${path}`);
    return new DeltaTable(new TableState(engine, folder, snapshot, undefined));
  }

  /** The version that this object knows; {@link refresh} looks for newer ones. */
  get version(): number {
    return this.#state.snapshot.version;
  }
  get columns(): readonly SchemaField[] {
    return this.#state.shape.fields;
  }
  get partitionBy(): readonly string[] {
    return this.#state.shape.partitionBy;
  }
  /**
   * In what the live table is another than its definition, as of {@link version}: empty without one. The same object until
   * its metadata changes.
   */
  get differences(): readonly SchemaDifference[] {
    return this.#state.shape.differences;
  }
  /** Why the last checkpoint in the background failed; null if it did not. The table is right without it, only slower to open. */
  get checkpointFailure(): unknown {
    return this.#state.checkpointFailure;
  }

  /** The last offset that was committed for a writer, as of {@link version}. */
  lastTxn(appId: string): bigint | null {
    return this.#state.snapshot.txns.get(appId)?.version ?? null;
  }

  /** Reads what others have committed; returns the newest version. Throws `PH_DELTA_GONE` where the folder is not in its place. */
  async refresh(): Promise<number> {
    await this.#queue.exclusive(() => this.#state.advance());
    return this.version;
  }

  /**
   * Appends the rows with their txns in one commit. Throws {@link RowConversionError} with every row that the table
   * refuses, {@link TxnConflictError} if some of the txns are in the table already or were written by another process
   * meanwhile: in both cases nothing is written, and the rest of the block may be appended without them. `PH_DELTA_CONFLICT`
   * says that another writer changed the table's schema: append again. `PH_DELTA_GONE` says that the table's folder is not in
   * its place: nothing is made there, and the same append goes through once it is back. A block of {@link stage} is committed
   * as it is, or its files are deleted.
   *
   * With `dedupe` a value is in the table once within its window, whoever wrote it first, as long as all who append to the
   * table say so.
   */
  async append(block: RowBlock | WrittenBlock, options: AppendOptions = {}): Promise<Appended | Skipped> {
    const state = this.#state;
    const txns = options.txns ?? [];
    if ('ndjson' in block && areWritten(state.snapshot, txns)) return { skipped: true, version: this.version };
    const recent = options.dedupe === undefined ? null : this.#recentValues(options.dedupe);
    return await this.#queue
      .run(
        txnIds(txns),
        async () => ('ndjson' in block ? await writeBlock(state, block) : block),
        (written) => (recent === null ? commitBlock(state, written, options) : commitUnique(state, recent, written, options)),
        (written) => breakOrder(state, written),
      )
      .catch((error: unknown) => state.explain(error));
  }

  /**
   * Writes a block's data files, for an {@link append} or a {@link discard} later: whoever does so while an earlier append is on
   * its way keeps two cores busy. Throws as append does.
   */
  async stage(block: RowBlock): Promise<WrittenBlock> {
    return await writeBlock(this.#state, block).catch((error: unknown) => this.#state.explain(error));
  }

  /** Deletes the files of a staged block that is not to be appended after all. What cannot be deleted is left to {@link vacuum}. */
  async discard(staged: WrittenBlock): Promise<void> {
    await discardDataFiles(this.#state.folder, staged.adds);
  }

  /**
   * Inserts the rows whose key is new and updates the others, by the columns' policies, with the txns in one commit.
   * Several rows of one key give what they would give one after the other, by `updateWhen` too. Throws as {@link append}
   * does, with `PH_DELTA_NULL_KEY` for rows without a key.
   */
  async merge(block: RowBlock, options: MergeOptions): Promise<Merged | Skipped> {
    const state = this.#state;
    const txns = options.txns ?? [];
    return await this.#queue
      .run(
        txnIds(txns),
        async () => NO_FILES,
        () => mergeBlock(state, block, options, txns),
        (none) => breakOrder(state, none),
      )
      .catch((error: unknown) => state.explain(error));
  }

  /** Writes a checkpoint of the present version. Appends and merges do so by themselves now and then, in the background. */
  async checkpoint(): Promise<WrittenCheckpoint> {
    return await this.#queue.exclusive(() => this.#state.checkpoint());
  }

  /** Whether no checkpoint is near {@link version}, because those in the background failed or other writers make none. */
  async isCheckpointOverdue(): Promise<boolean> {
    return await this.#state.isCheckpointOverdue();
  }

  /** What {@link optimize} would put together at {@link version}. */
  planOptimize(rule: CompactionRule = {}): OptimizePlan {
    return summaryOfPlan(planCompaction(this.#state.snapshot.files.values(), this.#state.shape.metaData, rule));
  }

  /**
   * Writes the rows of small files, and of files with many deleted rows, into fewer files, in one commit or several. Appends
   * and merges may go on. `PH_DELTA_CONFLICT` says that others changed the same files again and again meanwhile.
   */
  async optimize(options: OptimizeOptions = {}): Promise<Optimized> {
    const done = await optimizeTable(this.#state, this.#exclusive, options).catch((error: unknown) => this.#state.explain(error));
    if (done.commits > 0) await this.#state.engine.releaseMemory();
    return done;
  }

  /** What {@link upgrade} would change; null where there is nothing to do. */
  planUpgrade(): ProtocolUpgrade | null {
    this.#state.check('write');
    return planUpgrade(this.#state);
  }

  /** Raises the protocol so that merges mark replaced rows by deletion vectors. Others must know them to read the table. */
  async upgrade(): Promise<ProtocolUpgrade | null> {
    return await this.#queue.exclusive(() => upgradeTable(this.#state)).catch((error: unknown) => this.#state.explain(error));
  }

  /** Deletes files that the table does not need any more. Throws `PH_DELTA_RETENTION` for a retention below the table's. */
  async vacuum(options: VacuumOptions = {}): Promise<Vacuumed> {
    return await vacuumTable(this.#state, this.#exclusive, options);
  }

  /** Deletes versions of the log that are older than `delta.logRetentionDuration`. */
  async cleanLog(options: LogCleanupOptions = {}): Promise<CleanedLog> {
    return await cleanLog(this.#state, this.#exclusive, options);
  }

  /** The table at {@link version}, from the log alone. */
  summary(): TableSummary {
    return summaryOf(this.#state.snapshot, this.columns);
  }

  /** The rows of {@link version}, without an order. For tables that fit into memory. */
  async readRows(options: ReadOptions = {}): Promise<readonly TableRow[]> {
    const rows: TableRow[] = [];
    await this.readPages(options, (page) => {
      for (const row of page) rows.push(row);
    });
    return rows;
  }

  /** Hands over the rows of {@link version} a page at a time; holds one page, however many there are. */
  async readPages(options: ReadOptions, use: (rows: readonly TableRow[]) => void | Promise<void>): Promise<void> {
    const fields = this.#fields(options);
    const { engine } = this.#state;
    await this.#scan((relation) =>
      engine.withConnection((connection) => readPages(connection, fields, selectSql(relation, fields, options.limit), use)),
    );
  }

  /** Writes the rows of {@link version} into one Parquet file of this machine, over one that is there. */
  async writeParquet(options: ReadOptions, file: string): Promise<void> {
    const fields = this.#fields(options);
    const { engine } = this.#state;
    await this.#scan((relation) =>
      engine.withConnection((connection) => copyToParquet(connection, selectSql(relation, fields, options.limit), file)),
    );
  }

  /** Counts the rows of {@link version}, from the data files; `where` is SQL over the columns. */
  async count(where?: string): Promise<number> {
    const [[count] = []] = await this.query(
      (relation) => `SELECT count(*) FROM ${relation}${where === undefined ? '' : ` WHERE ${where}`}`,
    );
    return Number(count);
  }

  async countDistinct(column: string): Promise<number> {
    const [[count] = []] = await this.query(
      (relation) => `SELECT count(DISTINCT ${identifier(this.#field(column).name)}) FROM ${relation}`,
    );
    return Number(count);
  }

  /** Runs a SELECT over the table's rows; `sql` gets the relation's name. */
  async query(sql: (relation: string) => string): Promise<readonly (readonly SqlValue[])[]> {
    return await this.#scan((relation) => this.#state.engine.withConnection((connection) => connection.rows(sql(relation))));
  }

  /** Waits for what was begun, a checkpoint in the background included. The engine stays open. */
  async close(): Promise<void> {
    await this.#queue.idle();
    await this.#state.settle();
    for (const recent of this.#recent.splice(0)) await recent.close();
  }

  readonly #exclusive: Exclusive = (work) => this.#queue.exclusive(work);

  #recentValues(rule: DedupeRule): RecentValues {
    const known = this.#recent.find((one) => one.rule.column === rule.column && one.rule.window === rule.window);
    if (known !== undefined) return known;
    const { engine, folder } = this.#state;
    const recent = new RecentValues(engine, folder, rule);
    this.#recent.push(recent);
    return recent;
  }

  #scan<T>(use: (relation: string) => Promise<T>): Promise<T> {
    const { engine, folder, snapshot } = this.#state;
    return withScan(engine, folder, [...snapshot.files.values()], this.columns, this.partitionBy, use);
  }

  #fields({ columns }: ReadOptions): readonly SchemaField[] {
    return columns === undefined ? this.columns : columns.map((name) => this.#field(name));
  }

  #field(name: string): SchemaField {
    const field = this.columns.find((one) => one.name === name);
    const { path } = this.#state.folder;
    if (field === undefined) throw deltaError('PH_DELTA_SCHEMA', path, `the table ${path} has no column ${name}`);
    return field;
  }
}
