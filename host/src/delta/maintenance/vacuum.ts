import { vectorPath } from '../deletion-vectors/vector-files.ts';
import { deltaError } from '../delta-errors.ts';
import type { AddFile, RemoveFile } from '../log/actions.ts';
import { decodePath, isAbsolutePath } from '../log/actions.ts';
import type { Snapshot } from '../log/snapshot.ts';
import { decodeSegment } from '../rows/partition-value.ts';
import type { TableState } from '../table-state.ts';
import type { Exclusive } from './optimize.ts';
import { retentionOf } from './retention.ts';

const DELETES_AT_ONCE = 16;
/** What writers of Delta make outside the log. Files of any other kind are somebody's, and stay. */
const DELTA_FILE = /\.(parquet|bin)$/;
/** Commits that a killed writer of another make began; ours are swept with the store's. */
const UNFINISHED_COMMIT = /^_delta_log\/[^/]*\.tmp$/;

export interface VacuumOptions {
  /** Milliseconds that a removed file, and any file that was written, is kept. Default: `delta.deletedFileRetentionDuration`, else 7 days. */
  readonly retention?: number;
  /** Takes a shorter retention than the table's: readers of old versions, and writers that are at work, may lose their files. */
  readonly allowShortRetention?: boolean;
  /** Deletes nothing, and says what would be. */
  readonly dryRun?: boolean;
  /** Ends it between two files, with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Vacuumed {
  /** Below the table's folder, sorted. Deleted, or in a dry run to be deleted. */
  readonly files: readonly string[];
  readonly bytes: number;
  /** Milliseconds. */
  readonly retention: number;
  readonly dryRun: boolean;
}

/**
 * Deletes what no file of the table, no removal within the retention and no deletion vector of either names, and what was
 * not written within the retention: files of killed writers and of versions of the past. Names that begin with `_` or `.`
 * are left, unless a folder is one of a partition column. The log is not told: a version of its own for a
 * table that did not change would only be in the way of writers. Throws `PH_DELTA_RETENTION`.
 */
export async function vacuumTable(state: TableState, exclusive: Exclusive, options: VacuumOptions): Promise<Vacuumed> {
  const { store, path } = state.folder;
  await exclusive(() => state.advance());
  // First the files, then the table: whatever was committed before the listing is known.
  const listed = await store.list(path);
  await exclusive(() => state.advance());
  const { metaData, partitionBy } = state.check('write'); // also VACUUM must know every feature of the table (PROTOCOL.md "VACUUM Protocol Check")
  const own = retentionOf(metaData, 'delta.deletedFileRetentionDuration');
  const retention = options.retention ?? own;
  if (retention < own && options.allowShortRetention !== true) {
    throw deltaError(
      'PH_DELTA_RETENTION',
      path,
      `a retention of ${hours(retention)} is shorter than the ${hours(own)} that table ${path} keeps removed files`,
    );
  }
  const oldest = Date.now() - retention;
  const named = namedFiles(state, oldest);
  const relative = listed.map((file) => ({ ...file, path: file.path.slice(path.length + 1) }));
  const nested = relative.flatMap(({ path: file }) => /^(.+\/)_delta_log\//.exec(file)?.[1] ?? []);
  const unused = relative.filter(
    ({ path: file, modified }) =>
      modified <= oldest && !named.has(file) && isDeltaFile(file, partitionBy) && !nested.some((folder) => file.startsWith(folder)),
  );
  const { dryRun = false, signal } = options;
  if (!dryRun) {
    for (let at = 0; at < unused.length; at += DELETES_AT_ONCE) {
      signal?.throwIfAborted();
      await Promise.all(unused.slice(at, at + DELETES_AT_ONCE).map((file) => store.delete(`${path}/${file.path}`)));
    }
  }
  return {
    files: unused.map((file) => file.path),
    bytes: unused.reduce((sum, { bytes }) => sum + bytes, 0),
    retention,
    dryRun,
  };
}

/** Below the table's folder: every file that the table has, or had within the retention. */
function namedFiles({ folder, snapshot }: TableState, oldest: number): ReadonlySet<string> {
  const named = new Set<string>();
  for (const file of filesAndTombstones(snapshot, oldest)) {
    if (isAbsolutePath(file.path))
      throw deltaError('PH_DELTA_PROTOCOL', folder.path, `the table ${folder.path} cannot be vacuumed: it uses absolute file paths`);
    named.add(decodePath(file.path));
    const vector = file.deletionVector === undefined ? null : vectorPath(folder, file.deletionVector);
    if (vector !== null) named.add(vector.slice(folder.path.length + 1));
  }
  return named;
}

function* filesAndTombstones(snapshot: Snapshot, oldest: number): Generator<AddFile | RemoveFile> {
  yield* snapshot.files.values();
  // A removal without a time may have been a moment ago.
  for (const removed of snapshot.tombstones.values()) if ((removed.deletionTimestamp ?? Number.POSITIVE_INFINITY) > oldest) yield removed;
}

/** Whether a writer of Delta made the file: data, a deletion vector, or a commit that it began. */
export function isDeltaFile(path: string, partitionBy: readonly string[]): boolean {
  if (UNFINISHED_COMMIT.test(path)) return true;
  const isHidden = (segment: string): boolean => /^[_.]/.test(segment) && !isPartitionFolder(segment, partitionBy);
  return DELTA_FILE.test(path) && !path.split('/').some(isHidden);
}

/** Whether a folder is named for a value of a partition column. Writers encode more or fewer characters of the column's name. */
function isPartitionFolder(segment: string, partitionBy: readonly string[]): boolean {
  const [name = '', value] = segment.split('=', 2);
  return value !== undefined && (partitionBy.includes(name) || partitionBy.includes(decodeSegment(name)));
}

function hours(milliseconds: number): string {
  return milliseconds === Number.POSITIVE_INFINITY ? 'unlimited time' : `${Number((milliseconds / 3_600_000).toFixed(2))} hours`;
}
