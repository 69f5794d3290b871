import { type Outcome, PermanentError, type WorkerDefinition } from '@pipeline-host/sdk';
import { failed } from '../records/outcome-shape.ts';
import type { RecordContext } from '../records/record-context.ts';
import type { BatchCall, BatchMark, WorkItem } from '../records/work-item.ts';

export interface BatchCallsOptions {
  readonly definition: WorkerDefinition;
  readonly batchSize: number;
  /** The next record that may start, or may join the batch in the making. */
  readonly next: (batch: BatchMark) => WorkItem | undefined;
  /** Whether a record that waits in its lane may join the batch in the making; else its turn comes after it. */
  readonly mayJoin: (item: WorkItem) => boolean;
  /** Decodes the record; false where it is none and has found its end. */
  readonly begin: (item: WorkItem) => boolean;
  /** Takes a place and the record's lane. */
  readonly occupy: (item: WorkItem, batch: BatchMark) => void;
  /** The handler works on the record from now on. */
  readonly onStarted: (item: WorkItem) => void;
  /** Told the seconds of each call. */
  readonly onHandled: (seconds: number) => void;
  /** What the call said of the record. */
  readonly onOutcome: (item: WorkItem, context: RecordContext, outcome: Outcome) => void;
}

/** Calls of `handleBatch`: for each key an unbroken run of its records, and one call with a key at a time. */
export class BatchCalls {
  readonly #options: BatchCallsOptions;
  #count = 0;

  constructor(options: BatchCallsOptions) {
    this.#options = options;
  }

  /** Calls under way. */
  get count(): number {
    return this.#count;
  }

  /** Starts a call with the records that may start. False where there is none. */
  startNext(): boolean {
    const batch = this.#collect();
    if (batch.length > 0) this.#start(batch);
    return batch.length > 0;
  }

  /** Starts a call with this record by itself. */
  startAlone(item: WorkItem): void {
    if (!this.#options.begin(item)) return;
    const batch = [item];
    this.#options.occupy(item, batch);
    this.#start(batch);
  }

  /** The record gives its place back: the call has ended when all of its records have. */
  leave(item: WorkItem): void {
    if (item.call !== null && --item.call.open === 0) this.#count--;
    item.call = null;
  }

  #collect(): readonly WorkItem[] {
    const { batchSize, begin, mayJoin, next, occupy } = this.#options;
    const batch: WorkItem[] = [];
    const add = (item: WorkItem): boolean => {
      if (!begin(item)) return false;
      occupy(item, batch);
      batch.push(item);
      return true;
    };
    while (batch.length < batchSize) {
      const item = next(batch);
      if (item === undefined) break;
      // One that is not handled may keep its lane: then no other of its key is either.
      let isAdded = add(item);
      while (isAdded && item.lane !== null && batch.length < batchSize) {
        const [follower] = item.lane.waiting;
        if (follower === undefined || !mayJoin(follower)) break;
        item.lane.waiting.shift();
        isAdded = add(follower);
      }
    }
    return batch;
  }

  #start(batch: readonly WorkItem[]): void {
    const { definition, onHandled, onOutcome, onStarted } = this.#options;
    const call: BatchCall = { open: batch.length };
    this.#count++;
    const entries = batch.map((item) => {
      item.call = call;
      onStarted(item);
      return { item, message: item.message, context: item.context as RecordContext };
    });
    const run = async (): Promise<readonly Outcome[]> => {
      const outcomes = await definition.handleBatch?.(entries.map(({ message, context }) => ({ message, context })));
      if (outcomes?.length === batch.length) return outcomes;
      throw new PermanentError(
        'PH_HANDLER_OUTCOME',
        `handleBatch returned ${outcomes?.length ?? 'no'} outcomes for ${batch.length} messages`,
      );
    };
    const began = performance.now();
    void run()
      .finally(() => onHandled((performance.now() - began) / 1000))
      .catch((error: unknown): readonly Outcome[] => {
        for (const item of batch) item.failedTogether = batch.length > 1;
        return batch.map(() => failed(error));
      })
      .then((outcomes) => {
        for (const [index, { item, context }] of entries.entries()) onOutcome(item, context, outcomes[index] as Outcome);
      });
  }
}
