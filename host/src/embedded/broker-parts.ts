import type { GroupCoordinator } from './groups/group-coordinator.ts';
import type { BrokerSettings } from './options.ts';
import type { Flushable } from './storage/flushable.ts';
import type { TopicStore } from './topics/topic-store.ts';
import type { TransactionCoordinator } from './transactions/transaction-coordinator.ts';

/** What the handlers work on. */
export interface BrokerParts {
  readonly settings: BrokerSettings;
  readonly clusterId: string;
  readonly topics: TopicStore;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  /** A new id for an idempotent producer, never given out twice for a data folder. */
  readonly nextProducerId: () => number;
  /** Waits for the disk where `fsync` is `always`; notes that there is something to flush where it is not. Rejects when the disk fails. */
  readonly settle: (written: Iterable<Flushable>) => Promise<void>;
}

/** The id of the only node. */
export const NODE_ID = 1;
