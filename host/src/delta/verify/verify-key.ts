import type { TableFolder } from '../data-files.ts';
import { type DeltaEngine, sqlText } from '../duckdb/engine.ts';
import { type AddFile, decodePath } from '../log/actions.ts';
import { FILE_INDEX, withScan } from '../read/scan.ts';
import { identifier } from '../schema/column-type.ts';
import { liveColumn } from '../schema/schema-fit.ts';
import type { TableShape } from '../table-state.ts';
import type { Findings } from './findings.ts';

/** Keys that are told one by one. */
const TOLD = 10;

/** Every key names one row, and none is null. DuckDB spills what does not fit into its memory. */
export async function verifyKey(
  engine: DeltaEngine,
  table: TableFolder,
  { fields, partitionBy }: TableShape,
  files: readonly AddFile[],
  mergeKey: readonly (string | readonly string[])[],
  findings: Findings,
): Promise<void> {
  const key: string[] = [];
  for (const names of mergeKey) {
    const [name = '', ...aliases] = [names].flat();
    const field = liveColumn(fields, name, aliases);
    if (field !== undefined) {
      key.push(field.name);
      continue;
    }
    findings.fault('merge key', { column: name, is: 'no column of the table', should: 'a column, as the definition merges on it' });
    return;
  }
  const column = key.join(', ');
  const names = key.map(identifier);
  const keyText = `to_json([${names.map((name) => `CAST(${name} AS VARCHAR)`).join(', ')}])::VARCHAR`;
  const isNull = names.map((name) => `${name} IS NULL`).join(' OR ');
  const grouped = (relation: string) =>
    `SELECT ${keyText} AS key, count(*) AS rows, min(${FILE_INDEX}) AS file, ${isNull} AS absent FROM ${relation} GROUP BY ${names.join(', ')} HAVING count(*) > 1 OR ${isNull}`;
  await withScan(engine, table, files, fields, partitionBy, async (relation) => {
    const [[rows] = []] = await engine.withConnection((connection) => connection.rows(`SELECT count(*) FROM ${relation}`));
    findings.looked('merge key', Number(rows));
    const broken = await engine.withConnection((connection) =>
      connection.rows(`SELECT key, rows, file, absent, count(*) OVER () FROM (${grouped(relation)}) ORDER BY key LIMIT ${TOLD}`),
    );
    for (const [text, count, file, absent] of broken) {
      const path = decodePath(files[Number(file)]?.path ?? '');
      const values = sqlText(text);
      if (absent === true) findings.fault('merge key', { file: path, column, is: values, should: 'a key without null' });
      else findings.fault('merge key', { file: path, column, is: `${values} in ${sqlText(count)} rows`, should: 'in one row' });
    }
    const more = Number(broken[0]?.[4] ?? 0) - broken.length;
    if (more > 0) findings.fault('merge key', { column, is: `${more} keys more with several rows or null`, should: 'none' });
  });
}
