import type { Readable } from 'node:stream';
import { PermanentError } from '@pipeline-host/sdk';

/** What is known of an object without reading it. */
export interface ObjectStat {
  /** Path below the store's root, `/`-separated. */
  readonly path: string;
  readonly bytes: number;
  /** Time of the last write, epoch milliseconds. */
  readonly modified: number;
}

export interface PutOptions {
  /** `existing`: the write fails where the folder of the object is not there, and makes none. Stores without folders pay no heed. */
  readonly folder?: 'made' | 'existing';
}

/** The body of a write: bytes, or a file of this machine, which is copied and left where it is. */
export type ObjectBody = Uint8Array | { readonly file: string };

/**
 * Whole objects below one root. Paths are relative and `/`-separated; `..`, absolute paths, NUL and backslashes are
 * refused (`PH_STORAGE_PATH`), and so is whatever leads out of the root by a symbolic link. When a write resolves, it
 * is durable; a reader sees the old object or the new one, never a part. Failures: `PH_STORAGE_DENIED` (no rights),
 * `PH_STORAGE_FULL`, `PH_STORAGE_FAILED`.
 */
export interface ObjectStore {
  /** The root, e.g. `file:///data/tables`. */
  readonly uri: string;
  /** The whole object, or null where there is none. */
  get(path: string): Promise<Buffer | null>;
  /** `length` bytes from `offset`, fewer at the end of the object; null where there is none. */
  getRange(path: string, offset: number, length: number): Promise<Buffer | null>;
  /** A stream of the object. Throws `PH_STORAGE_ABSENT` where there is none. */
  read(path: string): Promise<Readable>;
  stat(path: string): Promise<ObjectStat | null>;
  /** Writes or replaces the object. Creates folders, unless told otherwise. */
  put(path: string, body: ObjectBody, options?: PutOptions): Promise<void>;
  /** Writes the object only if there is none, atomically also against other processes: of several callers exactly one gets `created`. */
  putIfAbsent(path: string, body: ObjectBody, options?: PutOptions): Promise<'created' | 'exists'>;
  /** All objects below a folder (`''` is the root), recursively, sorted by path. Writes in progress are not listed. */
  list(folder: string): Promise<readonly ObjectStat[]>;
  /** The paths of {@link list}: cheaper by far where a folder holds thousands of objects. */
  names(folder: string): Promise<readonly string[]>;
  /** Removes the object; none there is fine. */
  delete(path: string): Promise<void>;
  /** Only stores on this machine's disk have it: other programs may read, and create files, there. */
  readonly local?: LocalFiles;
}

/** Direct access to the files of a store that lies on this machine's disk. */
export interface LocalFiles {
  /** The absolute path of an object or folder. */
  path(path: string): string;
  /** Makes files that another library wrote in place durable, with the folders that hold them. */
  sync(paths: readonly string[]): Promise<void>;
  /** Deletes writes in progress whose last byte was written so many milliseconds ago; gives their number. */
  sweep(olderThan: number): Promise<number>;
}

/** Returns the path, or throws `PH_STORAGE_PATH` for one that could leave the root. `''` names the root, for folders only. */
export function checkObjectPath(path: string, kind: 'object' | 'folder' = 'object'): string {
  const fault = path === '' ? (kind === 'folder' ? null : 'it is empty') : pathFault(path);
  if (fault !== null) {
    throw new PermanentError('PH_STORAGE_PATH', `the object path ${JSON.stringify(path.slice(0, 200))} is refused: ${fault}`, {
      hint: 'object paths are relative, separated by /, without . and .. segments',
    });
  }
  return path;
}

function pathFault(path: string): string | null {
  if (path.includes('\0')) return 'it holds a NUL';
  if (path.includes('\\')) return 'it holds a backslash';
  if (path.startsWith('/')) return 'it is absolute';
  for (const segment of path.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '.' || segment === '..') return `it has a ${segment} segment`;
  }
  return null;
}
