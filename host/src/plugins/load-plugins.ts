import { pathToFileURL } from 'node:url';
import { definitionKind, errorMessage, FaultList, isPipelineError, PipelineError, type PluginDefinition } from '@pipeline-host/sdk';
import semver from 'semver';
import type { LoadedConfig } from '../config/load.ts';
import { checkDefinition } from './check-definition.ts';
import { checkSchemas } from './check-schemas.ts';
import { faultsOf, throwFaults } from './fault.ts';
import { lookUpPlugins, type PluginSearch } from './find-plugin.ts';
import { importPlace } from './import-place.ts';
import type { PluginPackage } from './manifest.ts';
import { entryFile } from './package-entry.ts';
import { SDK_VERSION } from './sdk-version.ts';
import type { LoadedPlugin } from './topology.ts';

/** Plugins, and the config with their sections checked. */
export interface PluginLoad {
  readonly plugins: readonly LoadedPlugin[];
  readonly config: LoadedConfig;
}

/** What could be loaded, and all that is wrong with the rest and with the config. */
export interface PluginCheck extends PluginLoad {
  readonly faults: readonly PipelineError[];
}

/**
 * Finds, checks and imports plugins, manifest before code.
 *
 * @param values what `--plugin` names: see `findPlugin`
 * @throws FaultList with the faults of all of them and of the config; nothing is half loaded
 */
export async function loadPlugins(values: readonly string[], config: LoadedConfig, cwd: string): Promise<PluginLoad> {
  const { faults, ...load } = await checkPlugins(values, config, cwd);
  throwFaults(faults);
  return load;
}

/** Like {@link loadPlugins}, with the faults beside what is right. */
export async function checkPlugins(values: readonly string[], config: LoadedConfig, cwd: string): Promise<PluginCheck> {
  const { packages, faults } = lookUpPlugins(values, pluginSearch(config, cwd));
  const outcomes = await Promise.all(packages.map(async (plugin) => ({ plugin, outcome: await inspectPlugin(plugin) })));
  const sound = outcomes.flatMap(({ plugin, outcome }) => (isPipelineError(outcome) ? [] : [{ plugin, definition: outcome }]));
  const checked = config.checkPlugins(new Map(sound.map(({ plugin, definition }) => [plugin.manifest.plugin, definition])));
  return {
    config: checked.config,
    plugins: sound.map(({ plugin: { manifest, packageName, version, root }, definition }) => {
      const section = checked.config.config.plugins[manifest.plugin];
      return {
        name: manifest.plugin,
        definition,
        manifest,
        packageName,
        version,
        root,
        prefix: section?.prefix ?? manifest.plugin,
        config: section?.config ?? {},
      };
    }),
    faults: [...faults, ...outcomes.flatMap(({ outcome }) => (isPipelineError(outcome) ? faultsOf(outcome) : [])), ...checked.faults],
  };
}

/** Where plugins of this config are looked for. */
export function pluginSearch({ config, folder }: LoadedConfig, cwd: string): PluginSearch {
  const packages = Object.entries(config.plugins).flatMap(([name, section]) =>
    section.package === undefined ? [] : [[name, section.package] as const],
  );
  return { cwd, folder, packages: new Map(packages) };
}

/** The definition of a package, checked by itself and without any config; or what is wrong with it. */
export async function inspectPlugin(plugin: PluginPackage): Promise<PluginDefinition | PipelineError> {
  const [range] = checkRange(plugin);
  if (range !== undefined) return range;
  const outcome = await importPlugin(plugin);
  if (isPipelineError(outcome)) return outcome;
  const [first, ...others] = checkSchemas(outcome);
  return first === undefined ? outcome : new FaultList([first, ...others]);
}

function checkRange({ manifest, packageName, version, root }: PluginPackage): PipelineError[] {
  if (semver.validRange(manifest.sdk) === null) {
    return [
      new PipelineError('PH_PLUGIN_MANIFEST', `"${manifest.sdk}" is not a range of versions`, {
        place: `${root}/package.json: pipelineHost.sdk`,
        hint: `write one such as "^${SDK_VERSION}"`,
      }),
    ];
  }
  if (semver.satisfies(SDK_VERSION, manifest.sdk, { includePrerelease: true })) return [];
  const message = `${packageName} ${version} works with SDK ${manifest.sdk}, this host has ${SDK_VERSION}`;
  return [new PipelineError('PH_PLUGIN_SDK_RANGE', message, { place: `${root}/package.json: pipelineHost.sdk` })];
}

/** The definition, or what is wrong with it. */
async function importPlugin(plugin: PluginPackage): Promise<PluginDefinition | PipelineError> {
  let file: string;
  let exported: unknown;
  try {
    file = entryFile(plugin);
  } catch (error) {
    if (isPipelineError(error)) return error;
    throw error;
  }
  try {
    exported = ((await import(pathToFileURL(file).href)) as { readonly default?: unknown }).default;
  } catch (error) {
    if (isPipelineError(error)) return error;
    const [firstLine = ''] = errorMessage(error).split('\n');
    return new PipelineError('PH_PLUGIN_IMPORT', `${plugin.packageName} cannot be imported: ${firstLine}`, {
      place: importPlace(error, file),
      cause: error,
    });
  }
  if (definitionKind(exported) !== 'plugin') {
    const what =
      exported === undefined
        ? 'there is no default export'
        : `the default export is ${definitionKind(exported) ?? typeof exported}, not a plugin`;
    return new PipelineError('PH_PLUGIN_EXPORT', what, { place: file });
  }
  // Decoded boundary: the brand says that definePlugin made it.
  const definition = exported as PluginDefinition;
  const [first, ...others] = checkDefinition(definition, plugin.manifest.plugin);
  if (first !== undefined) return new FaultList([first, ...others]);
  if (definition.name !== plugin.manifest.plugin) {
    return new PipelineError(
      'PH_PLUGIN_NAME',
      `the manifest calls the plugin "${plugin.manifest.plugin}", definePlugin calls it "${definition.name}"`,
      { place: file },
    );
  }
  return definition;
}
