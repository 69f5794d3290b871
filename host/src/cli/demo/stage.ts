import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Log, PipelineError, type RunningSimulation } from '@pipeline-host/sdk';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { discoverPlugins } from '../../plugins/discover-plugins.ts';
import { findPlugins } from '../../plugins/find-plugin.ts';
import { loadPlugins } from '../../plugins/load-plugins.ts';
import type { PluginPackage } from '../../plugins/manifest.ts';
import { resolveTopology } from '../../plugins/resolve-topology.ts';
import type { Topology } from '../../plugins/topology.ts';
import { loadSimulation } from './simulation.ts';

/** The demo's config file, in its data folder. */
export const DEMO_CONFIG = 'pipeline-host.config.json';

/** A plugin's package with its running simulation. */
export interface StagedPlugin {
  readonly name: string;
  readonly package: PluginPackage;
  readonly simulation: RunningSimulation;
}

/**
 * The plugins that the demo shows: those that were named, or all installed ones that bring a simulation.
 *
 * @throws PipelineError `PH_DEMO_NOTHING`, or FaultList where a named one cannot be found
 */
export function demoPlugins(named: readonly string[], cwd: string): readonly PluginPackage[] {
  if (named.length > 0) return findPlugins(named, { cwd, folder: cwd, packages: new Map() });
  const found = discoverPlugins(cwd);
  const simulated = found.filter(({ manifest }) => manifest.simulation !== undefined);
  if (simulated.length > 0) return simulated;
  const installed =
    found.length === 0 ? 'no plugin is installed' : `none of ${found.map(({ manifest }) => manifest.plugin).join(', ')} has a simulation`;
  throw new PipelineError('PH_DEMO_NOTHING', `there is nothing to show: ${installed}`, { place: cwd });
}

/** Imports and starts the simulations. Each is handed to `own` as soon as it runs, so that it is stopped whatever comes after. */
export async function startSimulations(
  packages: readonly PluginPackage[],
  options: {
    readonly seed: number;
    readonly messages: number | undefined;
    readonly log: Log;
    readonly own: (simulation: RunningSimulation) => void;
  },
): Promise<readonly StagedPlugin[]> {
  const staged: StagedPlugin[] = [];
  for (const each of packages) {
    const name = each.manifest.plugin;
    const definition = await loadSimulation({ name, root: each.root, manifest: each.manifest });
    const simulation = await definition.start({ seed: options.seed, messages: options.messages, log: options.log });
    options.own(simulation);
    staged.push({ name, package: each, simulation });
  }
  return staged;
}

/**
 * The demo's own config: nothing of the user's config file or environment, so that a demo in a folder that is configured
 * for production touches nothing there. It lies in the data folder as a file, for the other commands to be pointed at.
 */
export async function demoConfig(folder: string, staged: readonly StagedPlugin[]): Promise<LoadedConfig> {
  const file = join(folder, DEMO_CONFIG);
  const plugins = Object.fromEntries(staged.map(({ name, package: { root } }) => [name, { package: root }]));
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify({ dataDir: '.', kafka: { brokers: 'embedded' }, plugins }, null, 2)}\n`);
  const flags = staged.map(({ name, simulation }) => ({
    flag: `simulation of ${name}`,
    path: ['plugins', name],
    value: simulation.config,
  }));
  return loadConfig({ cwd: folder, file, env: {}, flags });
}

/** Imports the plugins and resolves their topology. */
export async function demoTopology(
  config: LoadedConfig,
  staged: readonly StagedPlugin[],
  cwd: string,
): Promise<{ readonly config: LoadedConfig; readonly topology: Topology }> {
  const loaded = await loadPlugins(
    staged.map(({ name }) => name),
    config,
    cwd,
  );
  return { config: loaded.config, topology: resolveTopology(loaded.config.config, loaded.plugins) };
}
