import type { LoadedPlugin, ResolvedTable, ResolvedWorker, Topology } from './topology.ts';

/** The worker that every plugin with table writers has without defining it. */
export const MAINTENANCE_WORKER = 'table-maintenance';

/** The maintenance of one plugin's tables, ready to run. */
export interface ResolvedMaintenance {
  readonly id: string;
  readonly plugin: LoadedPlugin;
  readonly group: string;
  /**
   * The topic whose partitions the group shares out: the owner of partition 0 maintains. It is the dead letters', which is
   * there wherever a table writer runs, on the plugin's own cluster; no record of it is read. A topic of its own would be
   * one of the few that an Event Hubs namespace has.
   */
  readonly topic: string;
  readonly cluster: string;
  readonly writers: readonly ResolvedWorker[];
  readonly tables: readonly ResolvedTable[];
}

/** One for each plugin that writes tables. */
export function resolveMaintenance({ workers }: Topology): readonly ResolvedMaintenance[] {
  const writers = workers.filter(({ tables }) => tables.length > 0);
  return [...Map.groupBy(writers, ({ plugin }) => plugin)].flatMap(([plugin, own]) => {
    const [first] = own;
    if (first === undefined) return [];
    const tables = new Map(own.flatMap((writer) => writer.tables.map((table) => [table.name, table] as const)));
    return [
      {
        id: `${plugin.name}.${MAINTENANCE_WORKER}`,
        plugin,
        group: `${plugin.prefix}-${MAINTENANCE_WORKER}`,
        topic: first.deadLetterTopic,
        cluster: first.cluster,
        writers: own,
        tables: [...tables.values()],
      },
    ];
  });
}
