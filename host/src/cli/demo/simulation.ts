import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { definitionKind, errorMessage, PipelineError, type PluginManifest, type SimulationDefinition } from '@pipeline-host/sdk';

/** A plugin whose manifest names a simulation. */
export interface SimulatedPlugin {
  readonly name: string;
  /** Absolute folder of its package. */
  readonly root: string;
  readonly manifest: PluginManifest;
}

const SOURCE_CONDITION = '@pipeline-host/source';

/**
 * Imports the default export of the manifest's `simulation`. In a workspace that runs from source,
 * `dist/simulation/index.js` stands for `simulation/index.ts`.
 *
 * @throws PipelineError `PH_SIMULATION_MISSING`, `PH_SIMULATION_INVALID`
 */
export async function loadSimulation(plugin: SimulatedPlugin, fromSource = runsFromSource()): Promise<SimulationDefinition> {
  const { simulation } = plugin.manifest;
  const place = `package.json#pipelineHost.simulation of plugin ${plugin.name}`;
  if (simulation === undefined)
    throw new PipelineError('PH_SIMULATION_MISSING', 'the plugin has no simulation', {
      place,
      hint: 'show a plugin that brings one, or give this one a simulation and name it there',
    });
  const file = simulationFile(plugin.root, simulation, fromSource);
  if (file === null) throw new PipelineError('PH_SIMULATION_MISSING', `there is no ${simulation} in ${plugin.root}`, { place });
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  } catch (cause) {
    throw new PipelineError('PH_SIMULATION_INVALID', `${simulation} cannot be imported: ${errorMessage(cause)}`, { place, cause });
  }
  if (definitionKind(module.default) !== 'simulation') {
    throw new PipelineError('PH_SIMULATION_INVALID', `the default export of ${simulation} is no simulation`, { place });
  }
  return module.default as SimulationDefinition;
}

/** The module's file: the built one, or its source where that is what runs or where nothing is built. Null where neither is there. */
export function simulationFile(root: string, path: string, fromSource: boolean): string | null {
  const built = join(root, path);
  const inside = relative(root, built);
  if (inside.startsWith('..') || isAbsolute(inside)) return null;
  const source = join(root, inside.replace(/^dist[/\\]/, '').replace(/\.js$/, '.ts'));
  const found = (fromSource ? [source, built] : [built]).find((file) => existsSync(file));
  return found ?? null;
}

/** Whether this process resolves our packages to their TypeScript sources. */
export function runsFromSource(): boolean {
  return [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((argument) => argument.includes(SOURCE_CONDITION));
}
