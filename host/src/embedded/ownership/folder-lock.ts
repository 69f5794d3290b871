import { join } from 'node:path';

/** Held by the process that owns a data folder. The system takes it back when the process dies, however it dies. */
export interface FolderLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes the folder's lock, or gives back undefined when another process (or this one) holds it. Node has no file locks of its own;
 * SQLite, which is part of it, has had portable ones for decades, so an exclusive transaction on an empty database is the lock.
 */
export async function tryLockFolder(dataDir: string): Promise<FolderLock | undefined> {
  // Imported late, so that an old Node can still load this module and say that it is too old.
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(join(dataDir, 'broker.lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
