import { milliseconds } from '@pipeline-host/sdk';
import type { HostConfig } from '../../config/host-config.ts';
import { MAINTENANCE_WORKER, type ResolvedMaintenance } from '../../plugins/resolve-maintenance.ts';
import type { UnitEnvironment } from '../create-unit.ts';
import { MaintenanceRounds } from './maintenance-round.ts';
import { MaintenanceUnit } from './maintenance-unit.ts';

/** The maintenance of a plugin's tables as a unit of the host. Nothing is done yet. */
export async function createMaintenance(
  maintenance: ResolvedMaintenance,
  config: HostConfig,
  { clusters, services, metrics, log: hostLog }: UnitEnvironment,
): Promise<MaintenanceUnit> {
  const { interval, vacuumInterval, smallFiles, ...rule } = config.delta.maintenance;
  const log = hostLog.child({ plugin: maintenance.plugin.name, worker: MAINTENANCE_WORKER });
  const rounds = new MaintenanceRounds({
    plugin: maintenance.plugin.name,
    engine: await services.delta(),
    store: services.tables,
    settings: {
      smallFiles,
      rule: {
        ...(rule.targetFileBytes !== undefined && { targetBytes: rule.targetFileBytes }),
        smallBytes: rule.smallFileBytes,
        deletedShare: rule.deletedShare,
      },
    },
    vacuumInterval: milliseconds(vacuumInterval),
    retentionOf: async (table) => {
      const sources = maintenance.writers.flatMap(({ tables, consumes }) =>
        consumes !== null && tables.some(({ name }) => name === table) ? [consumes] : [],
      );
      const kept = await Promise.all(
        sources.map(async ({ cluster, topic }) => {
          const described = (await (await clusters.get(cluster)).admin()).describeTopics([topic]);
          const retention = Number((await described).get(topic)?.config?.['retention.ms'] ?? -1);
          return retention < 0 ? Number.POSITIVE_INFINITY : retention;
        }),
      );
      return Math.max(...kept);
    },
    log,
    metrics,
  });
  const cluster = await clusters.get(maintenance.cluster);
  return new MaintenanceUnit({ maintenance, cluster, rounds, interval: milliseconds(interval), log });
}
