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

/** Anything thrown or returned as an error, with its code and class. What carries no brand is transient: trying again is the safe guess. */
export function classifyFailure(error: unknown): ClassifiedFailure {
  const reason = redactText(errorMessage(error)).slice(0, MAX_REASON);
  const name = error instanceof Error ? error.name : typeof error;
  if (!isPipelineError(error)) return { class: 'transient', code: 'PH_HANDLER_FAILED', reason, name, error, retryAfter: undefined };
  const retryAfter = 'retryAfter' in error && typeof error.retryAfter === 'number' && error.retryAfter >= 0 ? error.retryAfter : undefined;
  const held = error.kind === 'auth' || error.kind === 'unavailable';
  return {
    class: held ? 'hold' : error.kind === 'transient' ? 'transient' : 'permanent',
    code: error.code,
    reason,
    name,
    error,
    retryAfter,
  };
}
