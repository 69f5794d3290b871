import type { KafkaRecord } from '../../kafka/driver.ts';
import { failedAttempts } from '../../retry/headers.ts';
import type { PartitionState } from '../intake/partition-state.ts';
import type { FailingDependency } from '../outage/held-dependency.ts';
import type { RecordContext } from './record-context.ts';
import type { SourceRecord } from './record-writer.ts';

/** A batch in the making or in work; only its identity counts. */
export type BatchMark = readonly WorkItem[];

/** A key's records in order. It exists while one of them is in work or waiting. */
export interface Lane {
  readonly key: string;
  readonly waiting: WorkItem[];
  inWork: number;
  /** The batch that its records are in. */
  batch: BatchMark | null;
  /** The record that keeps the lane while it waits for the end of a failure. */
  holder: WorkItem | null;
  /** How many records of the holder's batch stand at the front of `waiting` again. */
  returned: number;
}

/** One call of a batch handler. */
export interface BatchCall {
  /** Its records that have not given their places back. */
  open: number;
}

/** How often a record met the outage of a dependency, and what the worker had seen when it did so first. */
export interface Strikes {
  readonly dependency: string;
  /** Failures of its own: where the dependency was not asked, none is counted. */
  count: number;
  /** Records that were done until then. */
  readonly done: number;
  /** Records that had met this outage until then, itself included. */
  readonly met: number;
  /** Of its failures since another one was saved that had failed likewise; null before the first. */
  beside: FailuresBeside | null;
}

/** Failures of a record beside a dependency that works for others. */
export interface FailuresBeside {
  /** Failures before which the dependency had worked again since the last. */
  survived: number;
  /** How often it had worked again when that was counted last. */
  recoveries: number;
  /** At the first of them: records of the worker that were done, that had asked in vain, and that were done after that. */
  readonly done: number;
  readonly failed: number;
  readonly saved: number;
}

/** What records of a worker wait for. */
export type HeldDependency = FailingDependency<WorkItem>;

/** A record's place among those that wait for a dependency. */
export interface Hold {
  readonly dependency: HeldDependency;
  /** Since when, on the clock of whoever holds it. */
  readonly since: number;
  /** Itself and those of its key that wait behind it. */
  records: number;
  bytes: number;
}

/** One record on its way through the handler. */
export class WorkItem implements SourceRecord {
  readonly state: PartitionState;
  readonly record: KafkaRecord;
  lane: Lane | null = null;
  call: BatchCall | null = null;
  context: RecordContext | null = null;
  message: unknown;
  /** Epoch milliseconds. */
  startedAt = 0;
  /** Its outcome is decided; what the handler says later changes nothing. */
  concluded = false;
  /** It has given its place back. */
  finished = false;
  /** It waits to be handled again here, in possession of its lane or behind the record that is. */
  held = false;
  /** Null until it meets an outage. */
  strikes: Strikes | null = null;
  /** Where it waits for a dependency, or tries whether that works again. */
  hold: Hold | null = null;
  /** The call of a batch failed as a whole: whose fault it was, nobody knows. */
  failedTogether = false;
  /** Failed attempts that were made in place, one after the other. */
  tries = 0;
  /** When it failed first and kept its key, on the clock of whoever holds it. */
  heldSince: number | null = null;
  /** Its assignment ended while it was handled: it is repeated elsewhere. */
  abandoned = false;

  constructor(state: PartitionState, record: KafkaRecord) {
    this.state = state;
    this.record = record;
  }
  get topic(): string {
    return this.state.topic;
  }
  get partition(): number {
    return this.state.partition;
  }
  get retried(): boolean {
    return this.state.lane !== null;
  }
  get source(): number {
    return this.state.source;
  }
  /** Failed attempts so far. */
  get attempts(): number {
    return failedAttempts(this.record.headers, this.retried) + this.tries;
  }
  /** Its key, or itself where it has none: what an outage counts. */
  get identity(): string {
    const { key, offset } = this.record;
    return key === null ? `${this.topic}/${this.partition}/${offset}` : `${this.source}/${key.toString('latin1')}`;
  }
}
