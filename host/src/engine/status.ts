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
}

export interface HostStatus {
  /** ISO time. */
  readonly startedAt: string;
  readonly version: string;
  /** Names and addresses of the Kafka clusters in use. */
  readonly clusters: readonly { readonly name: string; readonly id: string; readonly brokers: string; readonly embedded: boolean }[];
  readonly units: readonly UnitStatus[];
}
