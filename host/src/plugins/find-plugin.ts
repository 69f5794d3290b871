import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { discoverPlugins } from './discover-plugins.ts';
import { throwFaults } from './fault.ts';
import { type PluginPackage, readManifest, readPackageJson } from './manifest.ts';

/** Where plugins are looked for. */
export interface PluginSearch {
  readonly cwd: string;
  /** Folder of the config file. */
  readonly folder: string;
  /** `plugins.<name>.package` of the config. */
  readonly packages: ReadonlyMap<string, string>;
}

/**
 * The package that a `--plugin` value means: the name of a section of the config that gives its package, a package name, a
 * plain name `foo` (`@pipeline-host/plugin-foo`, `pipeline-host-plugin-foo`, `foo`), or a folder.
 *
 * @throws PipelineError `PH_PLUGIN_NOT_FOUND` with what was tried, `PH_PLUGIN_AMBIGUOUS`, `PH_PLUGIN_MANIFEST`
 */
export function findPlugin(value: string, search: PluginSearch): PluginPackage {
  const configured = search.packages.get(value);
  if (configured === undefined) return findByValue(value, search, `--plugin ${value}`);
  const found = findByValue(configured, search, `plugins.${value}.package`);
  if (found.manifest.plugin !== value) {
    throw new PipelineError(
      'PH_PLUGIN_NAME',
      `plugins.${value}.package is ${configured}, whose plugin is called "${found.manifest.plugin}"`,
      {
        place: join(found.root, 'package.json'),
        hint: `call the section plugins.${found.manifest.plugin}`,
      },
    );
  }
  return found;
}

function findByValue(value: string, search: PluginSearch, place: string): PluginPackage {
  if (isFolder(value)) {
    const root = resolve(search.cwd, value);
    if (!existsSync(root)) throw new PipelineError('PH_PLUGIN_NOT_FOUND', `there is no folder ${root}`, { place });
    return readManifest(realpathSync(root));
  }
  const names = /^[a-z0-9-]+$/.test(value) ? [`@pipeline-host/plugin-${value}`, `pipeline-host-plugin-${value}`, value] : [value];
  const tried: string[] = [];
  const found = new Map<string, string>();
  for (const name of names) {
    for (const from of new Set([search.cwd, search.folder])) {
      const root = findPackage(name, from);
      if (root === null) continue;
      // A library that happens to have the name of a plugin is none.
      if (names.length > 1 && readPackageJson(root)?.['pipelineHost'] === undefined) tried.push(`${name} (found, but not a plugin)`);
      else found.set(root, name);
    }
    if (!tried.some((text) => text.startsWith(`${name} `)) && ![...found.values()].includes(name)) tried.push(name);
  }
  const [first, ...others] = found;
  if (first === undefined) throw notFound(value, tried, search, place);
  if (others.length > 0) {
    throw new PipelineError(
      'PH_PLUGIN_AMBIGUOUS',
      `"${value}" may be ${[...found].map(([root, name]) => `${name} in ${root}`).join(' or ')}`,
      { place },
    );
  }
  return readManifest(first[0]);
}

function isFolder(value: string): boolean {
  return isAbsolute(value) || value.startsWith('.') || (value.includes('/') && !value.startsWith('@')) || value.includes('\\');
}

/** The nearest `node_modules/<name>` from a folder upward, links followed. */
export function findPackage(name: string, from: string): string | null {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', ...name.split('/'));
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
    if (dirname(folder) === folder) return null;
  }
}

function notFound(value: string, tried: readonly string[], search: PluginSearch, place: string): PipelineError {
  const installed = discoverPlugins(search.cwd).map(({ manifest }) => manifest.plugin);
  const known = [...new Set([...installed, ...search.packages.keys()])];
  const from = [...new Set([search.cwd, search.folder])].join(' or ');
  return new PipelineError('PH_PLUGIN_NOT_FOUND', `no plugin "${value}"; tried the packages ${tried.join(', ')} from ${from}`, {
    place,
    hint: didYouMean(
      value,
      known,
      known.length === 0
        ? 'install the package, or give its folder: --plugin ./folder'
        : `install it, give its folder, or take one of ${list(known)}`,
    ),
  });
}

/** All of them, with every fault at once; the same package asked for twice counts once. @throws FaultList */
export function findPlugins(values: readonly string[], search: PluginSearch): readonly PluginPackage[] {
  const { packages, faults } = lookUpPlugins(values, search);
  throwFaults(faults);
  return packages;
}

/** Like {@link findPlugins}, with the faults beside what was found. */
export function lookUpPlugins(
  values: readonly string[],
  search: PluginSearch,
): { readonly packages: readonly PluginPackage[]; readonly faults: readonly PipelineError[] } {
  const found = new Map<string, PluginPackage>();
  const faults: PipelineError[] = [];
  for (const value of values) {
    try {
      const plugin = findPlugin(value, search);
      found.set(plugin.root, plugin);
    } catch (error) {
      if (!isPipelineError(error)) throw error;
      faults.push(error);
    }
  }
  for (const [name, [first, second]] of Map.groupBy(found.values(), ({ manifest }) => manifest.plugin)) {
    if (first === undefined || second === undefined) continue;
    faults.push(
      new PipelineError('PH_PLUGIN_DUPLICATE', `two plugins are called "${name}": ${first.packageName} and ${second.packageName}`, {
        place: `${first.root}, ${second.root}`,
      }),
    );
  }
  return { packages: [...found.values()], faults };
}
