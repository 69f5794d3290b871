import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import { type Action, type AddFile, parseAction } from './actions.ts';
import { identifier, literal } from './column-type.ts';
import type { TableFolder } from './data-files.ts';
import { deltaError } from './delta-errors.ts';
import { type DeltaEngine, type SqlConnection, sqlText } from './engine.ts';
import { withLocalFiles } from './local-files.ts';

const KINDS = ['protocol', 'metaData', 'txn', 'add', 'remove', 'domainMetadata'] as const;

/**
 * The actions of a classic checkpoint, in one file or in parts. Throws `PH_DELTA_LOG_DAMAGED` for one that cannot be read,
 * `PH_DELTA_PROTOCOL` for one that keeps its files elsewhere.
 */
export async function readCheckpoint(engine: DeltaEngine, table: TableFolder, paths: readonly string[]): Promise<readonly Action[]> {
  try {
    return await withLocalFiles(engine, table.store, paths, (files) =>
      engine.withConnection((connection) => readActions(connection, table, files)),
    );
  } catch (error) {
    if (isPipelineError(error) && error.code === 'PH_DELTA_PROTOCOL') throw error;
    throw deltaError('PH_DELTA_LOG_DAMAGED', table.path, `the checkpoint ${paths[0]} cannot be read: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

async function readActions(connection: SqlConnection, table: TableFolder, files: readonly string[]): Promise<readonly Action[]> {
  const source = `read_parquet([${files.map(literal).join(', ')}], hive_partitioning = false, union_by_name = true)`;
  const present = new Set((await connection.rows(`SELECT column_name FROM (DESCRIBE SELECT * FROM ${source})`)).map(([name]) => name));
  // delta-rs has the column in classic checkpoints too, and nothing in it.
  if (present.has('sidecar') && (await connection.rows(`SELECT 1 FROM ${source} WHERE sidecar IS NOT NULL LIMIT 1`)).length > 0)
    throw deltaError('PH_DELTA_PROTOCOL', table.path, `the table ${table.path} cannot be read: it uses v2Checkpoint`);
  const actions: Action[] = [];
  for (const kind of KINDS) {
    if (!present.has(kind)) continue;
    const value = kind === 'add' ? await addExpression(connection, source) : kind;
    for (const [text] of await connection.rows(`SELECT to_json(${value})::VARCHAR FROM ${source} WHERE ${kind} IS NOT NULL`)) {
      actions.push(tidied(parseAction(`{${JSON.stringify(kind)}:${sqlText(text)}}`)));
    }
  }
  return actions;
}

/** Statistics and partition values once more, as columns. */
const PARSED = ['stats_parsed', 'partitionValues_parsed'];
/** The number of rows by the statistics that are columns. */
const PARSED_ROWS = '__ph_rows';

/**
 * SQL of an `add` without statistics and partition values as columns, which may hold what JSON has no text for, such as an
 * infinite bound. Where they stand in for the text of the statistics, their number of rows is kept.
 */
async function addExpression(connection: SqlConnection, source: string): Promise<string> {
  const [[keys] = []] = await connection.rows(`SELECT struct_keys(add) FROM ${source} WHERE add IS NOT NULL LIMIT 1`);
  const names = Array.isArray(keys) ? keys.map(sqlText) : [];
  if (!names.some((name) => PARSED.includes(name))) return 'add';
  const kept = names.filter((name) => !PARSED.includes(name)).map((name) => `${identifier(name)} := add.${identifier(name)}`);
  const rows = `${PARSED_ROWS} := CAST(to_json(add.stats_parsed) ->> '$.numRecords' AS BIGINT)`;
  return `struct_pack(${[...kept, ...(names.includes('stats_parsed') ? [rows] : [])].join(', ')})`;
}

function tidied(action: Action): Action {
  if (action.add === undefined) return action;
  const { [PARSED_ROWS]: rows, ...add }: AddFile & { readonly [PARSED_ROWS]?: number } = action.add;
  return { add: add.stats !== undefined || rows === undefined ? add : { ...add, stats: `{"numRecords":${rows}}` } };
}
