import type { ObjectStat, ObjectStore } from '../../storage/index.ts';
import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import { listLog, loadSnapshot, logFolder } from '../log/log.ts';
import type { Snapshot } from '../log/snapshot.ts';
import { isDeltaFile } from '../maintenance/vacuum.ts';
import { TableState } from '../table-state.ts';
import { type CheckCount, Findings, type VerifyFault } from './findings.ts';
import { storedTypes, verifyFile } from './verify-files.ts';
import { verifyKey } from './verify-key.ts';
import { damage, verifyLog } from './verify-log.ts';
import { verifyPartitions } from './verify-partitions.ts';

export interface VerifyOptions {
  /** The columns that name a row, each with the other names that it may have: then no two rows may have the same. */
  readonly mergeKey?: readonly (string | readonly string[])[];
}

export interface Verified {
  /** Null where the newest version cannot be read. */
  readonly version: number | null;
  readonly checks: readonly CheckCount[];
  readonly faults: readonly VerifyFault[];
  /** Files that no version in the log names: of killed writers, of writers at work, of versions that were cleaned up. No fault. */
  readonly unnamed: { readonly files: readonly string[]; readonly bytes: number };
  /** Commits that a writer of another make began and left, below the table's folder. No fault. */
  readonly unfinishedCommits: readonly string[];
}

/**
 * Holds what is on disk against what the log promises: every version and checkpoint, every data file of the newest version
 * with its size, schema, statistics and deletion vector, and the merge key. Holds one data file at a time; a merge key's
 * rows spill to disk. Throws `PH_DELTA_ABSENT`, and `PH_DELTA_PROTOCOL` for a table that we do not know to read; whatever
 * is wrong with the table itself is a fault of the result.
 */
export async function verifyTable(engine: DeltaEngine, store: ObjectStore, path: string, options: VerifyOptions = {}): Promise<Verified> {
  const table: TableFolder = { store, path };
  if (!(await listLog(table)).hasFiles) throw deltaError('PH_DELTA_ABSENT', path, `there is no Delta table at ${store.uri}/${path}`);
  // Before the log is read: the files of a commit that comes meanwhile are no orphans.
  const listed = await store.list(path);
  const findings = new Findings();
  const named = await verifyLog(engine, table, findings);
  const snapshot = await loadSnapshot(engine, table).catch((error: unknown) => {
    const is = damage(error);
    if (findings.faults.length === 0) findings.fault('versions', { file: '_delta_log', is, should: 'a log that can be read' });
    return null;
  });
  const state = snapshot === null ? null : stateOf(engine, table, snapshot, findings);
  if (state !== null) await verifyState(state, options, findings);
  return {
    version: snapshot?.version ?? null,
    checks: findings.counts(),
    faults: findings.faults,
    ...leftOver(table, listed, named, snapshot?.metaData?.partitionColumns ?? []),
  };
}

function stateOf(engine: DeltaEngine, table: TableFolder, snapshot: Snapshot, findings: Findings): TableState | null {
  try {
    return new TableState(engine, table, snapshot, undefined);
  } catch (error) {
    findings.fault('schema', { file: '_delta_log', is: damage(error), should: 'the schema of a table' });
    return null;
  }
}

async function verifyState(
  { engine, folder, snapshot, shape }: TableState,
  { mergeKey }: VerifyOptions,
  findings: Findings,
): Promise<void> {
  const files = [...snapshot.files.values()];
  await verifyPartitions(engine, shape, files, findings);
  const verification = { engine, table: folder, shape, types: await storedTypes(engine, shape), findings };
  let areReadable = !findings.faults.some((fault) => fault.check === 'partitions');
  for (const file of files) if (!(await verifyFile(verification, file))) areReadable = false;
  // Among rows that cannot all be read, nothing is known of their keys.
  if (mergeKey !== undefined && areReadable) await verifyKey(engine, folder, shape, files, mergeKey, findings);
}

function leftOver(
  table: TableFolder,
  listed: readonly ObjectStat[],
  named: ReadonlySet<string>,
  partitionBy: readonly string[],
): Pick<Verified, 'unnamed' | 'unfinishedCommits'> {
  const relative = listed.map((file) => ({ ...file, path: file.path.slice(table.path.length + 1) }));
  const inner = relative.flatMap(({ path }) => /^(.+\/)_delta_log\//.exec(path)?.[1] ?? []);
  const isOwn = (path: string): boolean => isDeltaFile(path, partitionBy) && !inner.some((folder) => path.startsWith(folder));
  const log = `${logFolder(table).slice(table.path.length + 1)}/`;
  const unnamed = relative.filter(({ path }) => !path.startsWith(log) && !named.has(path) && isOwn(path));
  return {
    unnamed: { files: unnamed.map(({ path }) => path), bytes: unnamed.reduce((sum, { bytes }) => sum + bytes, 0) },
    unfinishedCommits: relative.filter(({ path }) => path.startsWith(log) && path.endsWith('.tmp')).map(({ path }) => path),
  };
}
