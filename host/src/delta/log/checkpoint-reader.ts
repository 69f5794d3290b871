import { setImmediate } from 'node:timers/promises';
import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import { type DeltaEngine, type SqlConnection, sqlText } from '../duckdb/engine.ts';
import { withLocalFiles } from '../duckdb/local-files.ts';
import { identifier, literal } from '../schema/column-type.ts';
import { type Action, parseAction } from './actions.ts';

/** Actions parsed before the event loop has its turn again. */
const SLICE = 256;
/** In the type of `add`. */
const STATISTICS = /\bstats VARCHAR\b/;

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
  const described = await connection.rows(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`);
  const present = new Map(described.map(([name, type]) => [sqlText(name), sqlText(type)]));
  // delta-rs has the column in classic checkpoints too, and nothing in it.
  if (present.has('sidecar') && (await connection.rows(`SELECT 1 FROM ${source} WHERE sidecar IS NOT NULL LIMIT 1`)).length > 0)
    throw deltaError('PH_DELTA_PROTOCOL', table.path, `the table ${table.path} cannot be read: it uses v2Checkpoint`);
  const actions: Action[] = [];
  for (const kind of KINDS) {
    const type = present.get(kind);
    if (type !== undefined) await readKind(connection, source, kind, STATISTICS.test(type), (action) => actions.push(action));
  }
  return actions;
}

/** The actions of one kind, with turns for the event loop between: a table of 10,000 files has 40 MB of them. */
async function readKind(
  connection: SqlConnection,
  source: string,
  kind: (typeof KINDS)[number],
  hasStatistics: boolean,
  use: (action: Action) => void,
): Promise<void> {
  // Most of their text is statistics, which stay as they are: parsed with the rest it would be unescaped for nothing.
  const isSplit = kind === 'add' && hasStatistics;
  const value = kind === 'add' ? await addExpression(connection, source) : kind;
  const values = isSplit
    ? `to_json(struct_update(${value}, stats := NULL::VARCHAR))::VARCHAR, add.stats`
    : `to_json(${value})::VARCHAR, NULL`;
  await connection.pages(`SELECT ${values} FROM ${source} WHERE ${kind} IS NOT NULL`, async (rows) => {
    for (const [at, [text, stats]] of rows.entries()) {
      if (at % SLICE === SLICE - 1) await setImmediate();
      const action = tidied(kind, parseAction(`{${JSON.stringify(kind)}:${sqlText(text)}}`));
      use(action.add !== undefined && typeof stats === 'string' ? { add: { ...action.add, stats } } : action);
    }
  });
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

/** A checkpoint has a column for every optional field; null there means that the field is absent. */
function tidied(kind: (typeof KINDS)[number], action: Action): Action {
  const { [PARSED_ROWS]: rows, ...fields }: Readonly<Record<string, unknown>> = { ...action[kind] };
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== null) kept[name] = name === 'deletionVector' ? withoutNulls(value) : value;
  }
  if (kept['stats'] === undefined && typeof rows === 'number') kept['stats'] = `{"numRecords":${rows}}`;
  return { [kind]: kept };
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
}
