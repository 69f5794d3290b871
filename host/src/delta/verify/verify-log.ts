import { isPipelineError } from '@pipeline-host/sdk';
import type { TableFolder } from '../data-files.ts';
import { vectorPath } from '../deletion-vectors/vector-files.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import { type Action, type AddFile, decodePath, isAbsolutePath, type RemoveFile, versionName } from '../log/actions.ts';
import { readCheckpoint } from '../log/checkpoint-reader.ts';
import { type LogListing, listLog, logFolder, readCommit } from '../log/log.ts';
import { Snapshot } from '../log/snapshot.ts';
import { checkpointDifferences } from './checkpoint-differences.ts';
import type { Findings } from './findings.ts';

/**
 * Replays the whole log: no version is missing, each checkpoint is what the commits before it make, and the hint is to one
 * that is there.
 *
 * @returns the files that any version names, below the table's folder
 */
export async function verifyLog(engine: DeltaEngine, table: TableFolder, findings: Findings): Promise<ReadonlySet<string>> {
  const listing = await listLog(table);
  const { commits, checkpoints } = listing;
  await verifyHint(table, listing, findings);
  const named = new Set<string>();
  let replay: { readonly snapshot: Snapshot; readonly isComplete: boolean } | null = null;
  const first = firstVersion(listing);
  if (first === 0) replay = { snapshot: new Snapshot(), isComplete: true };
  const newest = Math.max(-1, ...commits, ...checkpoints.keys());
  for (let version = first; version <= newest; version += 1) {
    const files = checkpoints.get(version);
    const actions = commits.has(version) ? await readVersion(table, version, findings) : null;
    if (actions === null) {
      // The first one may be a checkpoint alone: all before it was cleaned up.
      if (!commits.has(version) && (version > first || files === undefined))
        findings.fault('versions', { file: commitName(version), is: 'missing', should: `there, as the log goes on to version ${newest}` });
      replay = null;
    } else {
      nameFiles(table, actions, named);
      replay?.snapshot.apply(actions, version);
    }
    if (files === undefined) continue;
    const held = await readState(engine, table, version, files, findings);
    if (held === null) continue;
    nameFiles(table, held.actions, named);
    if (replay === null) replay = { snapshot: held.snapshot, isComplete: false };
    else {
      const file = `_delta_log/${files[0]}`;
      for (const difference of checkpointDifferences(replay, held.snapshot, held.written))
        findings.fault('checkpoints', { file, ...difference });
    }
  }
  return named;
}

/** Where the versions that can be read begin: what a cleanup left before it is nobody's promise. */
function firstVersion({ commits, checkpoints }: LogListing): number {
  if (commits.has(0) || checkpoints.size === 0) return 0;
  const oldest = Math.min(...commits);
  const versions = [...checkpoints.keys()].sort((a, b) => a - b);
  return versions.find((version) => version >= oldest - 1) ?? versions.at(-1) ?? 0;
}

async function readVersion(table: TableFolder, version: number, findings: Findings): Promise<readonly Action[] | null> {
  findings.looked('versions');
  try {
    return await readCommit(table, version);
  } catch (error) {
    findings.fault('versions', { file: commitName(version), is: damage(error), should: 'JSON, one action a line' });
    return null;
  }
}

async function readState(
  engine: DeltaEngine,
  table: TableFolder,
  version: number,
  names: readonly string[],
  findings: Findings,
): Promise<{ readonly snapshot: Snapshot; readonly actions: readonly Action[]; readonly written: number } | null> {
  findings.looked('checkpoints');
  const paths = names.map((name) => `${logFolder(table)}/${name}`);
  const stats = await Promise.all(paths.map((path) => table.store.stat(path)));
  try {
    const actions = await readCheckpoint(engine, table, paths);
    const snapshot = new Snapshot();
    snapshot.apply(actions, version);
    return { snapshot, actions, written: Math.max(...stats.map((stat) => stat?.modified ?? Date.now())) };
  } catch (error) {
    findings.fault('checkpoints', { file: `_delta_log/${names[0]}`, is: damage(error), should: 'a checkpoint that can be read' });
    return null;
  }
}

/** What is said of a damaged log. Rethrows any other error. */
export function damage(error: unknown): string {
  if (isPipelineError(error) && error.code === 'PH_DELTA_LOG_DAMAGED') return error.message;
  throw error;
}

/** Other readers stop at a hint to a checkpoint that is not there. */
async function verifyHint(table: TableFolder, { checkpoints }: LogListing, findings: Findings): Promise<void> {
  const hint = await table.store.get(`${logFolder(table)}/_last_checkpoint`);
  if (hint === null) return;
  findings.looked('checkpoints');
  const file = '_delta_log/_last_checkpoint';
  const version = hintedVersion(hint.toString('utf8'));
  if (version === null) findings.fault('checkpoints', { file, is: 'no JSON with a version', should: 'the version of a checkpoint' });
  else if (!checkpoints.has(version))
    findings.fault('checkpoints', {
      file,
      is: `version ${version}, of which there is no whole checkpoint`,
      should: checkpoints.size === 0 ? 'not there' : `one of ${[...checkpoints.keys()].join(', ')}`,
    });
}

function hintedVersion(text: string): number | null {
  try {
    const hint: unknown = JSON.parse(text);
    return typeof hint === 'object' && hint !== null && 'version' in hint && Number.isSafeInteger(hint.version)
      ? Number(hint.version)
      : null;
  } catch {
    return null; // told as a fault
  }
}

function nameFiles(table: TableFolder, actions: readonly Action[], named: Set<string>): void {
  for (const { add, remove } of actions) for (const file of [add, remove]) if (file !== undefined) nameFile(table, file, named);
}

function nameFile(table: TableFolder, file: AddFile | RemoveFile, named: Set<string>): void {
  try {
    if (!isAbsolutePath(file.path)) named.add(decodePath(file.path));
    const { deletionVector } = file;
    // Another storage type is refused where the file is in the table, and is no file of this folder.
    const vector = deletionVector?.storageType === 'u' ? vectorPath(table, deletionVector) : null;
    if (vector !== null) named.add(vector.slice(table.path.length + 1));
  } catch (error) {
    // A path that is none is told where the file is looked at, if the table still has it.
    if (!(error instanceof URIError || error instanceof RangeError)) throw error;
  }
}

function commitName(version: number): string {
  return `_delta_log/${versionName(version)}.json`;
}
