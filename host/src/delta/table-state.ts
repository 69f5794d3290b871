import type { TableFolder } from './data-files.ts';
import { deltaError, TableGoneError } from './delta-errors.ts';
import type { DeltaEngine } from './duckdb/engine.ts';
import type { MetaData, Protocol } from './log/actions.ts';
import { checkpointInterval, isCheckpointDue, type WrittenCheckpoint, writeCheckpoint } from './log/checkpoint.ts';
import { type CommitRequest, type Committed, commitActions } from './log/commit.ts';
import { advanceSnapshot, findVersion, isOvertaken, listLog, loadSnapshot } from './log/log.ts';
import { checkReadable, checkWritable } from './log/protocol.ts';
import type { Snapshot } from './log/snapshot.ts';
import { PartitionProbe } from './rows/partition-probe.ts';
import { statisticsColumns } from './rows/statistics-columns.ts';
import type { SchemaField } from './schema/column-type.ts';
import type { TableSpec } from './schema/schema.ts';
import { fitSchema, liveTable, type SchemaDifference } from './schema/schema-fit.ts';
import { checkWritableColumns } from './schema/table-columns.ts';

/** After so long without a look at the whole log, another process may have cleaned up versions that we have not seen. */
const OVERTAKEN_AFTER_MS = 10 * 60 * 1000;

/** What the rows of the table look like, by one protocol and metadata. The same object as long as both stay. */
export interface TableShape {
  readonly protocol: Protocol;
  readonly metaData: MetaData;
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  /** The definition's name of a column, where it is another. */
  readonly givenNames: ReadonlyMap<string, string>;
  readonly differences: readonly SchemaDifference[];
  readonly statisticsColumns: ReadonlySet<string>;
}

/** A table at the newest version that this process knows. Whoever changes it sees to it that nobody else does so at the time. */
export class TableState {
  readonly engine: DeltaEngine;
  readonly folder: TableFolder;
  readonly partitionProbe = new PartitionProbe();
  readonly #spec: TableSpec | undefined;
  #snapshot: Snapshot;
  #shape: TableShape;
  #listedAt = Date.now();
  #checkpoint: Promise<unknown> = Promise.resolve();
  #checkpointFailure: unknown = null;

  constructor(engine: DeltaEngine, folder: TableFolder, snapshot: Snapshot, spec: TableSpec | undefined) {
    this.engine = engine;
    this.folder = folder;
    this.#snapshot = snapshot;
    this.#spec = spec;
    this.#shape = shapeOf(folder.path, snapshot, spec);
    if (spec !== undefined) this.check('write rows');
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }
  get shape(): TableShape {
    return this.#shape;
  }
  get checkpointFailure(): unknown {
    return this.#checkpointFailure;
  }

  /** Holds the table against what we honour and against its definition, again whenever its metadata changed. */
  check(purpose: 'read' | 'write' | 'write rows'): TableShape {
    const { protocol, metaData } = this.#snapshot;
    if (this.#shape.protocol !== protocol || this.#shape.metaData !== metaData)
      this.#shape = shapeOf(this.folder.path, this.#snapshot, this.#spec);
    const { path } = this.folder;
    if (purpose !== 'read') checkWritable(path, this.#shape.protocol, this.#shape.metaData, this.#shape.fields);
    if (purpose === 'write rows') checkWritableColumns(path, this.#shape.fields, this.#shape.partitionBy);
    return this.#shape;
  }

  /** Applies what others have committed. Throws {@link TableGoneError}. */
  async advance(): Promise<void> {
    if (!(await advanceSnapshot(this.folder, this.#snapshot))) await this.checkPresent();
    await this.followIfOld();
    this.check('read');
  }

  /** Throws {@link TableGoneError} where the log is not in its place any more. */
  async checkPresent(cause?: unknown): Promise<void> {
    const found = await findVersion(this.folder, this.#snapshot.version);
    if (found === 'gone') throw new TableGoneError(this.folder.path, cause === undefined ? {} : { cause });
    if (found === 'overtaken') this.#listedAt = Number.NEGATIVE_INFINITY;
  }

  /** Rethrows a failed operation's error, or the reason behind it: that the table is gone. */
  async explain(error: unknown): Promise<never> {
    if (error instanceof TableGoneError) throw error;
    const gone = await this.checkPresent(error).catch((reason: unknown) => reason);
    throw gone instanceof TableGoneError ? gone : error;
  }

  /** Makes sure, after a long rest, that the next version is really the next: the log may have been cleaned up behind us. */
  async followIfOld(): Promise<void> {
    if (Date.now() - this.#listedAt < OVERTAKEN_AFTER_MS) return;
    if (await isOvertaken(this.folder, this.#snapshot)) {
      const snapshot = await loadSnapshot(this.engine, this.folder);
      if (snapshot === null) throw new TableGoneError(this.folder.path);
      this.#snapshot = snapshot;
    }
    this.#listedAt = Date.now();
  }

  /** Commits on top of the newest version, and starts a checkpoint where one is due. */
  async commit(request: CommitRequest): Promise<Committed> {
    const committed = await commitActions(this.folder, this.#snapshot, request);
    if (isCheckpointDue(this.#snapshot)) this.#checkpointInBackground();
    return committed;
  }

  checkpoint(): Promise<WrittenCheckpoint> {
    this.check('write'); // a checkpoint without the columns of a feature that we do not know would drop what it keeps
    return writeCheckpoint(this.engine, this.folder, this.#snapshot);
  }

  /** Whether the writers' checkpoints did not come about: the log has gone on for twice as long as they write one. */
  async isCheckpointOverdue(): Promise<boolean> {
    const { checkpoints } = await listLog(this.folder);
    return this.#snapshot.version - Math.max(0, ...checkpoints.keys()) >= 2 * checkpointInterval(this.#snapshot);
  }

  /** Waits for the checkpoint in the background. */
  async settle(): Promise<void> {
    await this.#checkpoint;
  }

  #checkpointInBackground(): void {
    this.#checkpoint = Promise.all([this.#checkpoint, this.checkpoint()]).then(
      () => {
        this.#checkpointFailure = null;
      },
      (error: unknown) => {
        this.#checkpointFailure = error;
      },
    );
  }
}

/** Of a table without a definition. */
const AS_IT_IS: Pick<TableShape, 'givenNames' | 'differences'> = { givenNames: new Map(), differences: [] };

/** What the newest protocol and metadata make of a table, held against its definition. Throws `PH_DELTA_PROTOCOL` and `PH_DELTA_SCHEMA`. */
function shapeOf(table: string, snapshot: Snapshot, spec: TableSpec | undefined): TableShape {
  const { protocol, metaData } = snapshot;
  if (protocol === null || metaData === null)
    throw deltaError('PH_DELTA_LOG_DAMAGED', table, `the log of ${table} holds no protocol or no metadata`);
  checkReadable(table, protocol, metaData);
  const live = liveTable(table, protocol, metaData);
  const { givenNames, differences } = spec === undefined ? AS_IT_IS : fitSchema(table, live, spec);
  const { fields, partitionBy } = live;
  return { protocol, metaData, fields, partitionBy, statisticsColumns: statisticsColumns(metaData, fields), givenNames, differences };
}
