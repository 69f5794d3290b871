import { setImmediate } from 'node:timers/promises';
import { errorMessage } from '@pipeline-host/sdk';
import { type Action, parseAction } from './actions.ts';
import { literal } from './column-type.ts';
import type { TableFolder } from './data-files.ts';
import { deltaError } from './delta-errors.ts';
import { type DeltaEngine, type SqlConnection, sqlText } from './engine.ts';
import { withLocalFiles } from './local-files.ts';

/** Actions parsed before the event loop has its turn again. */
const SLICE = 256;
/** In the type of `add`. */
const STATISTICS = /\bstats VARCHAR\b/;

const KINDS = ['protocol', 'metaData', 'txn', 'add', 'remove', 'domainMetadata'] as const;

/** The actions of a classic checkpoint, in one file or in parts. Throws `PH_DELTA_LOG_DAMAGED` for one that cannot be read. */
export async function readCheckpoint(engine: DeltaEngine, table: TableFolder, paths: readonly string[]): Promise<readonly Action[]> {
  try {
    return await withLocalFiles(engine, table.store, paths, (files) =>
      engine.withConnection((connection) => readActions(connection, files)),
    );
  } catch (error) {
    throw deltaError('PH_DELTA_LOG_DAMAGED', table.path, `the checkpoint ${paths[0]} cannot be read: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

async function readActions(connection: SqlConnection, files: readonly string[]): Promise<readonly Action[]> {
  const source = `read_parquet([${files.map(literal).join(', ')}], hive_partitioning = false, union_by_name = true)`;
  const described = await connection.rows(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`);
  const present = new Map(described.map(([name, type]) => [sqlText(name), sqlText(type)]));
  if (present.has('sidecar')) throw new Error('it uses v2Checkpoint');
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
  const values = isSplit ? 'to_json(struct_update(add, stats := NULL::VARCHAR))::VARCHAR, add.stats' : `to_json(${kind})::VARCHAR, NULL`;
  await connection.pages(`SELECT ${values} FROM ${source} WHERE ${kind} IS NOT NULL`, async (rows) => {
    for (const [at, [text, stats]] of rows.entries()) {
      if (at % SLICE === SLICE - 1) await setImmediate();
      const action = tidied(kind, parseAction(`{${JSON.stringify(kind)}:${sqlText(text)}}`));
      use(action.add !== undefined && typeof stats === 'string' ? { add: { ...action.add, stats } } : action);
    }
  });
}

/** A checkpoint has a column for every optional field; null there means that the field is absent. */
function tidied(kind: (typeof KINDS)[number], action: Action): Action {
  const fields: Readonly<Record<string, unknown>> = { ...action[kind] };
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || name === 'stats_parsed' || name === 'partitionValues_parsed') continue;
    kept[name] = name === 'deletionVector' ? withoutNulls(value) : value;
  }
  if (kind === 'add' && kept['stats'] === undefined) {
    const rows = recordCount(fields['stats_parsed']);
    if (rows !== null) kept['stats'] = `{"numRecords":${rows}}`;
  }
  return { [kind]: kept };
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
}

function recordCount(parsed: unknown): number | null {
  if (typeof parsed !== 'object' || parsed === null || !('numRecords' in parsed)) return null;
  return typeof parsed.numRecords === 'number' ? parsed.numRecords : null;
}
