import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, type Dirent } from 'node:fs';
import { link, lstat, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { PermanentError } from '@pipeline-host/sdk';
import { checkObjectPath, type LocalFiles, type ObjectBody, type ObjectStat, type ObjectStore, type PutOptions } from './object-store.ts';
import { errorNumber, storageError } from './storage-error.ts';

/** Names of writes in progress: `.<uuid>.part`; the object's own name may already be as long as a name can be. A killed process leaves them; nobody lists or reads them, and a sweep deletes them. */
const PART = /^\..*\.part$/;
const STAT_AT_ONCE = 64;

/** A store in a folder of this machine. The folder need not exist yet. */
export function openLocalStore(root: string): ObjectStore {
  return new LocalStore(resolve(root));
}

class LocalStore implements ObjectStore {
  readonly uri: string;
  readonly local: LocalFiles;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    this.uri = pathToFileURL(root).href;
    this.local = {
      path: (path) => this.#absolute(path, 'folder'),
      sync: (paths) => this.#sync(paths),
      sweep: (olderThan) => this.#sweep(olderThan),
    };
  }

  async get(path: string): Promise<Buffer | null> {
    const file = await this.#guarded(path);
    return this.#unlessAbsent('read', file, async () => {
      await using handle = await open(file, 'r');
      return await handle.readFile();
    });
  }

  async getRange(path: string, offset: number, length: number): Promise<Buffer | null> {
    const file = await this.#guarded(path);
    return this.#unlessAbsent('read', file, async () => {
      await using handle = await open(file, 'r');
      const buffer = Buffer.alloc(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    });
  }

  async read(path: string): Promise<Readable> {
    const file = await this.#guarded(path);
    const handle = await this.#unlessAbsent('read', file, () => open(file, 'r'));
    if (handle === null) throw new PermanentError('PH_STORAGE_ABSENT', `there is no object ${file}`, { place: file });
    return handle.createReadStream();
  }

  async stat(path: string): Promise<ObjectStat | null> {
    const file = await this.#guarded(path);
    const found = await this.#unlessAbsent('look at', file, () => stat(file));
    return found?.isFile() ? { path, bytes: found.size, modified: Math.round(found.mtimeMs) } : null;
  }

  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<void> {
    const file = await this.#guarded(path);
    const part = await this.#writePart(file, body, options);
    try {
      await rename(part, file);
      await syncFolder(dirname(file));
    } catch (error) {
      throw storageError(error, 'write', file);
    } finally {
      await rm(part, { force: true });
    }
  }

  async putIfAbsent(path: string, body: ObjectBody, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const file = await this.#guarded(path);
    // link() is the one call that is atomic in name and content: rename() would replace, open('wx') shows a half-written file.
    const part = await this.#writePart(file, body, options);
    try {
      await link(part, file);
      await syncFolder(dirname(file));
      return 'created';
    } catch (error) {
      if (errorNumber(error) === 'EEXIST') return 'exists';
      throw storageError(error, 'write', file);
    } finally {
      await rm(part, { force: true });
    }
  }

  async list(folder: string): Promise<readonly ObjectStat[]> {
    const paths = await this.names(folder);
    const stats: ObjectStat[] = [];
    for (let at = 0; at < paths.length; at += STAT_AT_ONCE) {
      const found = await Promise.all(paths.slice(at, at + STAT_AT_ONCE).map((path) => this.#statListed(path)));
      for (const one of found) if (one !== null) stats.push(one); // deleted since the folder was read
    }
    return stats;
  }

  async names(folder: string): Promise<readonly string[]> {
    const start = await this.#guarded(folder, 'folder');
    const paths: string[] = [];
    const folders = [{ absolute: start, prefix: folder === '' ? '' : `${folder}/` }];
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      const { absolute, prefix } = next;
      const entries: readonly Dirent[] =
        (await this.#unlessAbsent('list', absolute, () => readdir(absolute, { withFileTypes: true }))) ?? [];
      for (const entry of entries) {
        if (entry.isDirectory()) folders.push({ absolute: join(absolute, entry.name), prefix: `${prefix}${entry.name}/` });
        else if (entry.isFile() && !PART.test(entry.name)) paths.push(prefix + entry.name);
      }
    }
    return paths.sort();
  }

  async delete(path: string): Promise<void> {
    const file = await this.#guarded(path);
    try {
      await rm(file, { force: true });
    } catch (error) {
      throw storageError(error, 'delete', file);
    }
  }

  #absolute(path: string, kind: 'object' | 'folder'): string {
    return join(this.#root, checkObjectPath(path, kind));
  }

  async #statListed(path: string): Promise<ObjectStat | null> {
    const file = join(this.#root, path);
    const found = await this.#unlessAbsent('look at', file, () => lstat(file));
    return found === null ? null : { path, bytes: found.size, modified: Math.round(found.mtimeMs) };
  }

  /** The absolute path, after a check that no symbolic link on the way leads out of the root. */
  async #guarded(path: string, kind: 'object' | 'folder' = 'object'): Promise<string> {
    const file = this.#absolute(path, kind);
    const root = await realPathOrNull(this.#root);
    if (root === null) return file;
    for (let at = file; at.length > this.#root.length; at = dirname(at)) {
      const real = await realPathOrNull(at);
      if (real === null && !(await isDanglingLink(at))) continue;
      if (real === null || (real !== root && !real.startsWith(root + sep))) {
        throw new PermanentError(
          'PH_STORAGE_PATH',
          `the object path ${JSON.stringify(path)} is refused: a symbolic link leads out of the store`,
          {
            place: at,
            hint: 'remove the symbolic link, or make its target the root of a store',
          },
        );
      }
      break;
    }
    return file;
  }

  async #writePart(file: string, body: ObjectBody, options: PutOptions): Promise<string> {
    const part = join(dirname(file), `.${randomUUID()}.part`);
    try {
      if (options.folder !== 'existing') await makeFolder(dirname(file));
      if (body instanceof Uint8Array) {
        await using handle = await open(part, 'wx');
        await handle.writeFile(body);
        await handle.sync();
      } else {
        await pipeline(createReadStream(body.file), createWriteStream(part, { flags: 'wx', flush: true }));
      }
      return part;
    } catch (error) {
      await rm(part, { force: true }).catch(() => {}); // the first failure is the one to report
      throw storageError(error, 'write', file);
    }
  }

  async #sync(paths: readonly string[]): Promise<void> {
    const folders = new Set<string>();
    for (const path of paths) {
      const file = await this.#guarded(path);
      // Every folder up to the root: the writer of the file may have made any of them.
      for (let at = dirname(file); at.length >= this.#root.length; at = dirname(at)) folders.add(at);
    }
    try {
      await Promise.all([...paths.map((path) => this.#absolute(path, 'object')), ...folders].map(syncFile));
    } catch (error) {
      throw storageError(error, 'write', this.#root);
    }
  }

  async #sweep(olderThan: number): Promise<number> {
    const before = Date.now() - olderThan;
    let deleted = 0;
    const folders = [this.#root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const path = folder;
      const entries: readonly Dirent[] = (await this.#unlessAbsent('list', path, () => readdir(path, { withFileTypes: true }))) ?? [];
      for (const entry of entries) {
        const file = join(path, entry.name);
        if (entry.isDirectory()) folders.push(file);
        if (!entry.isFile() || !PART.test(entry.name)) continue;
        const found = await this.#unlessAbsent('look at', file, () => lstat(file));
        if (found === null || found.mtimeMs > before) continue;
        await this.#unlessAbsent('delete', file, () => rm(file, { force: true }));
        deleted++;
      }
    }
    return deleted;
  }

  async #unlessAbsent<T>(action: string, file: string, run: () => Promise<T>): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      if (errorNumber(error) === 'ENOENT') return null;
      throw storageError(error, action, file);
    }
  }
}

async function realPathOrNull(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorNumber(error) === 'ENOENT') return null;
    throw storageError(error, 'look at', path);
  }
}

async function isDanglingLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Makes a folder and its parents, durably: the entry of a new folder is lost in a power cut until its parent is synced. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, 'r');
  await handle.sync();
}

const syncFolder = syncFile;
