import { statSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../storage/atomic-file.ts';

/**
 * The mark that an owner sets on the folder before it reads anything. The lock alone says who owns the folder; the mark is for an
 * owner that has lost the lock without noticing, since its lock file was removed or the file system forgot it while the process
 * stood still. It asks before it handles a request and before it answers: what it may no longer keep is not acknowledged.
 */
export interface Fence {
  /** False once another owner has set its mark, or the folder is gone. A few microseconds. */
  isMine(): boolean;
}

export function raiseFence(dataDir: string): Fence {
  const path = join(dataDir, 'owner.json');
  replaceFile(path, `${JSON.stringify({ pid: process.pid, since: new Date().toISOString() })}\n`);
  const mine = identityOf(path);
  return { isMine: () => identityOf(path) === mine };
}

/** A file that was replaced has another inode or, where that number was given out again, another time. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino} ${found.mtimeNs}`;
}
