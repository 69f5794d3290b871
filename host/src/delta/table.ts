import { isPipelineError } from '@pipeline-host/sdk';
import type { ObjectStore } from '../storage/index.ts';
import type { Action, MetaData, Protocol } from './actions.ts';
import { isCheckpointDue, type WrittenCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { identifier, type SchemaField } from './column-type.ts';
import { type CommitRequest, type Committed, commitActions } from './commit.ts';
import { createTable } from './create-table.ts';
import { discardDataFiles, NO_FILES, type TableFolder, type WrittenFiles, writeDataFiles } from './data-files.ts';
import { CommitConflictError, deltaError, TxnConflictError } from './delta-errors.ts';
import type { DeltaEngine, SqlValue } from './engine.ts';
import { recordCount } from './file-pruning.ts';
import { advanceSnapshot, isOvertaken, loadSnapshot } from './log.ts';
import { computeMerge } from './merge.ts';
import { checkReadable, checkWritable, isAppendOnly, PLAIN_PROTOCOL } from './protocol.ts';
import { checkRowCount, type RowBlock, typedRows } from './row-block.ts';
import { blameRows } from './row-diagnosis.ts';
import { readTableRows, type TableRow, withScan } from './scan.ts';
import { checkLiveSchema, checkSpec, parseSchema, type TableSpec } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import type { Appended, Merged, MergeOptions, OpenOptions, Skipped, TableSummary, WriteOptions, WriteTxn } from './table-contract.ts';
import { WriteQueue } from './write-queue.ts';

const MERGE_ATTEMPTS = 20;
/** After so long without a look at the whole log, another process may have cleaned up versions that we have not seen. */
const OVERTAKEN_AFTER_MS = 10 * 60 * 1000;

/** What the rows of the table look like, by one protocol and metadata. */
interface TableShape {
  readonly protocol: Protocol | null;
  readonly metaData: MetaData | null;
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
}

interface WrittenBlock extends WrittenFiles {
  readonly shape: TableShape;
}

/** One Delta table, opened. Methods may be called at once; commits are made in the order of the calls. */
export class DeltaTable {
  readonly #engine: DeltaEngine;
  readonly #folder: TableFolder;
  readonly #spec: TableSpec | undefined;
  readonly #queue = new WriteQueue();
  #snapshot: Snapshot;
  #shape: TableShape = { protocol: null, metaData: null, fields: [], partitionBy: [] };
  #listedAt = Date.now();
  #checkpoint: Promise<unknown> = Promise.resolve();
  #checkpointFailure: unknown = null;

  private constructor(engine: DeltaEngine, folder: TableFolder, snapshot: Snapshot, spec: TableSpec | undefined) {
    this.#engine = engine;
    this.#folder = folder;
    this.#snapshot = snapshot;
    this.#spec = spec;
    this.#check(spec === undefined ? 'read' : 'write');
  }

  /**
   * Opens the table at `path` of the store. Throws `PH_DELTA_ABSENT` where there is none and `create` is not given,
   * `PH_DELTA_FOLDER_TAKEN` where files but no log are, `PH_DELTA_PROTOCOL` naming features that we do not honour, and
   * `PH_DELTA_SCHEMA` naming columns that the live table lacks. Never writes over anything.
   */
  static async open(engine: DeltaEngine, store: ObjectStore, path: string, options: OpenOptions = {}): Promise<DeltaTable> {
    const folder: TableFolder = { store, path };
    const { create } = options;
    if (create !== undefined) checkSpec(create);
    let snapshot = await loadSnapshot(engine, folder);
    if (snapshot === null) {
      if (create === undefined) throw deltaError('PH_DELTA_ABSENT', path, `there is no Delta table at ${store.uri}/${path}`);
      snapshot = await createTable(engine, folder, create);
    }
    return new DeltaTable(engine, folder, snapshot, create);
  }

  /** The version that this object knows; {@link refresh} looks for newer ones. */
  get version(): number {
    return this.#snapshot.version;
  }
  get columns(): readonly SchemaField[] {
    return this.#shape.fields;
  }
  get partitionBy(): readonly string[] {
    return this.#shape.partitionBy;
  }
  /** Why the last checkpoint in the background failed; null if it did not. The table is right without it, only slower to open. */
  get checkpointFailure(): unknown {
    return this.#checkpointFailure;
  }

  /** The last offset that was committed for a writer, as of {@link version}. */
  lastTxn(appId: string): bigint | null {
    return this.#snapshot.txns.get(appId)?.version ?? null;
  }

  /** Reads what others have committed; returns the newest version. */
  async refresh(): Promise<number> {
    await this.#queue.exclusive(() => this.#advance());
    return this.version;
  }

  /**
   * Appends the rows with their txns in one commit. Throws {@link RowConversionError} with every row that the table
   * refuses, {@link TxnConflictError} if some of the txns are in the table already or were written by another process
   * meanwhile: in both cases nothing is written, and the rest of the block may be appended without them.
   */
  async append(block: RowBlock, options: WriteOptions = {}): Promise<Appended | Skipped> {
    const txns = options.txns ?? [];
    if (this.#isWritten(txns)) return { skipped: true, version: this.version };
    const prepare = () => this.#writeBlock(block);
    return await this.#queue.run(
      txnIds(txns),
      prepare,
      (written) => this.#commitAppend(written, txns),
      (written) => this.#brokenOrder(written),
    );
  }

  /**
   * Inserts the rows whose key is new and updates the others, by the columns' policies, with the txns in one commit.
   * Throws as {@link append} does, with `PH_DELTA_NULL_KEY` for rows without a key.
   */
  async merge(block: RowBlock, options: MergeOptions): Promise<Merged | Skipped> {
    const txns = options.txns ?? [];
    const prepare = async () => {};
    return await this.#queue.run(
      txnIds(txns),
      prepare,
      () => this.#mergeWithRetries(block, options, txns),
      () => this.#brokenOrder(NO_FILES),
    );
  }

  /** Writes a checkpoint of the present version. Appends and merges do so by themselves now and then, in the background. */
  async checkpoint(): Promise<WrittenCheckpoint> {
    return await this.#queue.exclusive(() => writeCheckpoint(this.#engine, this.#folder, this.#snapshot));
  }

  /** The table at {@link version}, from the log alone. */
  summary(): TableSummary {
    const { files, protocol, txns, lastCommit, version } = this.#snapshot;
    const metaData = this.#metaData();
    let rows: number | null = 0;
    let bytes = 0;
    for (const file of files.values()) {
      const count = recordCount(file);
      rows = rows === null || count === null ? null : rows + count;
      bytes += file.size;
    }
    return {
      version,
      rows,
      files: files.size,
      bytes,
      schema: this.#shape.fields,
      partitionBy: this.partitionBy,
      protocol: protocol ?? PLAIN_PROTOCOL,
      properties: metaData.configuration ?? {},
      description: metaData.description ?? null,
      lastCommit,
      txns: [...txns.values()],
    };
  }

  /** The rows of {@link version}, exact: 64-bit numbers and decimals as text. Without an order. For tables that fit into memory. */
  async readRows(options: { readonly columns?: readonly string[]; readonly limit?: number } = {}): Promise<readonly TableRow[]> {
    const fields = options.columns === undefined ? this.#shape.fields : options.columns.map((name) => this.#field(name));
    const limit = options.limit === undefined ? '' : ` LIMIT ${Math.max(0, Math.trunc(options.limit))}`;
    const names = fields.map((field) => identifier(field.name)).join(', ');
    return await this.#scan((relation) =>
      this.#engine.withConnection((connection) => readTableRows(connection, fields, `SELECT ${names} FROM ${relation}${limit}`)),
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
    return await this.#scan((relation) => this.#engine.withConnection((connection) => connection.rows(sql(relation))));
  }

  /** Waits for what was begun, a checkpoint in the background included. The engine stays open. */
  async close(): Promise<void> {
    await this.#queue.idle();
    await this.#checkpoint;
  }

  async #writeBlock(block: RowBlock): Promise<WrittenBlock> {
    const shape = this.#check('write');
    const { fields, partitionBy } = shape;
    if (block.rows === 0) return { ...NO_FILES, shape };
    const written = await this.#engine.withConnection((connection) =>
      this.#engine.scratch.withFile(block.ndjson, async (file) => {
        try {
          const rows = await typedRows(connection, file, block, fields, false);
          const values = fields.map((field) => `${rows.value(field)} AS ${identifier(field.name)}`).join(', ');
          return await writeDataFiles(
            this.#engine,
            connection,
            this.#folder,
            fields,
            partitionBy,
            `SELECT ${values} FROM ${rows.relation}`,
          );
        } catch (failure) {
          if (isPipelineError(failure) && failure.code === 'PH_DELTA_ENGINE')
            return await blameRows(this.#engine.scratch, connection, this.#folder.path, block, fields, failure);
          throw failure;
        }
      }),
    );
    if (written.rows !== block.rows) await discardDataFiles(this.#folder, written.adds);
    checkRowCount(this.#folder.path, block, written.rows);
    return { ...written, shape };
  }

  async #commitAppend(written: WrittenBlock, txns: readonly WriteTxn[]): Promise<Appended | Skipped> {
    try {
      await this.#followIfOld();
      if (this.#isWritten(txns)) {
        await discardDataFiles(this.#folder, written.adds);
        return { skipped: true, version: this.version };
      }
      this.#refuseWrittenTxns(txns);
      // The files were written while another operation of this object may have met new metadata.
      if (this.#check('write') !== written.shape) throw new CommitConflictError(this.#folder.path, 'MetadataChanged', this.version);
      const committed = await this.#commit({
        actions: [...txnActions(txns), ...written.adds.map((add) => ({ add }))],
        operation: 'WRITE',
        operationParameters: { mode: 'Append', partitionBy: JSON.stringify(this.partitionBy) },
        operationMetrics: {
          numFiles: String(written.adds.length),
          numOutputRows: String(written.rows),
          numOutputBytes: String(written.bytes),
        },
        reads: 'nothing',
      });
      return { skipped: false, version: committed.version, rows: written.rows, files: written.adds.length, bytes: written.bytes };
    } catch (error) {
      if (isKnownLost(error)) await discardDataFiles(this.#folder, written.adds);
      throw error;
    }
  }

  async #mergeWithRetries(block: RowBlock, options: MergeOptions, txns: readonly WriteTxn[]): Promise<Merged | Skipped> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#advance();
      if (this.#isWritten(txns)) return { skipped: true, version: this.version };
      this.#refuseWrittenTxns(txns);
      try {
        return await this.#mergeOnce(block, options, txns);
      } catch (error) {
        const again = error instanceof CommitConflictError && error.rule !== 'TooManyRetries' && attempt < MERGE_ATTEMPTS;
        if (!again) throw error;
      }
    }
  }

  async #mergeOnce(block: RowBlock, options: MergeOptions, txns: readonly WriteTxn[]): Promise<Merged> {
    const { fields, partitionBy } = this.#check('write');
    if (isAppendOnly(this.#metaData()))
      throw deltaError('PH_DELTA_APPEND_ONLY', this.#folder.path, `the table ${this.#folder.path} is append-only: it takes no merge`);
    for (const name of [...options.key, ...Object.keys(options.policies ?? {})]) this.#field(name);
    const target = { ...this.#folder, fields, partitionBy, files: [...this.#snapshot.files.values()] };
    const plan = { key: options.key, policies: options.policies ?? {} };
    const outcome =
      block.rows === 0
        ? { actions: [], adds: [], inserted: 0, updated: 0 }
        : await this.#engine.withConnection((connection) => computeMerge(this.#engine, connection, target, block, plan));
    try {
      const { version } = await this.#commit({
        actions: [...txnActions(txns), ...outcome.actions],
        operation: 'MERGE',
        operationParameters: { predicate: options.key.map((name) => `t.${name} = s.${name}`).join(' AND ') },
        operationMetrics: {
          numTargetRowsInserted: String(outcome.inserted),
          numTargetRowsUpdated: String(outcome.updated),
          numSourceRows: String(block.rows),
        },
        reads: 'table',
      });
      return {
        skipped: false,
        version,
        inserted: outcome.inserted,
        updated: outcome.updated,
        bytes: outcome.adds.reduce((sum, add) => sum + add.size, 0),
      };
    } catch (error) {
      if (isKnownLost(error)) await discardDataFiles(this.#folder, outcome.adds);
      throw error;
    }
  }

  async #commit(request: CommitRequest): Promise<Committed> {
    const committed = await commitActions(this.#folder, this.#snapshot, request);
    if (isCheckpointDue(this.#snapshot)) this.#checkpointInBackground();
    return committed;
  }

  #checkpointInBackground(): void {
    const writing = writeCheckpoint(this.#engine, this.#folder, this.#snapshot);
    this.#checkpoint = Promise.all([this.#checkpoint, writing]).then(
      () => {
        this.#checkpointFailure = null;
      },
      (error: unknown) => {
        this.#checkpointFailure = error;
      },
    );
  }

  /** A predecessor with the same app ids failed: this one's offsets would cover rows that are not there. */
  async #brokenOrder(written: WrittenFiles): Promise<never> {
    await discardDataFiles(this.#folder, written.adds);
    throw deltaError('PH_DELTA_ORDER', this.#folder.path, `an earlier write to ${this.#folder.path} failed, so this one cannot follow it`);
  }

  async #advance(): Promise<void> {
    await advanceSnapshot(this.#folder, this.#snapshot);
    await this.#followIfOld();
    this.#check('read');
  }

  async #followIfOld(): Promise<void> {
    if (Date.now() - this.#listedAt < OVERTAKEN_AFTER_MS) return;
    if (await isOvertaken(this.#folder, this.#snapshot)) {
      const snapshot = await loadSnapshot(this.#engine, this.#folder);
      if (snapshot === null) throw deltaError('PH_DELTA_ABSENT', this.#folder.path, `the table ${this.#folder.path} is gone`);
      this.#snapshot = snapshot;
    }
    this.#listedAt = Date.now();
  }

  /** Holds the table against what we honour and against its definition, again whenever its metadata changed. */
  #check(purpose: 'read' | 'write'): TableShape {
    const { protocol } = this.#snapshot;
    const metaData = this.#metaData();
    if (protocol === null) throw deltaError('PH_DELTA_LOG_DAMAGED', this.#folder.path, `the log of ${this.#folder.path} holds no protocol`);
    if (this.#shape.protocol !== protocol || this.#shape.metaData !== metaData) {
      checkReadable(this.#folder.path, protocol, metaData);
      const fields = parseSchema(this.#folder.path, metaData.schemaString);
      if (this.#spec !== undefined) checkLiveSchema(this.#folder.path, fields, this.#spec);
      this.#shape = { protocol, metaData, fields, partitionBy: metaData.partitionColumns };
    }
    if (purpose === 'write') checkWritable(this.#folder.path, protocol, metaData, this.#shape.fields);
    return this.#shape;
  }

  #refuseWrittenTxns(txns: readonly WriteTxn[]): void {
    const written = txns.filter((txn) => this.#isTxnWritten(txn));
    if (written.length > 0) throw new TxnConflictError(this.#folder.path, txnIds(written));
  }

  #isWritten(txns: readonly WriteTxn[]): boolean {
    return txns.length > 0 && txns.every((txn) => this.#isTxnWritten(txn));
  }

  #isTxnWritten(txn: WriteTxn): boolean {
    const last = this.lastTxn(txn.appId);
    return last !== null && last >= txn.version;
  }

  #scan<T>(use: (relation: string) => Promise<T>): Promise<T> {
    return withScan(this.#engine, this.#folder, [...this.#snapshot.files.values()], this.#shape.fields, this.partitionBy, use);
  }

  #field(name: string): SchemaField {
    const field = this.#shape.fields.find((one) => one.name === name);
    if (field === undefined) throw deltaError('PH_DELTA_SCHEMA', this.#folder.path, `the table ${this.#folder.path} has no column ${name}`);
    return field;
  }

  #metaData(): MetaData {
    const { metaData } = this.#snapshot;
    if (metaData === null) throw deltaError('PH_DELTA_LOG_DAMAGED', this.#folder.path, `the log of ${this.#folder.path} holds no metadata`);
    return metaData;
  }
}

/** Only then may the files of a failed commit be deleted. */
function isKnownLost(error: unknown): boolean {
  return error instanceof CommitConflictError || error instanceof TxnConflictError;
}

function txnIds(txns: readonly WriteTxn[]): readonly string[] {
  return txns.map((txn) => txn.appId);
}

function txnActions(txns: readonly WriteTxn[]): readonly Action[] {
  const lastUpdated = Date.now();
  return txns.map(({ appId, version }) => ({ txn: { appId, version, lastUpdated } }));
}
