import { PipelineError } from '@pipeline-host/sdk';
import { didYouMean } from '../../config/did-you-mean.ts';
import { list } from '../../config/schema-faults.ts';
import { resolveTables } from '../../plugins/resolve-topology.ts';
import type { ResolvedTable } from '../../plugins/topology.ts';
import type { Session } from '../session.ts';

/** A table with the plugin that defines it. */
export interface PluginTable {
  readonly plugin: string;
  readonly table: ResolvedTable;
}

export function tablesOf({ config, topology }: Session): readonly PluginTable[] {
  return topology.plugins.flatMap((plugin) => resolveTables(plugin, config.config).map((table) => ({ plugin: plugin.name, table })));
}

/** The table of a name, the configured one before the plugin's own. Throws `PH_TABLE_UNKNOWN`. */
export function findTable(session: Session, name: string, place: string): PluginTable {
  const tables = tablesOf(session);
  const found = tables.find(({ table }) => table.name === name) ?? tables.find(({ table }) => table.definition.name === name);
  if (found !== undefined) return found;
  const known = tables.map(({ table }) => table.name);
  throw new PipelineError('PH_TABLE_UNKNOWN', `no plugin has a table "${name}"`, {
    place,
    hint: didYouMean(
      name,
      known,
      known.length === 0 ? 'name a plugin that has tables: --plugin <plugin>' : `the tables are ${list(known)}`,
    ),
  });
}
