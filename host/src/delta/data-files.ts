import { join } from 'node:path';
import type { ObjectStore } from '../storage/index.ts';
import type { DeltaEngine, SqlConnection } from './duckdb/engine.ts';
import { type AddFile, decodePath } from './log/actions.ts';
import { copyRows, type RowSource, type WrittenFiles } from './rows/parquet-copy.ts';

/** Where a table's files lie. */
export interface TableFolder {
  readonly store: ObjectStore;
  /** The table's folder in the store. */
  readonly path: string;
}

/**
 * Writes rows as new data files. They are durable when this resolves, and belong to the table only once a commit names
 * them. The table's folder is there, or this fails.
 */
export async function writeDataFiles(
  engine: DeltaEngine,
  connection: SqlConnection,
  table: TableFolder,
  rows: RowSource,
): Promise<WrittenFiles> {
  const local = table.store.local;
  if (local !== undefined) {
    const written = await copyRows(connection, local.path(table.path), rows);
    await local.sync(written.adds.map((add) => objectPath(table, add)));
    return written;
  }
  return await engine.scratch.withFolder(async (folder) => {
    const written = await copyRows(connection, folder, rows);
    for (const add of written.adds) await table.store.put(objectPath(table, add), { file: join(folder, decodePath(add.path)) });
    return written;
  });
}

/** {@link discardFiles} for data files. */
export async function discardDataFiles(table: TableFolder, adds: readonly AddFile[]): Promise<void> {
  await discardFiles(
    table,
    adds.map((add) => objectPath(table, add)),
  );
}

/** Deletes files that no commit names and none will: only for a commit that is known to be lost. Paths are the store's. */
export async function discardFiles({ store }: TableFolder, paths: readonly string[]): Promise<void> {
  // What cannot be deleted is an orphan, which readers never see and VACUUM removes.
  await Promise.allSettled(paths.map((path) => store.delete(path)));
}

/** The path of a data file in the store. */
export function objectPath(table: TableFolder, file: { readonly path: string }): string {
  return `${table.path}/${decodePath(file.path)}`;
}
