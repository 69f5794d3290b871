import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import { redactText } from '../observability/redact.ts';

/** What the engine does about a failure: `permanent` dead at once, `transient` retried by policy, `hold` pauses the worker and burns no attempt. */
export type FailureClass = 'permanent' | 'transient' | 'hold';

export interface ClassifiedFailure {
  readonly class: FailureClass;
  readonly code: string;
  /** Redacted, at most 2,000 characters. */
  readonly reason: string;
  /** The class name of what was thrown. */
  readonly name: string;
  readonly error: unknown;
  /** Milliseconds that the other side asked to be left alone. */
  readonly retryAfter: number | undefined;
}

const MAX_REASON = 2_000;
const MAX_NAME = 200;

/** A text as it may stand in a header or a log: redacted, at most 2,000 characters. */
export function shownReason(text: unknown): string {
  // Cut first: an author's text may be as long as a message.
  return redactText(String(text).slice(0, 2 * MAX_REASON)).slice(0, MAX_REASON);
}

/** What a handler gave up by itself with `dead(code, reason)`. */
export function declaredDead(code: unknown, reason: unknown): ClassifiedFailure {
  return {
    class: 'permanent',
    code: String(code).slice(0, MAX_NAME),
    reason: shownReason(reason),
    name: 'Dead',
    error: undefined,
    retryAfter: undefined,
  };
}

/** Anything thrown or returned as an error, with its code and class. What carries no brand is transient: trying again is the safe guess. */
export function classifyFailure(error: unknown): ClassifiedFailure {
  const reason = shownReason(errorMessage(error));
  const name = error instanceof Error ? String(error.name).slice(0, MAX_NAME) : typeof error;
  if (!isPipelineError(error)) return { class: 'transient', code: 'PH_HANDLER_FAILED', reason, name, error, retryAfter: undefined };
  const retryAfter = 'retryAfter' in error && typeof error.retryAfter === 'number' && error.retryAfter >= 0 ? error.retryAfter : undefined;
  const held = error.kind === 'auth' || error.kind === 'unavailable';
  return {
    class: held ? 'hold' : error.kind === 'transient' ? 'transient' : 'permanent',
    code: error.code.slice(0, MAX_NAME),
    reason,
    name,
    error,
    retryAfter,
  };
}
