import { recordBytes } from '../intake/partition-state.ts';
import type { HeldDependency, WorkItem } from '../records/work-item.ts';

/** So many records wait for dependencies in memory, those behind them in their lanes included. */
const MOST_RECORDS = 1_000;

/** What records that wait for a dependency take up, those behind them in their lanes included. */
export class HeldRoom {
  readonly #mostBytes: number;
  #records = 0;
  #bytes = 0;

  /** @param bytes of records that may wait */
  constructor(bytes: number) {
    this.#mostBytes = bytes;
  }

  get isFull(): boolean {
    return this.#records > MOST_RECORDS || this.#bytes > this.#mostBytes;
  }

  /** The record waits from now on, on the clock of whoever holds it, with those behind it. It may have waited before. */
  enter(item: WorkItem, dependency: HeldDependency, since: number): void {
    this.leave(item);
    const behind = item.lane?.waiting ?? [];
    const records = 1 + behind.length;
    const bytes = behind.reduce((sum, { record }) => sum + recordBytes(record), recordBytes(item.record));
    item.hold = { dependency, since, records, bytes };
    this.#add(records, bytes);
  }

  /** One more waits behind the record. */
  grow({ hold }: WorkItem, behind: WorkItem): void {
    if (hold === null) return;
    const bytes = recordBytes(behind.record);
    hold.records++;
    hold.bytes += bytes;
    this.#add(1, bytes);
  }

  leave(item: WorkItem): void {
    if (item.hold === null) return;
    this.#add(-item.hold.records, -item.hold.bytes);
    item.hold = null;
  }

  clear(): void {
    this.#records = 0;
    this.#bytes = 0;
  }

  #add(records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
  }
}
