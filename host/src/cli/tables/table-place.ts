import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TableDefinition } from '@pipeline-host/sdk';
import { type DeltaEngineOptions, DeltaTable } from '../../delta/index.ts';
import { storageUris } from '../../engine/host-services.ts';
import { type ObjectStore, openLocalStore, openStore } from '../../storage/index.ts';
import type { CommandFlags } from '../command-options.ts';
import { openConfig, openSession } from '../session.ts';
import { withDeltaEngine } from './delta-session.ts';
import { findTable } from './plugin-tables.ts';

/** Where a table lies, and with what it is to be read. */
export interface TablePlace {
  readonly store: ObjectStore;
  readonly path: string;
  readonly engine: Pick<DeltaEngineOptions, 'memoryLimit' | 'threads'>;
  /** Of a plugin's table; null for a folder. */
  readonly definition: TableDefinition | null;
}

/** A table with the name and place to print. */
export interface OpenedTable {
  readonly table: DeltaTable;
  readonly name: string;
  readonly uri: string;
  readonly definition: TableDefinition | null;
}

/** The table of a name among those of the plugins. A folder, with a / in it, needs no plugin and may have been written by anybody. */
export async function findTablePlace(name: string, flags: CommandFlags, subcommand: string): Promise<TablePlace> {
  if (/[\\/]|^\.\.?$/.test(name)) {
    const { config } = await openConfig(flags);
    const folder = resolve(name.startsWith('file:') ? fileURLToPath(name) : name);
    return { store: openLocalStore(dirname(folder)), path: basename(folder), engine: config.delta, definition: null };
  }
  const session = await openSession(flags);
  const { config } = session.config;
  const { table } = findTable(session, name, `tables ${subcommand} ${name}`);
  return { store: openStore(storageUris(config).tables), path: table.name, engine: config.delta, definition: table.definition };
}

/** Opens the table that {@link findTablePlace} finds, for as long as `use` runs. Nothing is created. */
export async function withTable<T>(
  subcommand: string,
  name: string,
  flags: CommandFlags,
  use: (opened: OpenedTable) => Promise<T>,
): Promise<T> {
  const { store, path, engine: options, definition } = await findTablePlace(name, flags, subcommand);
  return await withDeltaEngine(options, async (engine) => {
    const table = await DeltaTable.open(engine, store, path);
    try {
      return await use({ table, name: path, uri: store.local?.path(path) ?? `${store.uri}/${path}`, definition });
    } finally {
      await table.close();
    }
  });
}
