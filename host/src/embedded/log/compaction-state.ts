import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../storage/atomic-file.ts';

/** How far a log has been compacted. */
export interface CompactionState {
  /** Up to here every key has one record at most, and no record of an aborted transaction is left. */
  readonly cleanedTo: number;
  /** When the first tombstone or marker that waits for its delete horizon may go; null where none waits. */
  readonly nextHorizon: number | null;
}

const FILE = 'compaction.json';

/** A log without the file has not been compacted; losing it costs another compaction. */
export function readCompactionState(folder: string): CompactionState {
  const path = join(folder, FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as CompactionState) : { cleanedTo: 0, nextHorizon: null };
}

export function writeCompactionState(folder: string, state: CompactionState): void {
  replaceFile(join(folder, FILE), `${JSON.stringify(state)}\n`);
}
