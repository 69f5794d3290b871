import { randomUUID } from 'node:crypto';
import type { TableFolder } from '../data-files.ts';
import { CommitConflictError, deltaError } from '../delta-errors.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import type { Action, MetaData } from '../log/actions.ts';
import { commitActions } from '../log/commit.ts';
import { loadSnapshot } from '../log/log.ts';
import { checkWritable, PLAIN_PROTOCOL, VECTOR_PROTOCOL, VECTORS_ENABLED } from '../log/protocol.ts';
import { Snapshot } from '../log/snapshot.ts';
import { parseSchema, schemaText, type TableSpec } from '../schema/schema.ts';

/**
 * Writes version 0 of a table whose log was found absent, or opens the one that another process made meanwhile. Throws
 * `PH_DELTA_FOLDER_TAKEN` where the folder holds anything else, `PH_DELTA_PROTOCOL` where a property of the definition asks
 * for what we do not honour.
 */
export async function createTable(engine: DeltaEngine, folder: TableFolder, spec: TableSpec): Promise<Snapshot> {
  const found = await folder.store.list(folder.path);
  const existing = found.length > 0 ? await loadSnapshot(engine, folder) : null; // another process may have created it since we looked
  if (existing !== null) return existing;
  const [file] = found;
  if (file !== undefined)
    throw deltaError(
      'PH_DELTA_FOLDER_TAKEN',
      folder.path,
      `${folder.store.uri}/${folder.path} holds files (${file.path}) but no Delta log`,
    );
  const snapshot = new Snapshot();
  const metaData: MetaData = {
    id: randomUUID(),
    name: spec.name,
    ...(spec.description !== undefined && { description: spec.description }),
    format: { provider: 'parquet', options: {} },
    schemaString: schemaText(spec.columns),
    partitionColumns: spec.partitionBy,
    configuration: { ...(spec.deletionVectors === true && { [VECTORS_ENABLED]: 'true' }), ...spec.properties },
    createdTime: Date.now(),
  };
  const protocol = spec.deletionVectors === true ? VECTOR_PROTOCOL : PLAIN_PROTOCOL;
  checkWritable(folder.path, protocol, metaData, parseSchema(folder.path, metaData.schemaString));
  const actions: readonly Action[] = [{ protocol }, { metaData }];
  try {
    await commitActions(folder, snapshot, {
      actions,
      operation: 'CREATE TABLE',
      operationParameters: { partitionBy: JSON.stringify(spec.partitionBy) },
      reads: 'nothing',
    });
    return snapshot;
  } catch (error) {
    if (!(error instanceof CommitConflictError)) throw error;
    const created = await loadSnapshot(engine, folder); // by another process, first
    if (created === null) throw error;
    return created;
  }
}
