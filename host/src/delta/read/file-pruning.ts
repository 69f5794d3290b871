import { setImmediate } from 'node:timers/promises';
import { type SqlConnection, sqlText } from '../duckdb/engine.ts';
import type { AddFile } from '../log/actions.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';

/** Whole-number and text bounds are compared; others would need their reader's notion of order. */
const PRUNED_TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'long']);

/** Files looked at before the event loop has its turn again. */
const SLICE = 200;

interface PrunedTable {
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  readonly files: readonly AddFile[];
}

/** The files that may hold a key of `changes`, by the statistics of the log. A file without usable ones always may. */
export async function candidateFiles(
  connection: SqlConnection,
  changes: string,
  table: PrunedTable,
  key: readonly string[],
): Promise<readonly AddFile[]> {
  let files = table.files;
  for (const name of key) {
    const field = table.fields.find((one) => one.name === name);
    if (field === undefined || !PRUNED_TYPES.has(field.type) || table.partitionBy.includes(name) || files.length < 2) continue;
    files = await heldBy(files, field, await orderedValues(connection, changes, field));
  }
  return files;
}

/** Text by its UTF-8 bytes, the order of statistics; JavaScript's own order is that of UTF-16. */
type Ordered = bigint | Buffer;

/** Each once and ascending, which is DuckDB's order too. */
async function orderedValues(connection: SqlConnection, changes: string, field: SchemaField): Promise<readonly Ordered[]> {
  const column = identifier(field.name);
  const values: Ordered[] = [];
  const sql = `SELECT CAST(${column} AS VARCHAR) FROM (SELECT DISTINCT ${column} FROM ${changes}) ORDER BY ${column}`;
  await connection.pages(sql, (rows) => {
    for (const [value] of rows) values.push(field.type === 'string' ? Buffer.from(sqlText(value)) : BigInt(sqlText(value)));
  });
  return values;
}

function compare(a: Ordered, b: Ordered): number {
  if (typeof a === 'bigint' || typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(a, b);
}

/** With turns for the event loop between: the statistics of each file are parsed when they are first looked at. */
async function heldBy(files: readonly AddFile[], field: SchemaField, values: readonly Ordered[]): Promise<readonly AddFile[]> {
  const held: AddFile[] = [];
  for (let at = 0; at < files.length; at += SLICE) {
    if (at > 0) await setImmediate();
    for (const file of files.slice(at, at + SLICE)) if (mayHold(file, field, values)) held.push(file);
  }
  return held;
}

function mayHold(file: AddFile, field: SchemaField, values: readonly Ordered[]): boolean {
  const bounds = boundsOf(file, field);
  if (bounds === null) return true;
  const first = values[firstAtLeast(values, bounds.min)];
  return first !== undefined && compare(first, bounds.max) <= 0;
}

function firstAtLeast(values: readonly Ordered[], bound: Ordered): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = values[middle];
    if (value !== undefined && compare(value, bound) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function boundsOf(file: AddFile, field: SchemaField): { readonly min: Ordered; readonly max: Ordered } | null {
  const statistics = parsedStatistics(file);
  const min = orderedBound(field, statistics?.minValues?.[field.name]);
  const max = orderedBound(field, statistics?.maxValues?.[field.name]);
  return min === null || max === null ? null : { min, max };
}

/** JSON.parse rounds numbers beyond 2^53: those bound nothing. */
function orderedBound(field: SchemaField, bound: unknown): Ordered | null {
  if (field.type === 'string') return typeof bound === 'string' ? Buffer.from(bound) : null;
  return typeof bound === 'number' && Number.isSafeInteger(bound) ? BigInt(bound) : null;
}

interface Statistics {
  readonly numRecords?: number;
  readonly minValues?: Readonly<Record<string, unknown>>;
  readonly maxValues?: Readonly<Record<string, unknown>>;
}

const parsed = new WeakMap<AddFile, Statistics>();

function parsedStatistics(file: AddFile): Statistics | null {
  if (file.stats === undefined) return null;
  const known = parsed.get(file);
  if (known !== undefined) return known;
  try {
    const statistics = JSON.parse(file.stats) as Statistics;
    parsed.set(file, statistics);
    return statistics;
  } catch {
    return null; // statistics are a help to readers, and a table is right without them
  }
}

/** The rows of a file by the log; null where it does not say. */
export function recordCount(file: AddFile): number | null {
  const count = parsedStatistics(file)?.numRecords;
  return typeof count === 'number' && Number.isSafeInteger(count) ? count : null;
}
