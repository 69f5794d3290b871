import type { ObjectStore } from '../../storage/index.ts';
import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import type { CommitInfo } from './actions.ts';
import { committedVersions, readCommit } from './log.ts';

/** One version of a table, as its writer described it. */
export interface HistoryEntry {
  readonly version: number;
  /** Null where the writer said nothing of itself. */
  readonly commit: CommitInfo | null;
}

/**
 * The versions whose commits the log still holds, the newest first; of tables too whose rows we cannot read. Throws
 * `PH_DELTA_ABSENT` where there is no log.
 */
export async function readHistory(store: ObjectStore, path: string, limit = Number.POSITIVE_INFINITY): Promise<readonly HistoryEntry[]> {
  const folder: TableFolder = { store, path };
  const versions = await committedVersions(folder);
  if (versions === null) throw deltaError('PH_DELTA_ABSENT', path, `there is no Delta table at ${store.uri}/${path}`);
  const entries: HistoryEntry[] = [];
  for (const version of versions.slice(0, limit)) {
    const actions = await readCommit(folder, version);
    // Cleaned up since the log was listed, and all older ones with it.
    if (actions === null) break;
    entries.push({ version, commit: actions.find((action) => action.commitInfo !== undefined)?.commitInfo ?? null });
  }
  return entries;
}
