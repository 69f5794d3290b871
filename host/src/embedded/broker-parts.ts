import type { GroupCoordinator } from './groups/group-coordinator.ts';
import type { BrokerSettings } from './options.ts';
import type { TopicStore } from './topics/topic-store.ts';

/** A file that can be made durable. */
export interface Flushable {
  flush(): Promise<void>;
}

/** What the handlers work on. */
export interface BrokerParts {
  readonly settings: BrokerSettings;
  readonly clusterId: string;
  readonly topics: TopicStore;
  readonly groups: GroupCoordinator;
  /** A new id for an idempotent producer, never given out twice for a data folder. */
  readonly nextProducerId: () => number;
  /** Waits for the disk where `fsync` is `always`; notes that there is something to flush where it is not. Rejects when the disk fails. */
  readonly settle: (written: Iterable<Flushable>) => Promise<void>;
}

/** The id of the only node. */
export const NODE_ID = 1;
