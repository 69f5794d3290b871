import type { TopicPartition } from '../api/api.ts';
import type { OffsetCommit } from '../groups/offset-store.ts';

/**
 * Prepare… is decided but not everywhere written down; it is completed whatever happens. Complete… is what can be forgotten, but
 * that a producer may ask once more.
 */
export type TransactionState = 'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort';

/** A transactional id with its producer and the last transaction of it. */
export interface Transaction {
  readonly id: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  /** When the transaction began and when the entry last changed, in the broker's time. */
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly partitions: readonly TopicPartition[];
  /** Groups whose offsets the transaction may commit. */
  readonly groups: readonly string[];
  /** Commits that hold if the transaction does; a later one of the same partition replaces an earlier. */
  readonly offsets: readonly PendingOffset[];
}

export interface PendingOffset extends OffsetCommit {
  readonly group: string;
}

export function isDecided({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}

export function hasPartition(transaction: Transaction, topic: string, partition: number): boolean {
  return transaction.partitions.some((known) => known.topic === topic && known.partition === partition);
}
