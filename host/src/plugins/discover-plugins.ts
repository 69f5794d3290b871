import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isPipelineError } from '@pipeline-host/sdk';
import { type PluginPackage, readManifest, readPackageJson } from './manifest.ts';

/** How packages of plugins are called: `@pipeline-host/plugin-foo`, `pipeline-host-plugin-foo`, `@team/pipeline-host-plugin-foo`. */
const CONVENTION = /^(@pipeline-host\/plugin-|(@[^/]+\/)?pipeline-host-plugin-)[^/]+$/;

/**
 * The installed plugins: packages by the naming convention with a manifest, in `node_modules` from a folder upward, nearest
 * first, links of workspaces followed. A package whose manifest is broken is left out here, and refused when asked for.
 */
export function discoverPlugins(cwd: string): readonly PluginPackage[] {
  const found = new Map<string, PluginPackage>();
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    for (const { name, path } of packagesIn(join(folder, 'node_modules'))) {
      if (!CONVENTION.test(name)) continue;
      const plugin = readIfPlugin(path);
      if (plugin !== null && ![...found.values()].some(({ packageName }) => packageName === plugin.packageName))
        found.set(plugin.root, plugin);
    }
    if (dirname(folder) === folder) break;
  }
  return [...found.values()].sort((a, b) => (a.manifest.plugin < b.manifest.plugin ? -1 : 1));
}

function packagesIn(folder: string): readonly { readonly name: string; readonly path: string }[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry);
    return entry.startsWith('@')
      ? entriesOf(path).map((name) => ({ name: `${entry}/${name}`, path: join(path, name) }))
      : [{ name: entry, path }];
  });
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readIfPlugin(path: string): PluginPackage | null {
  try {
    const root = realpathSync(path);
    return readPackageJson(root)?.['pipelineHost'] === undefined ? null : readManifest(root);
  } catch (error) {
    if (isPipelineError(error) || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
