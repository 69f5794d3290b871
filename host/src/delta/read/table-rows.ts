import type { SqlConnection, SqlValue } from '../duckdb/engine.ts';
import { identifier, literal, type SchemaField } from '../schema/column-type.ts';

/** A row with exact values: see {@link exactJson}. */
export type TableRow = Readonly<Record<string, SqlValue>>;

/** Which rows a reader wants. */
export interface ReadOptions {
  /** In this order; all of the table where absent. */
  readonly columns?: readonly string[];
  /** At most so many, whichever come first. */
  readonly limit?: number;
}

/** The SELECT of some columns and rows of a scan. */
export function selectSql(relation: string, fields: readonly SchemaField[], limit: number | undefined): string {
  const names = fields.map((field) => identifier(field.name)).join(', ');
  return `SELECT ${names} FROM ${relation}${limit === undefined ? '' : ` LIMIT ${Math.max(0, Math.trunc(limit))}`}`;
}

/** Hands over the rows of a SELECT of these fields, a page at a time. */
export async function readPages(
  connection: SqlConnection,
  fields: readonly SchemaField[],
  select: string,
  use: (rows: readonly TableRow[]) => void | Promise<void>,
): Promise<void> {
  await connection.pages(select, (page) =>
    use(page.map((row) => Object.fromEntries(fields.map((field, at) => [field.name, row[at] ?? null])))),
  );
}

/** Writes the rows of a SELECT into one Parquet file of this machine. */
export async function copyToParquet(connection: SqlConnection, select: string, file: string): Promise<void> {
  await connection.run(`COPY (${select}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd)`);
}
