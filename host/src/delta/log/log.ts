import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import { type Action, parseCommit, versionName } from './actions.ts';
import { readCheckpoint } from './checkpoint-reader.ts';
import { Snapshot } from './snapshot.ts';

const READS_AT_ONCE = 64;
const COMMIT = /^(\d{20})\.json$/;
const CLASSIC_CHECKPOINT = /^(\d{20})\.checkpoint\.parquet$/;
const CHECKPOINT_PART = /^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$/;
const V2_CHECKPOINT = /^\d{20}\.checkpoint\.[0-9a-fA-F-]{36}\.(parquet|json)$/;

/** What lies in `_delta_log`. */
export interface LogListing {
  readonly commits: ReadonlySet<number>;
  /** Complete checkpoints by version, with their files. */
  readonly checkpoints: ReadonlyMap<number, readonly string[]>;
  readonly hasV2Checkpoint: boolean;
  /** Whether there is any file at all. */
  readonly hasFiles: boolean;
}

export function logFolder(table: TableFolder): string {
  return `${table.path}/_delta_log`;
}

export function commitPath(table: TableFolder, version: number): string {
  return `${logFolder(table)}/${versionName(version)}.json`;
}

/**
 * Reads the newest state of a table; null where its log is provably absent. `_last_checkpoint` is never read: it may be
 * stale or damaged, and the listing says the same. Throws `PH_DELTA_LOG_DAMAGED` for a log with a hole. With `wanted` it
 * reads the state at that version, or throws `PH_DELTA_VERSION` where the log does not hold it.
 */
export async function loadSnapshot(engine: DeltaEngine, table: TableFolder, wanted?: number): Promise<Snapshot | null> {
  const listing = await listLog(table);
  if (listing.commits.size === 0 && listing.checkpoints.size === 0) {
    if (!listing.hasFiles) return null;
    throw damaged(table, 'it holds neither a commit nor a whole checkpoint');
  }
  if (wanted !== undefined) checkHeld(table, wanted, listing);
  const upTo = wanted ?? Number.POSITIVE_INFINITY;
  const { snapshot, versions } = await readBase(engine, table, listing, upTo);
  if (wanted !== undefined) checkReaches(table, wanted, versions.at(-1) ?? snapshot.version);
  for (let at = 0; at < versions.length; at += READS_AT_ONCE) {
    const some = versions.slice(at, at + READS_AT_ONCE);
    const commits = await Promise.all(some.map((version) => readCommit(table, version)));
    for (const [index, version] of some.entries()) {
      const actions = commits[index];
      if (actions === undefined || actions === null) throw damaged(table, `version ${version} vanished while the log was read`);
      snapshot.apply(actions, version);
    }
  }
  if (snapshot.protocol === null || snapshot.metaData === null) throw damaged(table, 'it holds no protocol or no metadata');
  return snapshot;
}

interface Base {
  /** At the version of a checkpoint, or before the first commit. */
  readonly snapshot: Snapshot;
  /** The versions to be applied on top of it, without a hole. */
  readonly versions: readonly number[];
}

/**
 * The newest checkpoint that can be read, with the versions after it. A damaged one is passed over, as by other readers, where
 * an older one or the first commit leads to the same state; else this throws what is wrong with it.
 */
async function readBase(engine: DeltaEngine, table: TableFolder, listing: LogListing, upTo: number): Promise<Base> {
  const newestFirst = [...listing.checkpoints.keys()].filter((version) => version <= upTo).sort((a, b) => b - a);
  let firstFailure: unknown;
  for (const base of [...newestFirst, -1]) {
    try {
      const versions = [...listing.commits].filter((version) => version > base && version <= upTo).sort((a, b) => a - b);
      checkContiguous(table, base, versions, listing);
      const snapshot = await readCheckpointAt(engine, table, listing, base);
      // What a damaged checkpoint stood for has to be reached by commits.
      const reached = versions.at(-1) ?? base;
      if (firstFailure !== undefined && reached < Math.max(...newestFirst)) break;
      return { snapshot, versions };
    } catch (error) {
      if (!isPipelineError(error) || error.code !== 'PH_DELTA_LOG_DAMAGED') throw error;
      firstFailure ??= error;
    }
  }
  throw firstFailure;
}

async function readCheckpointAt(engine: DeltaEngine, table: TableFolder, listing: LogListing, version: number): Promise<Snapshot> {
  const snapshot = new Snapshot();
  const files = listing.checkpoints.get(version);
  if (files === undefined) return snapshot;
  const paths = files.map((name) => `${logFolder(table)}/${name}`);
  snapshot.apply(await readCheckpoint(engine, table, paths), version);
  return snapshot;
}

/** The versions whose commits the log still holds, the newest first; null where there is no log. */
export async function committedVersions(table: TableFolder): Promise<readonly number[] | null> {
  const { commits, hasFiles } = await listLog(table);
  return hasFiles ? [...commits].sort((a, b) => b - a) : null;
}

/** Applies what was committed since; true if anything was. */
export async function advanceSnapshot(table: TableFolder, snapshot: Snapshot): Promise<boolean> {
  const before = snapshot.version;
  for (;;) {
    const actions = await readCommit(table, snapshot.version + 1);
    if (actions === null) return snapshot.version > before;
    snapshot.apply(actions, snapshot.version + 1);
  }
}

/** Whether the log has gone on where the snapshot cannot follow, because versions in between were cleaned up. */
export async function isOvertaken(table: TableFolder, snapshot: Snapshot): Promise<boolean> {
  const { commits, checkpoints } = await listLog(table);
  return !commits.has(snapshot.version + 1) && Math.max(...commits, ...checkpoints.keys(), -1) > snapshot.version;
}

/**
 * Whether the log still holds the version, by one look at its commit. `overtaken`: it was cleaned up, and newer state is
 * there. `gone`: neither is; the folder was moved, deleted, or its volume is not mounted.
 */
export async function findVersion(table: TableFolder, version: number): Promise<'there' | 'overtaken' | 'gone'> {
  if ((await table.store.stat(commitPath(table, version))) !== null) return 'there';
  const { commits, checkpoints } = await listLog(table);
  if (checkpoints.has(version)) return 'there';
  return Math.max(...commits, ...checkpoints.keys(), -1) >= version ? 'overtaken' : 'gone';
}

/** The actions of one version; null where it is not committed yet. */
export async function readCommit(table: TableFolder, version: number): Promise<readonly Action[] | null> {
  const body = await table.store.get(commitPath(table, version));
  if (body === null) return null;
  // A writer that does not commit in one step leaves this behind where it dies; taken for a version, its rows would be lost.
  if (body.length === 0) throw damaged(table, `version ${version} is empty`);
  try {
    return parseCommit(body);
  } catch (error) {
    throw damaged(table, `version ${version} is unreadable (${errorMessage(error)})`);
  }
}

/** What lies in the log, incomplete checkpoints left out. */
export async function listLog(table: TableFolder): Promise<LogListing> {
  const prefix = `${logFolder(table)}/`;
  const commits = new Set<number>();
  const checkpoints = new Map<number, readonly string[]>();
  const parts = new Map<string, string[]>();
  let hasV2Checkpoint = false;
  const listed = await table.store.names(logFolder(table));
  for (const path of listed) {
    const name = path.slice(prefix.length);
    const commit = COMMIT.exec(name);
    const classic = CLASSIC_CHECKPOINT.exec(name);
    const part = CHECKPOINT_PART.exec(name);
    if (commit !== null) commits.add(Number(commit[1]));
    else if (classic !== null) checkpoints.set(Number(classic[1]), [name]);
    else if (part !== null) addPart(parts, checkpoints, name, Number(part[1]), Number(part[3]));
    else if (V2_CHECKPOINT.test(name)) hasV2Checkpoint = true;
  }
  return { commits, checkpoints, hasV2Checkpoint, hasFiles: listed.length > 0 };
}

/** A checkpoint in several parts counts once all its parts are there. */
function addPart(
  parts: Map<string, string[]>,
  checkpoints: Map<number, readonly string[]>,
  name: string,
  version: number,
  total: number,
): void {
  const key = `${version}/${total}`;
  const names = parts.get(key) ?? [];
  names.push(name);
  parts.set(key, names);
  if (names.length === total && !checkpoints.has(version)) checkpoints.set(version, names);
}

function checkContiguous(table: TableFolder, checkpoint: number, versions: readonly number[], listing: LogListing): void {
  for (const [at, version] of versions.entries()) {
    const expected = checkpoint + 1 + at;
    if (version === expected) continue;
    if (listing.hasV2Checkpoint)
      throw deltaError('PH_DELTA_PROTOCOL', table.path, `the table ${table.path} cannot be read: it uses v2Checkpoint`);
    throw damaged(table, `version ${expected} is missing, but version ${version} is there`);
  }
}

/** Whether a version can be read: its commit and all before it since a checkpoint, or since the first, are there. */
function checkHeld(table: TableFolder, wanted: number, { commits, checkpoints, hasV2Checkpoint }: LogListing): void {
  const newest = Math.max(...commits, ...checkpoints.keys());
  const oldest = commits.has(0) ? 0 : Math.min(...checkpoints.keys());
  const refuse = (reason: string) =>
    deltaError('PH_DELTA_VERSION', table.path, `the table ${table.path} cannot be read at version ${wanted}: ${reason}`);
  if (wanted > newest) throw refuse(`the newest is version ${newest}`);
  if (wanted >= oldest || hasV2Checkpoint) return;
  throw refuse(`it was cleaned up, the oldest that can be read is version ${oldest}`);
}

/** Commits between two checkpoints may have been cleaned up: what is left below the wanted version is another one. */
function checkReaches(table: TableFolder, wanted: number, reached: number): void {
  if (reached === wanted) return;
  throw deltaError(
    'PH_DELTA_VERSION',
    table.path,
    `the table ${table.path} cannot be read at version ${wanted}: its commit was cleaned up, the last before it that can be read is version ${reached}`,
  );
}

function damaged(table: TableFolder, reason: string) {
  return deltaError('PH_DELTA_LOG_DAMAGED', table.path, `the log of table ${table.path} is damaged: ${reason}`);
}
