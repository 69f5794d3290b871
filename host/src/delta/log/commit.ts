import { randomUUID } from 'node:crypto';
import type { TableFolder } from '../data-files.ts';
import { CommitConflictError, type ConflictRule, TableGoneError, TxnConflictError } from '../delta-errors.ts';
import { type Action, type CommitInfo, commitBody, pathKey } from './actions.ts';
import { advanceSnapshot, commitPath, findVersion, readCommit } from './log.ts';
import type { Snapshot } from './snapshot.ts';

const MOST_LOST_RACES = 1000;
const ENGINE_INFO = 'pipeline-host/0.1.0';

/** What a commit wants to add to the log, and what it has seen of the table. */
export interface CommitRequest {
  readonly actions: readonly Action[];
  readonly operation: string;
  readonly operationParameters: Readonly<Record<string, string>>;
  readonly operationMetrics?: Readonly<Record<string, string>>;
  /**
   * `nothing`: an append, right whatever others wrote. `added`: an append that looked at the rows which are there, wrong if
   * any were added since. `table`: any row added or removed since makes it wrong. `removed`: a compaction, which looked at
   * no file but those that it replaces by the same rows.
   */
  readonly reads: 'nothing' | 'added' | 'table' | 'removed';
  /** App ids that it relies on beside those that it writes: a commit of one of them before it is a conflict. */
  readonly readTxns?: readonly string[];
}

export interface Committed {
  readonly version: number;
  /** Races lost on the way. */
  readonly retries: number;
}

/**
 * Commits by put-if-absent on top of the snapshot, and again on top of whoever was first, as long as Delta's conflict
 * rules allow. The snapshot has moved to the committed version, or on a conflict to the newest one. Throws
 * {@link TxnConflictError}, {@link CommitConflictError} or {@link TableGoneError}: then nothing of the request is in the
 * table. Any other error leaves that open: read `txn` again before writing again.
 */
export async function commitActions(table: TableFolder, snapshot: Snapshot, request: CommitRequest): Promise<Committed> {
  const txnId = randomUUID();
  for (let retries = 0; retries <= MOST_LOST_RACES; retries += 1) {
    const version = snapshot.version + 1;
    const actions: readonly Action[] = [{ commitInfo: commitInfo(request, snapshot.version, txnId) }, ...request.actions];
    await checkPredecessor(table, snapshot.version);
    if (await putCommit(table, version, actions, txnId)) {
      snapshot.apply(actions, version);
      return { version, retries };
    }
    const winner = await readCommit(table, version);
    // A retried request may meet its own success: the store says "exists", and it is ours.
    if (winner !== null && isOurs(winner, txnId)) {
      snapshot.apply(winner, version);
      return { version, retries };
    }
    if (winner === null) throw new CommitConflictError(table.path, 'TooManyRetries', version); // deleted between two calls: somebody cleans up a live log
    const foreignTxns = sharedAppIds(request, winner);
    snapshot.apply(winner, version);
    if (foreignTxns.length > 0) {
      await advanceSnapshot(table, snapshot);
      throw new TxnConflictError(table.path, foreignTxns);
    }
    const rule = conflictRule(request, winner);
    if (rule !== null) throw new CommitConflictError(table.path, rule, version);
  }
  throw new CommitConflictError(table.path, 'TooManyRetries', snapshot.version);
}

/** The rule by which the request cannot follow the winning commit, or null (concurrency control of Delta, WriteSerializable for appends). */
export function conflictRule(request: Pick<CommitRequest, 'actions' | 'reads'>, winner: readonly Action[]): ConflictRule | null {
  const readsAdded = request.reads === 'table' || request.reads === 'added';
  const removed = new Set(request.actions.flatMap((action) => (action.remove === undefined ? [] : [pathKey(action.remove.path)])));
  for (const action of winner) {
    if (action.protocol !== undefined) return 'ProtocolChanged';
    if (action.metaData !== undefined) return 'MetadataChanged';
    if (action.remove !== undefined && removed.has(pathKey(action.remove.path))) return 'ConcurrentDeleteDelete';
    if (action.remove !== undefined && request.reads === 'table' && action.remove.dataChange !== false) return 'ConcurrentDeleteRead';
    // An upsert by key would make the key twice if it ignored blind appends, as Delta otherwise does.
    if (action.add !== undefined && readsAdded && action.add.dataChange !== false) return 'ConcurrentAppend';
  }
  return null;
}

function sharedAppIds({ actions, readTxns = [] }: CommitRequest, winner: readonly Action[]): readonly string[] {
  const wanted = new Set([...readTxns, ...actions.flatMap((action) => (action.txn === undefined ? [] : [action.txn.appId]))]);
  return winner.flatMap((action) => (action.txn !== undefined && wanted.has(action.txn.appId) ? [action.txn.appId] : []));
}

/** A commit without those before it would be a table that nobody can open, so none is made in a folder that lost them. */
async function checkPredecessor(table: TableFolder, version: number): Promise<void> {
  if (version < 0) return;
  const found = await findVersion(table, version);
  if (found === 'gone') throw new TableGoneError(table.path);
  // Cleaned up while others went on: the next version may be one of the past.
  if (found === 'overtaken' && (await readCommit(table, version + 1)) === null)
    throw new CommitConflictError(table.path, 'TooManyRetries', version);
}

/** False if another commit has the version. */
async function putCommit(table: TableFolder, version: number, actions: readonly Action[], txnId: string): Promise<boolean> {
  try {
    return (
      (await table.store.putIfAbsent(commitPath(table, version), commitBody(actions), { folder: version === 0 ? 'made' : 'existing' })) ===
      'created'
    );
  } catch (error) {
    // A time-out says nothing about what the store did.
    const stored = await readCommit(table, version).catch(() => null);
    if (stored !== null && isOurs(stored, txnId)) return true;
    throw error;
  }
}

function isOurs(actions: readonly Action[], txnId: string): boolean {
  return actions.some((action) => action.commitInfo?.txnId === txnId);
}

const ISOLATION = { nothing: 'WriteSerializable', added: 'Serializable', table: 'Serializable', removed: 'SnapshotIsolation' } as const;

function commitInfo(request: CommitRequest, readVersion: number, txnId: string): CommitInfo {
  const { operation, operationParameters, operationMetrics, reads } = request;
  return {
    timestamp: Date.now(),
    operation,
    operationParameters,
    ...(readVersion >= 0 && { readVersion }),
    isolationLevel: ISOLATION[reads],
    isBlindAppend: reads === 'nothing',
    ...(operationMetrics !== undefined && { operationMetrics }),
    engineInfo: ENGINE_INFO,
    txnId,
  };
}
