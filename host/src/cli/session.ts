import { FaultList, isPipelineError } from '@pipeline-host/sdk';
import { type ConfigRequest, checkConfig, type FlagSetting, type LoadedConfig, loadConfig } from '../config/load.ts';
import { type Clusters, connectClusters } from '../engine/clusters.ts';
import { createLogger, type HostLog } from '../observability/logger.ts';
import { registerSecret } from '../observability/redact.ts';
import { discoverPlugins } from '../plugins/discover-plugins.ts';
import { faultsOf, throwFaults } from '../plugins/fault.ts';
import { checkPlugins, type PluginCheck } from '../plugins/load-plugins.ts';
import { resolveTopology } from '../plugins/resolve-topology.ts';
import type { Topology } from '../plugins/topology.ts';
import { type CommandFlags, flagSettings } from './command-options.ts';
import { openEmbedded } from './embedded-broker.ts';

/** What a command works on: the config, and the plugins that it is about. */
export interface Session {
  readonly config: LoadedConfig;
  readonly topology: Topology;
}

/** The config alone. @throws FaultList */
export function openConfig(flags: CommandFlags, settings: readonly FlagSetting[] = []): Promise<LoadedConfig> {
  return loadConfig(configRequest(flags, settings));
}

/**
 * Loads the plugins that are named; without names all of the config, else all that are installed.
 *
 * @throws FaultList with the faults of config, plugins and topology at once
 */
export async function openSession(flags: CommandFlags, settings: readonly FlagSetting[] = []): Promise<Session> {
  // Its faults are found again with the plugins, where they are told together.
  const { config } = await checkConfig(configRequest(flags, settings));
  const loaded = await checkPlugins(flags.plugin ?? knownPlugins(config), config, process.cwd());
  for (const secret of loaded.config.secrets) registerSecret(secret);
  const topology = resolveWith(loaded);
  throwFaults(loaded.faults);
  return { config: loaded.config, topology };
}

/** The topology of what could be loaded; its faults come after those of the loading. */
function resolveWith({ config, plugins, faults }: PluginCheck): Topology {
  try {
    return resolveTopology(config.config, plugins);
  } catch (error) {
    if (!isPipelineError(error)) throw error;
    const [first = error, ...others] = [...faults, ...faultsOf(error)];
    throw new FaultList([first, ...others]);
  }
}

function configRequest(flags: CommandFlags, settings: readonly FlagSetting[]): ConfigRequest {
  return {
    cwd: process.cwd(),
    file: flags.config,
    env: process.env,
    flags: [...flagSettings({ flag: '--data', path: ['dataDir'], value: flags.data }), ...settings],
  };
}

/** Names of the plugins in the config; where it has none, packages of those that are installed. */
export function knownPlugins({ config }: LoadedConfig): readonly string[] {
  const configured = Object.keys(config.plugins);
  return configured.length > 0 ? configured : discoverPlugins(process.cwd()).map(({ packageName }) => packageName);
}

/** The clusters of the config, for as long as `use` runs. An embedded broker that nobody runs yet runs as long. */
export async function withClusters<T>(config: LoadedConfig, use: (clusters: Clusters) => Promise<T>): Promise<T> {
  const clusters = connectClusters(config, openEmbedded, commandLog());
  let result: T;
  try {
    result = await use(clusters);
  } catch (error) {
    // What the command failed of is the news, not that closing after it failed too.
    await clusters.close().catch(() => {});
    throw error;
  }
  await clusters.close();
  return result;
}

/** Commands report by what they print; the log is for whoever looks for a bug. */
export function commandLog(): HostLog {
  return createLogger({ level: process.env['PIPELINE_HOST_DEBUG'] === '1' ? 'debug' : 'silent' });
}
