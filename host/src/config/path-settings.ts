import { resolve } from 'node:path';
import { getAt, isPlainObject, type PlainObject, type SettingPath, setAt } from './setting-path.ts';

/** Settings that name a file or folder. */
const PATHS: readonly SettingPath[] = [
  ['dataDir'],
  ['storage', 'tables'],
  ['storage', 'files'],
  ['storage', 'staging'],
  ['delta', 'tempDirectory'],
];

/** Makes paths absolute in place; URIs stay. A plugin's `package` is a path where it begins with a dot. */
export function resolvePathSettings(config: PlainObject, folderOf: (path: SettingPath) => string): void {
  const packages = isPlainObject(config['plugins']) ? Object.keys(config['plugins']).map((plugin) => ['plugins', plugin, 'package']) : [];
  for (const path of [...PATHS, ...packages]) {
    const value = getAt(config, path);
    if (typeof value !== 'string' || /^[a-z][a-z0-9+.-]+:\/\//i.test(value)) continue;
    if (path.at(-1) !== 'package' || value.startsWith('.')) setAt(config, path, resolve(folderOf(path), value));
  }
}
