import { errorMessage, isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import { objectPath, type TableFolder } from '../data-files.ts';
import { readVector } from '../deletion-vectors/vector-files.ts';
import { deltaError } from '../delta-errors.ts';
import { type DeltaEngine, sqlText } from '../duckdb/engine.ts';
import { withLocalFiles } from '../duckdb/local-files.ts';
import { type AddFile, decodePath, isAbsolutePath } from '../log/actions.ts';
import { withScan } from '../read/scan.ts';
import { duckType, literal, type SchemaField, type SchemaType, typeText } from '../schema/column-type.ts';
import type { TableShape } from '../table-state.ts';
import { claimsOf, ROWS } from './claims.ts';
import type { Findings } from './findings.ts';
import { type LoggedStatistics, parseStatistics } from './logged-statistics.ts';

/** What the files are held against. */
export interface FileVerification {
  readonly engine: DeltaEngine;
  readonly table: TableFolder;
  readonly shape: TableShape;
  /** DuckDB's own text of the type of each field that is in the files. */
  readonly types: ReadonlyMap<SchemaField, string>;
  readonly findings: Findings;
}

/** The table's fields that are in its files, with DuckDB's own text of their types. */
export async function storedTypes(engine: DeltaEngine, { fields, partitionBy }: TableShape): Promise<ReadonlyMap<SchemaField, string>> {
  const stored = fields.filter((field) => !partitionBy.includes(field.name));
  if (stored.length === 0) return new Map();
  const [texts = []] = await engine.withConnection((connection) =>
    connection.rows(`SELECT ${stored.map((field) => `typeof(NULL::${duckType(field.type)})`).join(', ')}`),
  );
  return new Map(stored.map((field, at) => [field, sqlText(texts[at])]));
}

/** Holds a data file against the log and the table. True if its rows can be read. */
export async function verifyFile(verification: FileVerification, file: AddFile): Promise<boolean> {
  const { table, findings } = verification;
  if (isAbsolutePath(file.path))
    throw deltaError('PH_DELTA_PROTOCOL', table.path, `the table ${table.path} cannot be verified: it uses absolute file paths`);
  findings.looked('files');
  const path = pathOnDisk(file);
  if (path === null) {
    findings.fault('files', { file: file.path, is: 'no percent-encoded path', should: 'the path of a file' });
    return false;
  }
  const found = await table.store.stat(objectPath(table, file));
  if (found === null) {
    findings.fault('files', { file: path, is: 'not there', should: `a file of ${file.size} bytes` });
    return false;
  }
  if (found.bytes !== file.size)
    findings.fault('files', { file: path, is: `${found.bytes} bytes`, should: `${file.size} bytes by the log` });
  const physical = await readPhysical(verification, file, path);
  if (physical === null) return false;
  const isTyped = verifySchema(verification, physical, path);
  const isMarked = await verifyVector(verification, file, path, physical.rows);
  if (!isTyped || !isMarked) return false;
  return await verifyRows(verification, file, path, physical.rows);
}

/** The path on disk, below the table's folder; null for one with a bad escape. */
function pathOnDisk(file: AddFile): string | null {
  try {
    return decodePath(file.path);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

interface PhysicalFile {
  readonly rows: number;
  /** DuckDB's text of the types, by column. */
  readonly columns: ReadonlyMap<string, string>;
  /** Whether it holds times in the form that Spark writes by default, which DuckDB reads without a zone. */
  readonly hasInt96: boolean;
}

async function readPhysical({ engine, table, findings }: FileVerification, file: AddFile, path: string): Promise<PhysicalFile | null> {
  try {
    return await withLocalFiles(engine, table.store, [objectPath(table, file)], ([local = '']) =>
      engine.withConnection(async (connection) => {
        const name = literal(local);
        const source = `read_parquet(${literal(local.replace(/[*?[]/g, (mark) => `[${mark}]`))}, hive_partitioning = false)`;
        const [[rows] = []] = await connection.rows(`SELECT sum(num_rows) FROM parquet_file_metadata(${name})`);
        const described = await connection.rows(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`);
        const [[int96] = []] = await connection.rows(`SELECT count(*) FROM parquet_schema(${name}) WHERE "type" = 'INT96'`);
        return {
          rows: Number(rows),
          columns: new Map(described.map(([column, type]) => [sqlText(column), sqlText(type)])),
          hasInt96: Number(int96) > 0,
        };
      }),
    );
  } catch (error) {
    findings.fault('files', { file: path, is: unreadable(error).message, should: 'a Parquet file that can be read' });
    return null;
  }
}

/** DuckDB's refusal of a file. Rethrows any other error. */
function unreadable(error: unknown): PipelineError {
  if (isPipelineError(error) && error.code === 'PH_DELTA_ENGINE' && !error.message.includes('Out of Memory')) return error;
  throw error;
}

function verifySchema({ types, findings }: FileVerification, { columns, hasInt96 }: PhysicalFile, path: string): boolean {
  findings.looked('schema');
  let fits = true;
  const fault = (column: string, is: string, should: string): void => {
    findings.fault('schema', { file: path, column, is, should });
    fits = false;
  };
  for (const [{ name, type, nullable }, expected] of types) {
    const physical = columns.get(name);
    if (physical !== undefined) {
      const isSparkTime = hasInt96 && physical === 'TIMESTAMP' && type === 'timestamp';
      if (!isSparkTime && !isOfType(physical, expected, type)) fault(name, physical.toLowerCase(), typeText(type));
      continue;
    }
    const other = [...columns.keys()].find((one) => one.toLowerCase() === name.toLowerCase());
    if (other !== undefined) fault(name, `written ${other}`, name);
    else if (!nullable) fault(name, 'no such column', 'there, as it must not be null');
  }
  return fits;
}

/** A struct may lack fields that it got later, so only its kind is compared. */
function isOfType(physical: string, expected: string, type: SchemaType): boolean {
  if (physical === expected) return true;
  if (typeof type === 'string' || !expected.includes('STRUCT(')) return false;
  switch (type.type) {
    case 'struct':
      return /^STRUCT\(.*\)$/.test(physical);
    case 'array':
      return physical.endsWith('[]');
    case 'map':
      return /^MAP\(.*\)$/.test(physical);
  }
}

async function verifyVector({ table, findings }: FileVerification, file: AddFile, path: string, rows: number): Promise<boolean> {
  if (file.deletionVector === undefined) return true;
  findings.looked('deletion vectors');
  const fault = (is: string, should: string): false => {
    findings.fault('deletion vectors', { file: path, is, should });
    return false;
  };
  try {
    const last = (await readVector(table, file.deletionVector)).at(-1) ?? -1;
    return last < rows || fault(`row ${last} deleted`, `a row below ${rows}, of which the file has no more`);
  } catch (error) {
    const isDamaged = error instanceof RangeError || (isPipelineError(error) && VECTOR_FAULTS.has(error.code));
    if (!isDamaged) throw error;
    return fault(errorMessage(error), `${file.deletionVector.cardinality} positions that can be read`);
  }
}

const VECTOR_FAULTS: ReadonlySet<string> = new Set(['PH_DELTA_VECTOR_DAMAGED', 'PH_DELTA_FILE_MISSING']);

async function verifyRows(verification: FileVerification, file: AddFile, path: string, rows: number): Promise<boolean> {
  const { engine, table, shape, types, findings } = verification;
  const statistics = verifyRecordCount(verification, file, path, rows);
  const claims = claimsOf([...types.keys()], statistics);
  if (claims.length === 0) return true;
  try {
    await withScan(engine, table, [file], shape.fields, shape.partitionBy, async (relation) => {
      const [truths = []] = await engine.withConnection((connection) =>
        connection.rows(`SELECT ${claims.map(({ sql }) => sql).join(', ')} FROM ${relation} AS ${ROWS}`),
      );
      for (const [at, { check, column, is, should }] of claims.entries()) {
        const truth = truths[at];
        if (typeof truth === 'string') findings.fault(check, { file: path, column, is, should: should(truth) });
      }
    });
    return true;
  } catch (error) {
    findings.fault('files', { file: path, is: unreadable(error).message, should: 'rows that can be read' });
    return false;
  }
}

/** The statistics that can be looked at further. */
function verifyRecordCount({ findings }: FileVerification, file: AddFile, path: string, rows: number): LoggedStatistics {
  if (file.stats === undefined) {
    if (file.deletionVector !== undefined)
      findings.fault('statistics', { file: path, is: 'none', should: 'the number of rows, as there is a deletion vector' });
    return {};
  }
  findings.looked('statistics');
  const statistics = parseStatistics(file.stats);
  if (statistics === null) {
    findings.fault('statistics', { file: path, is: file.stats, should: 'a JSON object' });
    return {};
  }
  const { numRecords } = statistics;
  if (numRecords === undefined ? file.deletionVector !== undefined : numRecords !== String(rows))
    findings.fault('statistics', { file: path, is: `numRecords ${JSON.stringify(numRecords ?? null)}`, should: String(rows) });
  return statistics;
}
