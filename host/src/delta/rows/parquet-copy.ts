import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage } from '@pipeline-host/sdk';
import { storageError } from '../../storage/index.ts';
import { type SqlConnection, type SqlValue, sqlText } from '../duckdb/engine.ts';
import { type AddFile, encodePath } from '../log/actions.ts';
import { duckType, identifier, literal, type SchemaField } from '../schema/column-type.ts';
import { encodePartitionValue, type Partition, partitionFolder } from './partition-value.ts';
import { mapEntries, statisticsText } from './statistics.ts';

/** Rows for data files: a SELECT whose columns are the table's in their exact types. */
export interface RowSource {
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  /** Whose bounds the log is to hold. */
  readonly statisticsColumns: ReadonlySet<string>;
  readonly select: string;
  /** The partition that probably all of them are in. */
  readonly partition?: Partition | null;
}

export interface WrittenFiles {
  readonly adds: readonly AddFile[];
  readonly rows: number;
  readonly bytes: number;
}

export const NO_FILES: WrittenFiles = { adds: [], rows: 0, bytes: 0 };

/**
 * zstd at level 1 is faster than snappy and 40 % smaller (measured on event rows). A dictionary that outgrows its limit is
 * thrown away: at DuckDB's 1 MB much of the text was hashed for nothing (2.4 against 2.7 µs for an event, the same bytes).
 */
const PARQUET_OPTIONS = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, STRING_DICTIONARY_PAGE_SIZE_LIMIT 65536, RETURN_STATS';

/**
 * Copies the rows into files below the folder. Where they are probably all in one partition, as one file that is written
 * as the rows come: `PARTITION_BY` keeps a copy of all of them first, 0.7 µs for an event of 1 KB.
 */
export async function copyRows(connection: SqlConnection, folder: string, source: RowSource): Promise<WrittenFiles> {
  const { partition = null } = source;
  if (partition !== null) {
    try {
      return addsOf(source, await copyIntoPartition(connection, folder, source, partition));
    } catch (error) {
      if (!errorMessage(error).includes(OTHER_PARTITION)) throw error;
    }
  }
  return addsOf(source, await copy(connection, folder, copyStatement(folder, source)));
}

/** A file as DuckDB tells of it. */
interface CopiedFile {
  /** Below the folder. */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly statistics: SqlValue | undefined;
  /** DuckDB's text of the partition columns' values. */
  readonly keys: ReadonlyMap<string, string | null>;
}

function copyStatement(folder: string, { fields, partitionBy, select }: RowSource): string {
  const columns = fields.map((field) => identifier(field.name)).join(', ');
  const source = `SELECT ${columns} FROM (${select})`;
  return partitionBy.length === 0
    ? `COPY (${source}) TO ${literal(join(folder, fileName()))} (${PARQUET_OPTIONS})`
    : `COPY (${source}) TO ${literal(folder)} (${PARQUET_OPTIONS}, PARTITION_BY (${partitionBy.map(identifier).join(', ')}), FILENAME_PATTERN 'part-00000-{uuid}', APPEND)`;
}

/** What DuckDB's error holds where a row is not in the partition that it was to be written into. */
const OTHER_PARTITION = 'ph-other-partition';

/** The partition's columns are left out of the file, as `PARTITION_BY` does it. Fails, and leaves no file, where a row is in another. */
async function copyIntoPartition(
  connection: SqlConnection,
  folder: string,
  source: RowSource,
  partition: Partition,
): Promise<readonly CopiedFile[]> {
  const [first, ...others] = source.fields.filter((field) => !partition.has(field.name));
  if (first === undefined) throw new TypeError('a table has a column that it is not partitioned by');
  const isThere = source.fields
    .filter((field) => partition.has(field.name))
    .map((field) => `${identifier(field.name)} IS NOT DISTINCT FROM ${keyLiteral(field, partition.get(field.name) ?? null)}`)
    .join(' AND ');
  const name = identifier(first.name);
  const type = duckType(first.type);
  const guarded = `CASE WHEN ${isThere} THEN ${name} ELSE CAST(error(${literal(OTHER_PARTITION)}) AS ${type}) END AS ${name}`;
  const columns = [guarded, ...others.map((field) => identifier(field.name))].join(', ');
  const file = join(folder, partitionFolder(source.partitionBy, partition), fileName());
  await mkdir(dirname(file), { recursive: true }).catch((error: unknown) => Promise.reject(storageError(error, 'write', dirname(file))));
  // DuckDB deletes the file of a COPY that fails.
  const files = await copy(connection, folder, `COPY (SELECT ${columns} FROM (${source.select})) TO ${literal(file)} (${PARQUET_OPTIONS})`);
  return files.map((copied) => ({ ...copied, keys: partition }));
}

function keyLiteral(field: SchemaField, text: string | null): string {
  return `CAST(${text === null ? 'NULL' : literal(text)} AS ${duckType(field.type)})`;
}

async function copy(connection: SqlConnection, folder: string, statement: string): Promise<readonly CopiedFile[]> {
  const files: CopiedFile[] = [];
  for (const [file, count, bytes, , statistics, keys] of await connection.rows(statement)) {
    if (Number(count) === 0) continue; // an empty file has nothing to say; it stays an orphan for VACUUM
    const texts = [...mapEntries(keys ?? null)].map(([key, value]) => [key, typeof value === 'string' ? value : null] as const);
    files.push({
      path: sqlText(file).slice(folder.length + 1),
      rows: Number(count),
      bytes: Number(bytes),
      statistics,
      keys: new Map(texts),
    });
  }
  return files;
}

function addsOf({ fields, statisticsColumns }: RowSource, files: readonly CopiedFile[]): WrittenFiles {
  const now = Date.now();
  const types = new Map(fields.map((field) => [field.name, field.type]));
  const bounded = fields.filter(({ name }) => statisticsColumns.has(name));
  const adds = files.map(
    ({ path, rows, bytes, statistics, keys }): AddFile => ({
      path: encodePath(path),
      partitionValues: Object.fromEntries([...keys].map(([key, text]) => [key, encodePartitionValue(types.get(key), text)])),
      size: bytes,
      modificationTime: now,
      dataChange: true,
      stats: statisticsText(bounded, rows, statistics),
    }),
  );
  return {
    adds,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function fileName(): string {
  return `part-00000-${randomUUID()}.c000.zstd.parquet`;
}
