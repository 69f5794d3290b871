import { milliseconds, type OnRetry, type Outcome, PermanentError, type Retry } from '@pipeline-host/sdk';
import { type ClassifiedFailure, classifyFailure, declaredDead } from '../failure-class.ts';
import type { FailureWindow } from '../outage/failure-window.ts';
import type { Holding } from '../outage/holding.ts';
import { isOutcome } from '../records/outcome-shape.ts';
import type { WorkItem } from '../records/work-item.ts';
import type { Conclusion } from './conclusion.ts';
import type { InPlaceRetry } from './in-place-retry.ts';

export interface OutcomesOptions {
  readonly conclusion: Conclusion;
  readonly holding: Holding;
  readonly inPlace: InPlaceRetry;
  readonly window: FailureWindow;
  /** Whether a failed record waits in a delay lane or in place. */
  readonly onRetry: OnRetry;
}

/** What follows from what a handler said of its record. */
export class Outcomes {
  readonly #options: OutcomesOptions;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  /** Resolves when the record's lane may go on. A second outcome of a record changes nothing. */
  async follow(item: WorkItem, outcome: Outcome): Promise<void> {
    if (item.concluded || item.abandoned || item.state.closed) return;
    item.concluded = true;
    if (!isOutcome(outcome))
      return this.#reject(item, classifyFailure(new PermanentError('PH_HANDLER_OUTCOME', 'the handler returned no outcome')));
    const { conclusion, holding, window } = this.#options;
    switch (outcome.kind) {
      case 'done':
        holding.passed(item);
        return conclusion.send(item, outcome.outputs, 'done');
      case 'skip':
        window.passed();
        holding.ended(item, false);
        return conclusion.send(item, outcome.outputs ?? [], 'skipped');
      case 'dead':
        item.context?.releaseStaged();
        return this.#reject(item, declaredDead(outcome.code, outcome.reason), outcome.outputs);
      case 'retry':
        return this.#tryAgain(item, classifyFailure(outcome.error), askedWait(outcome.after));
    }
  }

  /** Never to succeed. */
  #reject(item: WorkItem, failure: ClassifiedFailure, outputs: (Outcome & { kind: 'dead' })['outputs'] = []): Promise<void> {
    const { conclusion, holding, window } = this.#options;
    window.bad();
    holding.ended(item, false);
    return conclusion.bury(item, failure, 'handle', outputs);
  }

  async #tryAgain(item: WorkItem, failure: ClassifiedFailure, after: number | undefined): Promise<void> {
    const { conclusion, holding, inPlace, onRetry, window } = this.#options;
    if (failure.class === 'permanent') return this.#reject(item, failure);
    if (after !== undefined && failure.class === 'transient') {
      // The author's own timing is no sign of an outage.
      window.passed();
      holding.ended(item, false);
    } else if (holding.takes(item, failure)) return;
    if (onRetry === 'delay') return conclusion.retry(item, failure, after);
    if (inPlace.takes(item, failure, after)) return;
    return conclusion.bury(item, failure, 'handle', []);
  }
}

/** Milliseconds that the handler asked for; undefined where that is no time. */
function askedWait(after: Retry['after']): number | undefined {
  if (after === undefined) return undefined;
  try {
    return milliseconds(after);
  } catch {
    return undefined;
  }
}
