/** What a unit (one worker, one member) is doing. It is stalled when the head is ahead of it and nothing settled within its deadline. */
export type UnitState =
  | { readonly kind: 'starting' | 'idle' | 'working' | 'draining' | 'stopped' }
  | { readonly kind: 'paused' | 'failed'; readonly reason: string; readonly code: string }
  | { readonly kind: 'stalled'; readonly reason: string };

/** Records since the unit started, by what became of them. `received` = `done` + `skipped` + `retried` + `dead` + open. */
export interface UnitCounts {
  readonly received: number;
  readonly done: number;
  readonly skipped: number;
  readonly retried: number;
  readonly dead: number;
}

/**
 * What became of the offsets of one topic, over the partitions that the unit holds and since they were assigned to it:
 * `end` − `start` − `invisible` = `settled` + `open`. Each is a sum over the partitions.
 */
export interface TopicBalance {
  readonly topic: string;
  /** Where the unit began to read: what its group had committed. */
  readonly start: number;
  /** Where the partitions end. */
  readonly end: number;
  /** Offsets at which no record was seen: transaction markers, aborted and compacted records, what retention deleted. */
  readonly invisible: number;
  /** Records that are done, skipped, retried or dead; those that an earlier owner of the partition settled above `start` included. */
  readonly settled: number;
  /** Records that are not, fetched or not. */
  readonly open: number;
  /** What does not add up. Anything but 0 is a defect of the host. */
  readonly missing: number;
}

/** Something that someone should look at while the unit goes on. */
export interface UnitAlert {
  readonly code: string;
  readonly reason: string;
}

/** Records of a worker that wait for one dependency, while what does not need it goes on. */
export interface HeldStatus {
  /** What the failures name, else their code. */
  readonly dependency: string;
  /** Of its last failure. */
  readonly code: string;
  readonly reason: string;
  /** ISO time at which it began to fail. */
  readonly since: string;
  /** Records that wait for it in memory. */
  readonly records: number;
  /** Records of their keys that wait behind them. */
  readonly behind: number;
  /** Records that found no room and were put into delay lanes, without an attempt, since it began to fail. */
  readonly postponed: number;
  /** ISO time of the next probe; null while one is under way, or the records are released. */
  readonly nextProbe: string | null;
}

/** As people read it. */
export function heldReason({ dependency, code, reason, since, records, behind, postponed }: HeldStatus): string {
  const more = [...(behind > 0 ? [`${behind} behind them`] : []), ...(postponed > 0 ? [`${postponed} in delay lanes`] : [])];
  const waiting = [`${records} records wait for it`, ...more].join(', ');
  return `${dependency} fails since ${since}, ${waiting}: ${code === dependency ? '' : `${code}: `}${reason}`;
}

export interface UnitStatus {
  /** `plugin.worker`, with `#2` … for further members in the process. */
  readonly id: string;
  readonly plugin: string;
  readonly worker: string;
  readonly state: UnitState;
  readonly counts: UnitCounts;
  /** Records received and not settled. */
  readonly open: number;
  /** Records that wait in delay lanes of partitions that this unit owns; null until probed. */
  readonly delayed: number | null;
  /** Records ahead of the committed offsets of the owned partitions; null until probed. */
  readonly lag: number | null;
  /** Milliseconds since the oldest open record was received; null where none is open. */
  readonly oldestOpen: number | null;
  readonly partitions: number;
  /** The account of its source and its retry topic; null until probed. */
  readonly balance: readonly TopicBalance[] | null;
  /** Whether the broker keeps commit metadata, so that a crash repeats only what was open or settled since the last commit; null until known. */
  readonly exactResume: boolean | null;
  readonly alerts: readonly UnitAlert[];
  /** Records that wait for a dependency that fails, by dependency. */
  readonly held: readonly HeldStatus[];
  /** Records, since the unit started, that found no room to wait for a dependency and went into delay lanes, each time counted: a part of `retried`. */
  readonly postponed: number;
  /** Of the maintenance alone: its tables, once it had to do with them. */
  readonly tables?: readonly MaintainedTable[];
}

/** Where a unit stands, exactly and now: for whoever must know that nothing is left to be done. */
export interface UnitProgress {
  readonly id: string;
  /** Name of the cluster that it reads from. */
  readonly cluster: string;
  /** Something is in work that ends by itself. What waits for the clock is not in work. */
  readonly isBusy: boolean;
  /** It waits for the end of an outage. */
  readonly isPaused: boolean;
  readonly counts: UnitCounts;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    /** Offset of the next record to be fetched. */
    readonly readTo: number;
    /** Its head waits until it is due, and nothing is fetched meanwhile. */
    readonly waits: boolean;
  }[];
}

/** What came of the last round of maintenance of one table. */
export interface MaintainedTable {
  readonly table: string;
  /** ISO time. */
  readonly at: string;
  /** In words, one for each action that had something to do. */
  readonly did: readonly string[];
  readonly alerts: readonly UnitAlert[];
}

/** What a host starts, shows and stops. */
export interface HostUnit {
  /** Rejects when the unit failed for good. */
  readonly failed: Promise<never>;
  start(): Promise<void>;
  status(): UnitStatus;
  stop(): Promise<void>;
}

export interface HostStatus {
  /** ISO time. */
  readonly startedAt: string;
  readonly version: string;
  /** Names and addresses of the Kafka clusters in use. */
  readonly clusters: readonly { readonly name: string; readonly id: string; readonly brokers: string; readonly embedded: boolean }[];
  readonly units: readonly UnitStatus[];
}
