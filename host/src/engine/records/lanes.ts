import type { Order } from '@pipeline-host/sdk';
import type { BatchMark, Lane, WorkItem } from './work-item.ts';

/**
 * Which record may start: one of a key at a time, a key's records in order. A retried record's key counts with its source
 * partition, so that live and retried records of a key share a lane.
 */
export class Lanes {
  readonly #order: Order;
  readonly #lanes = new Map<string, Lane>();
  /** Records whose lane has become free, in the order in which they may start. */
  readonly #ready: WorkItem[] = [];

  constructor(order: Order) {
    this.#order = order;
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  /** The next record whose lane has become free. */
  takeReady(): WorkItem | undefined {
    return this.#ready.shift();
  }

  /** Whether a new record may start, or join the batch in the making. If not, it waits in its lane. */
  admit(item: WorkItem, batch: BatchMark | null): boolean {
    if (this.#lanes.size === 0) return true;
    const key = this.#keyOf(item);
    const lane = key === null ? undefined : this.#lanes.get(key);
    if (lane === undefined) return true;
    item.lane = lane;
    if (batch !== null && lane.batch === batch && lane.waiting.length === 0) return true;
    lane.waiting.push(item);
    return false;
  }

  /** Holds the record's lane, so that the next one of its key waits. */
  enter(item: WorkItem, batch: BatchMark | null): void {
    const key = item.lane === null ? this.#keyOf(item) : null;
    if (key !== null) {
      item.lane = this.#lanes.get(key) ?? this.#open(key);
    }
    if (item.lane !== null) {
      item.lane.inWork++;
      item.lane.batch = batch;
    }
  }

  #open(key: string): Lane {
    const lane: Lane = { key, waiting: [], inWork: 0, batch: null, holder: null, returned: 0 };
    this.#lanes.set(key, lane);
    return lane;
  }

  /** The record's end: the lane goes to the next one that waits. */
  leave(item: WorkItem): void {
    const { lane } = item;
    if (lane === null || --lane.inWork > 0) return;
    lane.batch = null;
    const next = lane.waiting.shift();
    if (next !== undefined) {
      this.#ready.push(next);
      return;
    }
    this.#lanes.delete(lane.key);
  }

  /** A record whose turn has come leaves without entering: it was handled at once, or is left to the next owner. */
  pass(item: WorkItem): void {
    if (item.lane === null) return;
    item.lane.inWork++;
    this.leave(item);
  }

  /**
   * The record keeps its lane while it waits to be tried again. Of several of one key, from one batch, the first keeps it
   * and the others wait behind it, in order: for those the answer is false.
   */
  hold(item: WorkItem): boolean {
    const { lane } = item;
    if (lane === null) return true;
    if (lane.holder === null) {
      lane.holder = item;
      lane.returned = 0;
      return true;
    }
    lane.inWork--;
    lane.waiting.splice(lane.returned++, 0, item);
    return false;
  }

  /** Ends the hold: the record is tried again now, or forgotten. */
  release(item: WorkItem): void {
    if (item.lane === null) return;
    item.lane.inWork--;
    item.lane.holder = null;
  }

  /** Ends the hold without a further try: the record is to leave its lane. */
  unhold(item: WorkItem): void {
    if (item.lane !== null) item.lane.holder = null;
  }

  /** It may start again, before those that wait behind it. */
  readyAgain(item: WorkItem): void {
    this.release(item);
    this.#ready.push(item);
  }

  /** Waiting records of an ended assignment are read again by the next owner. */
  forgetWaiting(): void {
    this.#ready.length = 0;
    for (const [key, lane] of this.#lanes) {
      lane.waiting.length = 0;
      if (lane.inWork === 0) this.#lanes.delete(key);
    }
  }

  #keyOf(item: WorkItem): string | null {
    switch (this.#order) {
      case 'none':
        return null;
      case 'partition':
        return String(item.source);
      case 'key':
        return item.record.key === null ? null : `${item.source}/${item.record.key.toString('latin1')}`;
    }
  }
}
