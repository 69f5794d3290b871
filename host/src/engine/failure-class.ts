import { errorMessage, isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import { redactText } from '../observability/redact.ts';

/**
 * What the engine does about a failure: `permanent` dead at once, `transient` retried by policy; `unavailable` and `auth`
 * make the record wait for what failed, and burn no attempt.
 */
export type FailureClass = 'permanent' | 'transient' | 'unavailable' | 'auth';

export interface ClassifiedFailure {
  readonly class: FailureClass;
  readonly code: string;
  /** What failed us: a host name, or what the author calls it. */
  readonly dependency: string | undefined;
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
    dependency: undefined,
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
  if (!isPipelineError(error))
    return { class: 'transient', code: 'PH_HANDLER_FAILED', dependency: undefined, reason, name, error, retryAfter: undefined };
  const retryAfter = 'retryAfter' in error && typeof error.retryAfter === 'number' && error.retryAfter >= 0 ? error.retryAfter : undefined;
  return {
    class: error.kind === 'fatal' ? 'permanent' : error.kind,
    code: error.code.slice(0, MAX_NAME),
    dependency: dependencyOf(error),
    reason,
    name,
    error,
    retryAfter,
  };
}

/** Failures of one cause may be one outage: the code, and what it came from. */
export function causeOf({ code, dependency }: ClassifiedFailure): string {
  return dependency === undefined ? code : `${code} of ${dependency}`;
}

/** What the error names, else the host of the URL where it happened. */
function dependencyOf({ dependency, place }: PipelineError): string | undefined {
  if (typeof dependency === 'string' && dependency !== '') return dependency.slice(0, MAX_NAME);
  if (place === undefined || !/^https?:\/\//i.test(place)) return undefined;
  return URL.parse(place)?.host.slice(0, MAX_NAME);
}
