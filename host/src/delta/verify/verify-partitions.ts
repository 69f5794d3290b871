import { type DeltaEngine, sqlText } from '../duckdb/engine.ts';
import type { AddFile } from '../log/actions.ts';
import { duckType, literal, type SchemaField, typeText } from '../schema/column-type.ts';
import type { TableShape } from '../table-state.ts';
import type { Findings } from './findings.ts';

/** The forms of times that every reader parses; DuckDB's `2026-01-01 00:00:00+00` is none of them. */
const TIMESTAMP = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$/;

/** Each file has a value for each partition column, and no other, that is one of the column's type. */
export async function verifyPartitions(
  engine: DeltaEngine,
  { fields, partitionBy }: TableShape,
  files: readonly AddFile[],
  findings: Findings,
): Promise<void> {
  const columns = fields.filter((field) => partitionBy.includes(field.name));
  const refused = new Map<SchemaField, ReadonlySet<string>>();
  for (const field of columns) refused.set(field, await refusedTexts(engine, field, files));
  for (const file of files) {
    const values = file.partitionValues;
    const fault = (column: string, is: string, should: string): void =>
      findings.fault('partitions', { file: file.path, column, is, should });
    for (const field of columns) {
      findings.looked('partitions');
      const value = values[field.name];
      if (value === undefined) fault(field.name, 'no value', 'a value or null');
      else if ((value === null || value === '') && !field.nullable) fault(field.name, 'null', 'a value, as it must not be null');
      else if (value !== null && refused.get(field)?.has(value) === true)
        fault(field.name, JSON.stringify(value), `a ${typeText(field.type)}`);
    }
    for (const name of Object.keys(values))
      if (!partitionBy.includes(name)) fault(name, 'a partition value', 'none, as it is no partition column');
  }
}

async function refusedTexts(engine: DeltaEngine, field: SchemaField, files: readonly AddFile[]): Promise<ReadonlySet<string>> {
  const texts = [...new Set(files.map((file) => file.partitionValues[field.name] ?? ''))].filter((text) => text !== '');
  if (field.type === 'string' || field.type === 'binary' || texts.length === 0) return new Set();
  const list = texts.map((text) => `(${literal(text)})`).join(', ');
  const rows = await engine.withConnection((connection) =>
    connection.rows(`SELECT text FROM (VALUES ${list}) v(text) WHERE TRY_CAST(text AS ${duckType(field.type)}) IS NULL`),
  );
  const refused = new Set(rows.map(([text]) => sqlText(text)));
  if (field.type === 'timestamp' || field.type === 'timestamp_ntz') for (const text of texts) if (!TIMESTAMP.test(text)) refused.add(text);
  return refused;
}
