import {
  errorMessage,
  type Failure,
  isPipelineError,
  type Output,
  PermanentError,
  TransientError,
  type WorkerDefinition,
} from '@pipeline-host/sdk';
import { type ClassifiedFailure, classifyFailure, shownReason } from '../failure-class.ts';
import type { Intake } from '../intake/intake.ts';
import type { SettledAs } from '../intake/tally.ts';
import type { RecordContext } from '../records/record-context.ts';
import type { RecordWriter } from '../records/record-writer.ts';
import type { WorkItem } from '../records/work-item.ts';

/** A failing `onDead` is tried so often before the dead letter goes out without its outputs. */
const ON_DEAD_ATTEMPTS = 3;

export interface ConclusionOptions {
  readonly intake: Intake;
  readonly definition: WorkerDefinition;
  readonly writer: RecordWriter;
  /** Milliseconds that `onDead` may take. */
  readonly timeout: number;
  /** Something was acknowledged: more may start. */
  readonly onAcknowledged: () => void;
  /** Something that no retry mends: the unit fails and the partition waits. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * Brings records to their end: outputs, retry copies and dead letters are acknowledged by Kafka, and only then is the
 * record settled. Methods return when everything is queued in order; acknowledgements may still be on their way.
 */
export class Conclusion {
  readonly #options: ConclusionOptions;
  #unacknowledged = 0;

  constructor(options: ConclusionOptions) {
    this.#options = options;
  }

  /** Records whose outputs, copies or dead letters are on their way to the broker. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  async send(item: WorkItem, outputs: readonly Output[], as: 'done' | 'skipped'): Promise<void> {
    if (outputs.length === 0) return this.#settle(item, as);
    let encoded: ReturnType<RecordWriter['encode']>;
    try {
      encoded = this.#options.writer.encode(outputs, item);
    } catch (error) {
      return this.bury(item, classifyFailure(error), 'handle', []);
    }
    const large = this.#options.writer.large(encoded);
    if (large.length > 0) {
      try {
        await this.#options.writer.checkSizes(large);
      } catch (error) {
        return this.bury(item, classifyFailure(error), 'handle', []);
      }
      if (item.state.closed || item.abandoned) return;
    }
    this.#acknowledge(item, this.#options.writer.send(encoded), as);
  }

  /** Into its delay lane, or dead where the attempts are used up. */
  async retry(item: WorkItem, failure: ClassifiedFailure, after: number | undefined): Promise<void> {
    const attempts = item.attempts + 1;
    const written = this.#options.writer.retry(item, { failure, stage: 'handle', attempts }, after);
    if (written === 'exhausted') return this.bury(item, failure, 'handle', []);
    this.#acknowledge(item, written, 'retried');
  }

  /** Into a delay lane that waits about so long, for a dependency that does not work. */
  postpone(item: WorkItem, failure: ClassifiedFailure, heldBy: string, wait: number): void {
    this.#acknowledge(item, this.#options.writer.postpone(item, failure, item.attempts, heldBy, wait), 'retried');
  }

  /** Outputs of `onDead` first, then the dead letter, then the record is settled. */
  async bury(item: WorkItem, failure: ClassifiedFailure, stage: 'decode' | 'handle', outputs: readonly Output[]): Promise<void> {
    const attempts = item.attempts + 1;
    const { writer, definition } = this.#options;
    let onDeadError: string | undefined;
    let all = outputs;
    if (stage === 'handle' && definition.onDead !== undefined) {
      const told = await this.#tellAuthor(item, { code: failure.code, reason: failure.reason, attempts, error: failure.error });
      // Handed over while the author was told: the next owner comes to the same end.
      if (item.state.closed || item.abandoned) return;
      if (typeof told === 'string') onDeadError = told;
      else all = [...outputs, ...told];
    }
    let encoded: ReturnType<RecordWriter['encode']> = [];
    try {
      const outgoing = writer.encode(all, item, 'dead');
      const large = writer.large(outgoing);
      if (large.length > 0) {
        await writer.checkSizes(large);
        if (item.state.closed || item.abandoned) return;
      }
      encoded = outgoing;
    } catch (error) {
      onDeadError = shownReason(errorMessage(error));
    }
    const written = writer
      .send(encoded)
      .catch((error: unknown) => {
        if (!isPermanent(error)) throw error;
        onDeadError = shownReason(errorMessage(error));
      })
      .then(() => writer.deadLetter(item, { failure, stage, attempts, ...(onDeadError !== undefined && { onDeadError }) }));
    this.#acknowledge(item, written, 'dead');
  }

  /** Calls `onDead`; its outputs, or the text of its last error. */
  async #tellAuthor(item: WorkItem, failure: Failure): Promise<readonly Output[] | string> {
    let last = '';
    for (let attempt = 1; attempt <= ON_DEAD_ATTEMPTS; attempt++) {
      try {
        return await this.#callOnDead(item, failure);
      } catch (error) {
        last = shownReason(errorMessage(error));
        item.context?.log.error({ error }, 'onDead failed');
        if (isPipelineError(error) && error.code === 'PH_HANDLER_TIMEOUT') break;
      }
    }
    return last;
  }

  async #callOnDead(item: WorkItem, failure: Failure): Promise<readonly Output[]> {
    const { definition, timeout } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new TransientError('PH_HANDLER_TIMEOUT', `onDead did not end within ${timeout} ms`)), timeout);
    });
    try {
      const outputs: unknown = await Promise.race([definition.onDead?.(item.message, failure, item.context as RecordContext), late]);
      if (outputs === undefined) return [];
      if (Array.isArray(outputs)) return outputs as readonly Output[];
      throw new PermanentError('PH_HANDLER_OUTCOME', 'onDead returned no list of outputs');
    } finally {
      clearTimeout(timer);
    }
  }

  #acknowledge(item: WorkItem, written: Promise<void>, as: SettledAs): void {
    this.#unacknowledged++;
    written.then(
      () => {
        this.#unacknowledged--;
        this.#settle(item, as);
        this.#options.onAcknowledged();
      },
      (error: unknown) => {
        this.#unacknowledged--;
        if (item.state.closed) this.#options.onAcknowledged();
        else if (as !== 'dead' && isPermanent(error)) void this.bury(item, classifyFailure(error), 'handle', []);
        else this.#options.onFatal(error);
      },
    );
  }

  #settle(item: WorkItem, as: SettledAs): void {
    if (as === 'done' || as === 'skipped') item.context?.releaseStaged();
    this.#options.intake.settle(item.state, item.record, as);
    if (as === 'done') item.context?.tellAcknowledged();
  }
}

function isPermanent(error: unknown): boolean {
  return isPipelineError(error) && error.kind === 'permanent';
}
