import { discardDataFiles, writeDataFiles } from '../data-files.ts';
import { CommitConflictError, deltaError, isKnownLost } from '../delta-errors.ts';
import { areWritten, refuseWrittenTxns } from '../log/txns.ts';
import { withScan } from '../read/scan.ts';
import { NO_FILES } from '../rows/parquet-copy.ts';
import { checkRowCount } from '../rows/row-block.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';
import type { Appended, Skipped, WriteOptions } from '../table-contract.ts';
import type { TableState } from '../table-state.ts';
import { appendRequest, type WrittenBlock } from './append-commit.ts';
import type { RecentValues } from './recent-values.ts';

/** Other writers may be faster so often. Each time only what they wrote is looked at. */
const ATTEMPTS = 50;

/**
 * The second half of an append that leaves out rows whose value was written within the window. It is committed only on top
 * of a version whose values were looked at, so that of several writers with one value one row stays. The block's files are
 * written anew only where they hold a repeated value, which is rare: after a crash, when outputs are sent again.
 */
export async function commitUnique(
  state: TableState,
  recent: RecentValues,
  block: WrittenBlock,
  options: WriteOptions,
): Promise<Appended | Skipped> {
  const { folder } = state;
  let written = block;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await state.advance();
      if (areWritten(state.snapshot, options.txns)) {
        await discardDataFiles(folder, written.adds);
        return { skipped: true, version: state.snapshot.version };
      }
      refuseWrittenTxns(folder.path, state.snapshot, options);
      if (state.check('write') !== block.shape) throw new CommitConflictError(folder.path, 'MetadataChanged', state.snapshot.version);
      written = await withoutRepeated(state, recent, written);
      const { version } = await state.commit(appendRequest(written, options, 'added'));
      const { rows, adds, bytes } = written;
      return { skipped: false, version, rows, repeated: block.rows - rows, files: adds.length, bytes };
    } catch (error) {
      if (error instanceof CommitConflictError && error.rule === 'ConcurrentAppend' && attempt < ATTEMPTS) continue;
      if (isKnownLost(error)) await discardDataFiles(folder, written.adds);
      throw error;
    }
  }
}

/** The files of the block as they are, or new ones without the rows that repeat a value. */
async function withoutRepeated(state: TableState, recent: RecentValues, written: WrittenBlock): Promise<WrittenBlock> {
  const { engine, folder, snapshot } = state;
  const { shape, adds } = written;
  const { fields, partitionBy, statisticsColumns } = shape;
  const field = ruledField(state, fields, recent.rule.column);
  return await engine.withConnection((connection) =>
    withScan(engine, folder, adds, fields, partitionBy, async (relation) => {
      await recent.follow(connection, snapshot, field, partitionBy);
      const { rows, isKept } = await recent.repetition(connection, relation, field);
      if (rows === 0) return written;
      const select = `SELECT ${fields.map(({ name }) => identifier(name)).join(', ')} FROM ${relation} QUALIFY ${isKept}`;
      const kept =
        rows === written.rows
          ? NO_FILES
          : await writeDataFiles(engine, connection, folder, { fields, partitionBy, statisticsColumns, select });
      if (kept.rows !== written.rows - rows) await discardDataFiles(folder, kept.adds);
      checkRowCount(folder.path, { rows: written.rows - rows }, kept.rows);
      await discardDataFiles(folder, adds);
      return { ...kept, shape };
    }),
  );
}

function ruledField(state: TableState, fields: readonly SchemaField[], column: string): SchemaField {
  // Names are compared without case, and a live table may write one otherwise than its definition.
  const field = fields.find(({ name }) => name.toLowerCase() === column.toLowerCase());
  const { path } = state.folder;
  if (field === undefined) throw deltaError('PH_DELTA_SCHEMA', path, `the table ${path} has no column ${column}`);
  return field;
}
