import { TxnConflictError } from '../delta-errors.ts';
import type { WriteOptions, WriteTxn } from '../table-contract.ts';
import type { Action } from './actions.ts';
import type { Snapshot } from './snapshot.ts';

/** Whether all of a write is in the table already. */
export function areWritten(snapshot: Snapshot, txns: readonly WriteTxn[] = []): boolean {
  return txns.length > 0 && txns.every((txn) => isWritten(snapshot, txn));
}

/** Throws {@link TxnConflictError} naming the txns that are in the table already, or that moved on since the caller looked: rows would be there twice. */
export function refuseWrittenTxns(table: string, snapshot: Snapshot, { txns = [], reads = [] }: WriteOptions): void {
  const written = txns.filter((txn) => isWritten(snapshot, txn) || hasMovedOn(snapshot, txn));
  const moved = reads.filter(({ appId, version }) => (snapshot.txns.get(appId)?.version ?? null) !== version);
  if (written.length > 0 || moved.length > 0)
    throw new TxnConflictError(
      table,
      [...written, ...moved].map(({ appId }) => appId),
    );
}

export function txnIds(txns: readonly WriteTxn[]): readonly string[] {
  return txns.map((txn) => txn.appId);
}

/** App ids that a write relies on and does not write. */
export function readIds({ reads = [] }: WriteOptions): readonly string[] {
  return reads.map(({ appId }) => appId);
}

/** One action for each app id, with its greatest version: a commit may not hold two (PROTOCOL.md "Transaction Identifiers"). */
export function txnActions(txns: readonly WriteTxn[] = []): readonly Action[] {
  const versions = new Map<string, bigint>();
  for (const { appId, version } of txns) {
    const other = versions.get(appId);
    versions.set(appId, other === undefined || version > other ? version : other);
  }
  const lastUpdated = Date.now();
  return [...versions].map(([appId, version]) => ({ txn: { appId, version, lastUpdated } }));
}

function hasMovedOn(snapshot: Snapshot, { appId, after }: WriteTxn): boolean {
  return after !== undefined && (snapshot.txns.get(appId)?.version ?? null) !== after;
}

function isWritten(snapshot: Snapshot, txn: WriteTxn): boolean {
  const last = snapshot.txns.get(txn.appId)?.version;
  return last !== undefined && last >= txn.version;
}
