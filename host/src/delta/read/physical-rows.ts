import { objectPath, type TableFolder } from '../data-files.ts';
import type { DeltaEngine, SqlConnection } from '../duckdb/engine.ts';
import { withLocalFiles } from '../duckdb/local-files.ts';
import type { AddFile } from '../log/actions.ts';
import { literal } from '../schema/column-type.ts';
import { recordCount } from './file-pruning.ts';

/** The rows of a data file with those that its deletion vector takes out: by the log, else by the file itself. */
export async function physicalRows(engine: DeltaEngine, connection: SqlConnection, table: TableFolder, file: AddFile): Promise<number> {
  const counted = recordCount(file);
  if (counted !== null) return counted;
  return await withLocalFiles(engine, table.store, [objectPath(table, file)], async ([local = '']) => {
    const [[rows] = []] = await connection.rows(`SELECT num_rows FROM parquet_file_metadata(${literal(local)})`);
    return Number(rows);
  });
}
