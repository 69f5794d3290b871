import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const SOURCE = /\.(?:[cm]?[jt]s|json)$/;
/** Changes of others: they come by the thousand. */
const FOREIGN: ReadonlySet<string> = new Set(['node_modules', '.git', '.pipeline-host']);
/** An editor saves a file in several steps, and a formatter comes after it. */
const QUIET = 100;

export interface SourceWatchOptions {
  readonly folder: string;
  /** Folders that are not watched, should they lie inside. */
  readonly except: readonly string[];
  /** Told of the file that changed, relative to the folder; of the last one where several did at once. */
  readonly onChange: (file: string) => void;
}

/**
 * Tells of changes of a plugin's sources until it is disposed of. Each folder is watched by itself: a recursive watch walks
 * through node_modules, and on Linux it loses a file that an editor replaces by a new one of its name.
 */
export function watchSources({ folder, except, onChange }: SourceWatchOptions): Disposable {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const isLeftOut = (path: string): boolean => except.some((one) => !relative(one, path).startsWith('..'));
  const changed = (path: string): void => {
    if (!SOURCE.test(path) || isLeftOut(path)) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(relative(folder, path)), QUIET);
  };
  const forget = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  /** @param isNew its files may have come before its watch: they are changes too */
  const watchFolder = (path: string, isNew: boolean): void => {
    if (watchers.has(path) || isLeftOut(path)) return;
    try {
      const watcher = watch(path, (_event, name) => {
        if (name !== null) changed(join(path, name));
        look(path, true);
      });
      watcher.on('error', () => forget(path));
      watchers.set(path, watcher);
      look(path, isNew);
      if (isNew) for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isFile()) changed(join(path, entry.name));
    } catch {
      // Gone again: whoever deleted it has told its parent.
      forget(path);
    }
  };
  const look = (path: string, isNew: boolean): void => {
    try {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isDirectory() && !FOREIGN.has(entry.name)) watchFolder(join(path, entry.name), isNew);
      }
    } catch {
      forget(path);
    }
  };
  watchFolder(resolve(folder), false);
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
