import { TransientError } from '@pipeline-host/sdk';
import type { RecordContext } from '../records/record-context.ts';
import type { WorkItem } from '../records/work-item.ts';

export interface HandlerDeadlinesOptions {
  /** Milliseconds that a handler may take. */
  readonly timeout: number;
  /** The record's handler is over its deadline and was told to stop. */
  readonly onLate: (item: WorkItem, error: TransientError) => void;
  /** Handlers over their deadline that have not returned: one more, or one less. */
  readonly onOverdue: (by: 1 | -1) => void;
}

/**
 * The handlers in work and their deadlines. One that is over its time is told to stop and its record is retried; whatever
 * it does later changes nothing, and it is named until it returns. Time is that of the monotonic clock: a correction of the
 * wall clock ends no handler.
 */
export class HandlerDeadlines {
  readonly #options: HandlerDeadlinesOptions;
  /** Since when. */
  readonly #inWork = new Map<WorkItem, number>();
  readonly #overdue = new Map<RecordContext, number>();
  /** Runs while a handler does. */
  #timer: NodeJS.Timeout | null = null;

  constructor(options: HandlerDeadlinesOptions) {
    this.#options = options;
  }

  watch(item: WorkItem): void {
    this.#inWork.set(item, performance.now());
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#enforce(), Math.min(250, Math.max(10, this.#options.timeout / 4)));
    this.#timer.unref();
  }

  unwatch(item: WorkItem): void {
    this.#inWork.delete(item);
  }

  #enforce(): void {
    if (this.#inWork.size === 0) {
      this.close();
      return;
    }
    const now = performance.now();
    const { timeout } = this.#options;
    for (const [item, since] of this.#inWork) {
      // A concluded one has said what it has to say: its outputs or `onDead` are under way, with deadlines of their own.
      if (now - since < timeout || item.concluded) continue;
      const error = new TransientError('PH_HANDLER_TIMEOUT', `the handler did not end within ${timeout} ms`);
      const { context } = item;
      if (context !== null) {
        this.#overdue.set(context, now);
        this.#options.onOverdue(1);
        context.abort(error);
        context.log.warn({ error }, 'handler over its deadline: it is told to stop, and its record is tried again');
      }
      this.#options.onLate(item, error);
    }
  }

  /** A call of the handler has ended. */
  returned(context: RecordContext): void {
    const since = this.#overdue.get(context);
    if (since === undefined) return;
    this.#overdue.delete(context);
    this.#options.onOverdue(-1);
    context.log.warn({ late: Math.round(performance.now() - since) }, 'the handler has ended after its deadline: what it says is dropped');
  }

  /** Its assignment is over: whoever still works is told to stop, and is repeated elsewhere. */
  handOver(): void {
    for (const item of this.#inWork.keys()) {
      item.abandoned = true;
      item.context?.abort(new TransientError('PH_HANDLER_TIMEOUT', 'the partition is handed over'));
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
