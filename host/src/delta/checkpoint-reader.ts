import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import { type Action, parseAction } from './actions.ts';
import { literal } from './column-type.ts';
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
    for (const [text] of await connection.rows(`SELECT to_json(${kind})::VARCHAR FROM ${source} WHERE ${kind} IS NOT NULL`)) {
      actions.push(tidied(kind, parseAction(`{${JSON.stringify(kind)}:${sqlText(text)}}`)));
    }
  }
  return actions;
}

/** Statistics and partition values as columns are not kept: their text says the same, or at least the number of rows. */
function tidied(kind: (typeof KINDS)[number], action: Action): Action {
  const { stats_parsed, partitionValues_parsed, ...kept }: Readonly<Record<string, unknown>> = { ...action[kind] };
  const rows = kind === 'add' && kept['stats'] === undefined ? recordCount(stats_parsed) : null;
  return { [kind]: rows === null ? kept : { ...kept, stats: `{"numRecords":${rows}}` } };
}

function recordCount(parsed: unknown): number | null {
  if (typeof parsed !== 'object' || parsed === null || !('numRecords' in parsed)) return null;
  return typeof parsed.numRecords === 'number' ? parsed.numRecords : null;
}
