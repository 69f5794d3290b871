import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../storage/index.ts';
import { MemoryFiles } from './memory-files.ts';
import { ScratchOwner } from './scratch-owner.ts';

const MEMORY_FOLDER = '/dev/shm';
/** Milliseconds after which a folder says again that its owner lives. */
const SIGN_OF_LIFE = 5 * 60 * 1000;
/** So many milliseconds without a sign of life are the death of an owner that cannot be seen from here. Clocks may differ by most of it. */
const LIFELESS = 2 * 60 * 60 * 1000;

/** Short-lived files that hand bytes to DuckDB, in memory where the machine has room for that, else on disk. */
export interface Scratch {
  /** Writes the bytes to a file, and runs `use` with its absolute path. Afterwards nobody may read it. */
  withFile<T>(bytes: Uint8Array, use: (file: string) => Promise<T>): Promise<T>;
  /** A place for one file on disk, which DuckDB writes itself. Deleted after use. */
  withDiskFile<T>(use: (file: string) => Promise<T>): Promise<T>;
  /** An empty folder on disk. Deleted after use with all that is in it. */
  withFolder<T>(use: (folder: string) => Promise<T>): Promise<T>;
  /** A folder on disk for what DuckDB spills: of no other engine, which would write into the same files. */
  readonly spillFolder: string;
  close(): Promise<void>;
}

/** Opens scratch space below `tempDirectory` and removes what killed processes left. */
export async function openScratch(tempDirectory: string): Promise<Scratch> {
  const owner = await ScratchOwner.find();
  const own = owner.newName();
  const disk = join(tempDirectory, own);
  await makeFolder(join(disk, SPILL));
  const memory = await makeMemoryFolder(own);
  await Promise.all([removeAbandoned(owner, tempDirectory), ...(memory === null ? [] : [removeAbandoned(owner, MEMORY_FOLDER)])]);
  return new TwoFolders(disk, memory);
}

const SPILL = 'spill';

class TwoFolders implements Scratch {
  readonly #disk: string;
  readonly #memory: MemoryFiles | null;
  readonly #signs: NodeJS.Timeout;

  constructor(disk: string, memory: string | null) {
    this.#disk = disk;
    this.#memory = memory === null ? null : new MemoryFiles(memory);
    const folders = memory === null ? [disk] : [disk, memory];
    this.#signs = setInterval(() => {
      // Whoever needs what could not be made is told so then.
      Promise.all([makeFolder(this.spillFolder), ...folders.map(showLife)]).catch(() => {});
    }, SIGN_OF_LIFE).unref();
  }

  get spillFolder(): string {
    return join(this.#disk, SPILL);
  }

  async withFile<T>(bytes: Uint8Array, use: (file: string) => Promise<T>): Promise<T> {
    const file = (await this.#memory?.take(bytes)) ?? null;
    if (this.#memory === null || file === null) return await this.#onDisk(use, bytes);
    try {
      return await use(file.path);
    } finally {
      await this.#memory.give(file);
    }
  }

  withDiskFile<T>(use: (file: string) => Promise<T>): Promise<T> {
    return this.#onDisk(use);
  }

  async withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const folder = join(this.#disk, randomUUID());
    try {
      await makeFolder(folder);
      return await use(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#signs);
    await rm(this.#disk, { recursive: true, force: true });
    await this.#memory?.close();
  }

  async #onDisk<T>(use: (file: string) => Promise<T>, bytes?: Uint8Array): Promise<T> {
    const file = join(this.#disk, randomUUID());
    try {
      await makeFolder(this.#disk);
      if (bytes !== undefined) await writeFile(file, bytes).catch((error: unknown) => Promise.reject(storageError(error, 'write', file)));
      return await use(file);
    } finally {
      await rm(file, { force: true });
    }
  }
}

async function makeMemoryFolder(name: string): Promise<string | null> {
  const folder = join(MEMORY_FOLDER, name);
  try {
    await mkdir(folder);
    return folder;
  } catch {
    return null; // no shared memory on this system, or no right to it: the disk does as well
  }
}

/** A folder that somebody took away, as those who tidy up a machine do with old ones, is made again. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => Promise.reject(storageError(error, 'write', folder)));
}

/** Removes the scratch folders whose owners are dead, or have given no sign of life for long. */
async function removeAbandoned(owner: ScratchOwner, parent: string): Promise<void> {
  const names = await readdir(parent).catch((): readonly string[] => []);
  for (const name of names) {
    const folder = join(parent, name);
    const state = await owner.stateOf(name);
    if (state === 'dead' || (state === 'other' && (await isLifeless(folder))))
      await rm(folder, { recursive: true, force: true }).catch(() => {}); // another user's
  }
}

async function showLife(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now);
}

async function isLifeless(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > LIFELESS;
}
