/**
 * The host as a library, for programs that run workers in a process of their own and for `pipeline-host.config.ts`:
 *
 * ```ts
 * import type { HostConfigInput } from 'pipeline-host';
 *
 * export default { kafka: { brokers: ['kafka:9092'] } } satisfies HostConfigInput;
 * ```
 */
export type { HostConfig, HostConfigInput } from './config/host-config.ts';
export { type ConfigRequest, type ExplainedSetting, type FlagSetting, type LoadedConfig, loadConfig } from './config/load.ts';
export type { HostOptions, RunningHost } from './engine/host.ts';
export type { HostStatus, MaintainedTable, UnitCounts, UnitState, UnitStatus } from './engine/status.ts';
export { loadPlugins, type PluginLoad } from './plugins/load-plugins.ts';
export type { ResolvedMaintenance } from './plugins/resolve-maintenance.ts';
export { resolveTopology } from './plugins/resolve-topology.ts';
export { selectMaintenance, selectWorkers } from './plugins/select-workers.ts';
export type { LoadedPlugin, ResolvedTable, ResolvedTopic, ResolvedWorker, Topology } from './plugins/topology.ts';
export { startHost } from './supervisor/host.ts';
export { HOST_VERSION } from './version.ts';
