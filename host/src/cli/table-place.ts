import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { HostConfig } from '../config/host-config.ts';
import { DeltaTable, openDeltaEngine } from '../delta/index.ts';
import { storageUris } from '../engine/host-services.ts';
import { resolveTables } from '../plugins/resolve-topology.ts';
import { type ObjectStore, openStore } from '../storage/index.ts';
import type { CommandFlags } from './command-options.ts';
import { openConfig, openSession } from './session.ts';
import { unknownTable } from './unknown-table.ts';

/** A Delta table that a command is about. */
interface TablePlace {
  readonly config: HostConfig;
  readonly store: ObjectStore;
  /** Its folder in the store. */
  readonly path: string;
}

/** A table with the name and place to print. */
export interface OpenedTable {
  readonly table: DeltaTable;
  readonly name: string;
  readonly uri: string;
}

/** Opens the table that a plugin has by that name, or the one in a folder: whatever has a slash, or is `.`, is a folder. Nothing is created. */
export async function withTable<T>(
  command: string,
  given: string,
  flags: CommandFlags,
  use: (opened: OpenedTable) => Promise<T>,
): Promise<T> {
  const { config, store, path } = await findTable(command, given, flags);
  const scratch = await mkdtemp(join(tmpdir(), 'pipeline-host-'));
  const engine = await openDeltaEngine({ memoryLimit: config.delta.memoryLimit, threads: config.delta.threads, tempDirectory: scratch });
  try {
    const table = await DeltaTable.open(engine, store, path);
    try {
      return await use({ table, name: path, uri: store.local?.path(path) ?? `${store.uri}/${path}` });
    } finally {
      await table.close();
    }
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function findTable(command: string, given: string, flags: CommandFlags): Promise<TablePlace> {
  if (/[/\\]|^\.\.?$/.test(given)) {
    const { config } = await openConfig(flags);
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(given)) {
      const at = given.replace(/\/+$/, '').lastIndexOf('/');
      return { config, store: openStore(given.slice(0, at)), path: given.slice(at + 1).replace(/\/+$/, '') };
    }
    const folder = resolve(given);
    return { config, store: openStore(dirname(folder)), path: basename(folder) };
  }
  const { config, topology } = await openSession(flags);
  const tables = topology.plugins.flatMap((plugin) => resolveTables(plugin, config.config));
  const found = tables.find(({ name }) => name === given) ?? tables.find(({ definition }) => definition.name === given);
  if (found === undefined)
    throw unknownTable(
      command,
      given,
      tables.map(({ name }) => name),
    );
  return { config: config.config, store: openStore(storageUris(config.config).tables), path: found.name };
}
