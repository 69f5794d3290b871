import { discardDataFiles, writeDataFiles } from '../data-files.ts';
import { CommitConflictError, deltaError, isKnownLost } from '../delta-errors.ts';
import type { CommitRequest } from '../log/commit.ts';
import { areWritten, readIds, refuseWrittenTxns, txnActions } from '../log/txns.ts';
import { NO_FILES, type WrittenFiles } from '../rows/parquet-copy.ts';
import { checkRowCount, type RowBlock, type TableBlock, typedRows } from '../rows/row-block.ts';
import { blameRows } from '../rows/row-diagnosis.ts';
import { identifier } from '../schema/column-type.ts';
import type { Appended, Skipped, WriteOptions } from '../table-contract.ts';
import type { TableShape, TableState } from '../table-state.ts';

/** Data files of a block, in the shape that the table had when they were written. */
export interface WrittenBlock extends WrittenFiles {
  readonly shape: TableShape;
}

/** The first half of an append: the block as data files. Several may run at once. */
export async function writeBlock(state: TableState, given: RowBlock): Promise<WrittenBlock> {
  const { engine, folder } = state;
  const shape = state.check('write rows');
  const { fields, partitionBy, statisticsColumns, givenNames } = shape;
  const block: TableBlock = { ...given, givenNames, partitionBy };
  if (block.rows === 0) return { ...NO_FILES, shape };
  await state.checkPresent(); // before DuckDB makes folders
  const written = await engine.withConnection((connection) =>
    engine.scratch.withFile(block.ndjson, async (file) => {
      try {
        const rows = typedRows(file, block, fields, false);
        const values = fields.map((field) => `${rows.value(field)} AS ${identifier(field.name)}`).join(', ');
        const select = `SELECT ${values} FROM ${rows.relation}`;
        const partition = await state.partitionProbe.find(connection, block, shape);
        const files = await writeDataFiles(engine, connection, folder, { fields, partitionBy, statisticsColumns, select, partition });
        if (partition !== null && files.adds.length > 1) state.partitionProbe.wrong();
        return files;
      } catch (failure) {
        return await blameRows(engine.scratch, connection, folder.path, block, fields, failure);
      }
    }),
  );
  if (written.rows !== block.rows) await discardDataFiles(folder, written.adds);
  checkRowCount(folder.path, block, written.rows);
  return { ...written, shape };
}

/** The second half: the commit, one at a time and in order. */
export async function commitBlock(state: TableState, written: WrittenBlock, options: WriteOptions): Promise<Appended | Skipped> {
  const { folder } = state;
  try {
    await state.followIfOld();
    if (areWritten(state.snapshot, options.txns)) {
      await discardDataFiles(folder, written.adds);
      return { skipped: true, version: state.snapshot.version };
    }
    refuseWrittenTxns(folder.path, state.snapshot, options);
    // The files were written while another operation of this object may have met new metadata.
    if (state.check('write') !== written.shape) throw new CommitConflictError(folder.path, 'MetadataChanged', state.snapshot.version);
    const { version } = await state.commit(appendRequest(written, options, 'nothing'));
    return { skipped: false, version, rows: written.rows, repeated: 0, files: written.adds.length, bytes: written.bytes };
  } catch (error) {
    if (isKnownLost(error)) await discardDataFiles(folder, written.adds);
    throw error;
  }
}

/** The commit of an append's files and txns. */
export function appendRequest(written: WrittenBlock, options: WriteOptions, reads: 'nothing' | 'added'): CommitRequest {
  return {
    actions: [...txnActions(options.txns), ...written.adds.map((add) => ({ add }))],
    operation: 'WRITE',
    operationParameters: { mode: 'Append', partitionBy: JSON.stringify(written.shape.partitionBy) },
    operationMetrics: {
      numFiles: String(written.adds.length),
      numOutputRows: String(written.rows),
      numOutputBytes: String(written.bytes),
    },
    reads,
    readTxns: readIds(options),
  };
}

/** Instead of the second half where a predecessor with the same app ids failed: our offsets would cover rows that are not there. */
export async function breakOrder(state: TableState, written: WrittenFiles): Promise<never> {
  await discardDataFiles(state.folder, written.adds);
  throw deltaError('PH_DELTA_ORDER', state.folder.path, `an earlier write to ${state.folder.path} failed, so this one cannot follow it`);
}
