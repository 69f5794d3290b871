import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import { readCheckpoint } from '../log/checkpoint-reader.ts';
import { commitPath, listLog, logFolder } from '../log/log.ts';
import type { TableState } from '../table-state.ts';
import type { Exclusive } from './optimize.ts';
import { retentionOf } from './retention.ts';

const DELETES_AT_ONCE = 16;
/** Whatever belongs to one version: its commit, its checkpoint, their checksums. */
const OF_VERSION = /^\.?(\d{20})\.(?:json|crc|checkpoint\.)/;

export interface LogCleanupOptions {
  readonly dryRun?: boolean;
  /** Ends it between two files, with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CleanedLog {
  /** Names in `_delta_log`, in the order of versions. Deleted, or in a dry run to be deleted. */
  readonly files: readonly string[];
  /** The oldest version that can still be read; null where nothing goes. */
  readonly oldestVersion: number | null;
}

/**
 * Deletes versions of the log that are older than `delta.logRetentionDuration` (30 days): all before the newest checkpoint
 * that is as old as that, whose own commit stays. The checkpoint that `_last_checkpoint` names stays too, since other
 * readers stop without it. Nothing goes where no checkpoint is that old, where it cannot be read, or where
 * `delta.enableExpiredLogCleanup` is false.
 */
export async function cleanLog(state: TableState, exclusive: Exclusive, options: LogCleanupOptions): Promise<CleanedLog> {
  const { engine, folder } = state;
  await exclusive(() => state.advance());
  const { metaData } = state.check('write');
  const kept: CleanedLog = { files: [], oldestVersion: null };
  if (metaData.configuration?.['delta.enableExpiredLogCleanup']?.toLowerCase() === 'false') return kept;
  const cutoff = Date.now() - retentionOf(metaData, 'delta.logRetentionDuration');
  const { checkpoints } = await listLog(folder);
  const base = await newestUntil(folder, [...checkpoints.keys()], cutoff);
  if (base === null) return kept;
  const hinted = await hintedVersion(folder);
  const prefix = `${logFolder(folder)}/`;
  const names = (await folder.store.names(logFolder(folder))).map((path) => path.slice(prefix.length));
  const expired = names
    .map((name) => ({ name, version: Number(OF_VERSION.exec(name)?.[1] ?? Number.NaN) }))
    .filter(({ name, version }) => version < base && !(version === hinted && name.includes('.checkpoint.')))
    .sort((a, b) => a.version - b.version);
  if (expired.length === 0) return kept;
  // From here on the table stands on this checkpoint.
  const paths = (checkpoints.get(base) ?? []).map((name) => `${prefix}${name}`);
  const actions = await readCheckpoint(engine, folder, paths);
  if (!actions.some(({ protocol }) => protocol !== undefined) || !actions.some((action) => action.metaData !== undefined))
    throw deltaError('PH_DELTA_LOG_DAMAGED', folder.path, `the checkpoint ${paths[0]} holds no protocol or no metadata`);
  if (options.dryRun !== true) {
    for (let at = 0; at < expired.length; at += DELETES_AT_ONCE) {
      options.signal?.throwIfAborted();
      await Promise.all(expired.slice(at, at + DELETES_AT_ONCE).map(({ name }) => folder.store.delete(`${prefix}${name}`)));
    }
  }
  return { files: expired.map(({ name }) => name), oldestVersion: base };
}

/** The newest of the versions that was committed by then. */
async function newestUntil(folder: TableFolder, versions: readonly number[], cutoff: number): Promise<number | null> {
  for (const version of versions.toSorted((a, b) => b - a)) {
    const committed = (await folder.store.stat(commitPath(folder, version)))?.modified;
    if (committed !== undefined && committed <= cutoff) return version;
  }
  return null;
}

async function hintedVersion(folder: TableFolder): Promise<number | null> {
  const hint = await folder.store.get(`${logFolder(folder)}/_last_checkpoint`);
  const version = /"version"\s*:\s*(\d+)/.exec(hint?.toString('utf8') ?? '')?.[1];
  return version === undefined ? null : Number(version);
}
