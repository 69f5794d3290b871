import { errorMessage } from '@pipeline-host/sdk';
import { objectPath, type TableFolder } from '../data-files.ts';
import { withDeletedRows } from '../deletion-vectors/deleted-rows.ts';
import { deltaError } from '../delta-errors.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import { withLocalFiles } from '../duckdb/local-files.ts';
import { type AddFile, isAbsolutePath } from '../log/actions.ts';
import { duckType, identifier, literal, type SchemaField } from '../schema/column-type.ts';

/** The column of a scan that holds the index of the row's file in the scanned list. */
export const FILE_INDEX = '__ph_file';
/** The column of a scan that holds the row's position in its file, from 0; see {@link hasPositions}. */
export const FILE_POSITION = '__ph_position';
const FILE_NAME = '__ph_filename';
/** DuckDB's name for the position, which a column of the table would hide. */
const DUCK_POSITION = 'file_row_number';

/** Whether a scan of such a table knows the positions of rows. */
export function hasPositions(fields: readonly SchemaField[]): boolean {
  return !fields.some((field) => field.name.toLowerCase() === DUCK_POSITION);
}

/**
 * Runs `use` with SQL of a relation that holds the rows of the files in the table's types, without those that deletion
 * vectors take out: columns that a file lacks are null, partition columns come from the log and never from folder names.
 */
export async function withScan<T>(
  engine: DeltaEngine,
  table: TableFolder,
  files: readonly AddFile[],
  fields: readonly SchemaField[],
  partitionBy: readonly string[],
  use: (relation: string) => Promise<T>,
): Promise<T> {
  for (const file of files) {
    if (isAbsolutePath(file.path)) throw unreadable(table, 'absolute file paths');
    if (file.deletionVector !== undefined && !hasPositions(fields))
      throw unreadable(table, `deletion vectors beside a column named ${DUCK_POSITION}`);
  }
  if (['filename', 'file_index'].every((name) => fields.some((field) => field.name === name)))
    throw unreadable(table, 'columns named filename and file_index together');
  const paths = files.map((file) => objectPath(table, file));
  try {
    return await withDeletedRows(engine, table, files, (deleted) =>
      withLocalFiles(engine, table.store, paths, (local) => use(scanSql(local, files, fields, partitionBy, deleted))),
    );
  } catch (error) {
    const missing = /No files found that match the pattern "([^"]*)"/.exec(errorMessage(error))?.[1];
    if (missing === undefined) throw error;
    throw deltaError('PH_DELTA_FILE_MISSING', table.path, `the data file ${missing} of table ${table.path} is gone`, { cause: error });
  }
}

function unreadable(table: TableFolder, reason: string) {
  return deltaError('PH_DELTA_PROTOCOL', table.path, `the table ${table.path} cannot be read: it uses ${reason}`);
}

/** `deleted`: a relation of `file` and `position`, or null. */
function scanSql(
  local: readonly string[],
  files: readonly AddFile[],
  fields: readonly SchemaField[],
  partitionBy: readonly string[],
  deleted: string | null,
): string {
  const partitions = new Set(partitionBy);
  const stored = fields.filter((field) => !partitions.has(field.name));
  const positions = hasPositions(fields);
  // The empty first half gives every column a type where no file has it.
  // Predicates on a column called `filename` would be taken for predicates on the path, if the path were asked for.
  const byIndex = stored.some(({ name }) => name === 'filename');
  const typed = [
    `NULL::${byIndex ? 'UBIGINT' : 'VARCHAR'} AS ${FILE_NAME}`,
    ...stored.map((field) => `NULL::${duckType(field.type)} AS ${identifier(field.name)}`),
  ];
  if (positions) typed.push(`NULL::BIGINT AS ${FILE_POSITION}`);
  const read = `read_parquet([${local.map((file) => literal(globEscaped(file))).join(', ')}]${byIndex ? '' : `, filename = '${FILE_NAME}'`}, union_by_name = true, hive_partitioning = false)`;
  const parquet = `SELECT *${byIndex ? `, file_index AS ${FILE_NAME}` : ''}${positions ? `, ${DUCK_POSITION} AS ${FILE_POSITION}` : ''} FROM ${read}`;
  const empty = `SELECT ${typed.join(', ')} WHERE false`;
  const rows = local.length === 0 ? empty : `${empty} UNION ALL BY NAME ${parquet}`;
  const columns = fields.map(
    (field) =>
      `CAST(${partitions.has(field.name) ? 'p' : 't'}.${identifier(field.name)} AS ${duckType(field.type)}) AS ${identifier(field.name)}`,
  );
  if (positions) columns.unshift(`t.${FILE_POSITION}`);
  const live = deleted === null ? '' : ` ANTI JOIN ${deleted} d ON d.file = p.${FILE_INDEX} AND d.position = t.${FILE_POSITION}`;
  return `(SELECT p.${FILE_INDEX}, ${columns.join(', ')} FROM (${rows}) t JOIN ${fileTable(local, files, partitionBy)} ON t.${FILE_NAME} = p.${byIndex ? FILE_INDEX : FILE_NAME}${live})`;
}

function fileTable(local: readonly string[], files: readonly AddFile[], partitionBy: readonly string[]): string {
  const names = [FILE_NAME, FILE_INDEX, ...partitionBy.map(identifier)].join(', ');
  const rows = local.map((file, index) => {
    const values = partitionBy.map((column) => {
      const value = files[index]?.partitionValues[column];
      return value === undefined || value === null || value === '' ? 'NULL' : literal(value);
    });
    return `(${[literal(file), index, ...values].join(', ')})`;
  });
  const empty = `(${['NULL', 'NULL', ...partitionBy.map(() => 'NULL')].join(', ')})`;
  return `(SELECT * FROM (VALUES ${rows.length === 0 ? empty : rows.join(', ')}) v(${names})) p`;
}

/** read_parquet takes *, ? and [ for patterns. */
function globEscaped(file: string): string {
  return file.replace(/[*?[]/g, (character) => `[${character}]`);
}
