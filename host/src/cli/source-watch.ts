import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const SOURCE = /\.(?:[cm]?[jt]s|json)$/;
/** Changes of others: they come by the thousand. */
const FOREIGN: ReadonlySet<string> = new Set(['node_modules', '.git', '.pipeline-host']);
/** An editor saves a file in several steps, and a formatter comes after it. */
const QUIET = 100;

export interface SourceWatchOptions {
  readonly folder: string;
  /** A folder that is not watched, should it lie inside. */
  readonly except: string;
  /** Told of the file that changed, relative to the folder; of the last one where several did at once. */
  readonly onChange: (file: string) => void;
}

/** Tells of changes of a plugin's sources until it is disposed of. */
export function watchSources({ folder, except, onChange }: SourceWatchOptions): Disposable {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const changed = (file: string): void => {
    const isOurs = !relative(except, resolve(folder, file)).startsWith('..');
    if (!SOURCE.test(file) || isOurs || file.split(/[\\/]/).some((segment) => FOREIGN.has(segment))) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(file), QUIET);
  };
  // Each folder below by itself: a watch of the whole would walk through node_modules.
  const watchBelow = (): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || FOREIGN.has(entry.name) || watchers.has(entry.name) || join(folder, entry.name) === except) continue;
      const watcher = watch(join(folder, entry.name), { recursive: true }, (_event, name) => {
        if (name !== null) changed(join(entry.name, name));
      });
      // A folder that is deleted: nothing changes in it any more.
      watcher.on('error', () => watchers.delete(entry.name));
      watchers.set(entry.name, watcher);
    }
  };
  const top = watch(folder, (_event, name) => {
    watchBelow();
    if (name !== null) changed(name);
  });
  watchBelow();
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      top.close();
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}
