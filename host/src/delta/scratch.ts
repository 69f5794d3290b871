import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorNumber, storageError } from '../storage/index.ts';
import { MemoryFiles } from './memory-files.ts';

const MEMORY_FOLDER = '/dev/shm';
const FOLDER = /^ph-delta-(\d+)-/;

/** Short-lived files that hand bytes to DuckDB, in memory where the machine has room for that, else on disk. */
export interface Scratch {
  /** Writes the bytes to a file, and runs `use` with its absolute path. Afterwards nobody may read it. */
  withFile<T>(bytes: Uint8Array, use: (file: string) => Promise<T>): Promise<T>;
  /** A place for one file on disk, which DuckDB writes itself. Deleted after use. */
  withDiskFile<T>(use: (file: string) => Promise<T>): Promise<T>;
  /** An empty folder on disk. Deleted after use with all that is in it. */
  withFolder<T>(use: (folder: string) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens scratch space below `tempDirectory` and removes what killed processes left. */
export async function openScratch(tempDirectory: string): Promise<Scratch> {
  const own = `ph-delta-${process.pid}-${randomUUID()}`;
  const disk = join(tempDirectory, own);
  try {
    await mkdir(disk, { recursive: true });
  } catch (error) {
    throw storageError(error, 'write', disk);
  }
  const memory = await makeMemoryFolder(own);
  await Promise.all([removeAbandoned(tempDirectory), ...(memory === null ? [] : [removeAbandoned(MEMORY_FOLDER)])]);
  return new TwoFolders(disk, memory === null ? null : new MemoryFiles(memory));
}

class TwoFolders implements Scratch {
  readonly #disk: string;
  readonly #memory: MemoryFiles | null;

  constructor(disk: string, memory: MemoryFiles | null) {
    this.#disk = disk;
    this.#memory = memory;
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
      await mkdir(folder).catch((error: unknown) => Promise.reject(storageError(error, 'write', folder)));
      return await use(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    await rm(this.#disk, { recursive: true, force: true });
    await this.#memory?.close();
  }

  async #onDisk<T>(use: (file: string) => Promise<T>, bytes?: Uint8Array): Promise<T> {
    const file = join(this.#disk, randomUUID());
    try {
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

/** Removes the scratch folders of processes of this machine that live no more. */
async function removeAbandoned(parent: string): Promise<void> {
  const names = await readdir(parent).catch((): readonly string[] => []);
  for (const name of names) {
    const pid = FOLDER.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(parent, name), { recursive: true, force: true }).catch(() => {}); // another user's
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorNumber(error) !== 'ESRCH';
  }
}
