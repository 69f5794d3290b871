import {
  AuthError,
  type ErrorCode,
  errorMessage,
  isPipelineError,
  PermanentError,
  type PipelineError,
  TransientError,
} from '@pipeline-host/sdk';
import { parseRetryAfter } from './retry-after.ts';

/** Of a request or an answer: lower-case names; repeated headers joined by `, `. */
export type Headers = Readonly<Record<string, string>>;

/** Whose 401 it is: our credentials' (`request`) or one link's (`link`). */
export type Credential = 'ours' | 'link';

/**
 * The error for an answer that is not a success: 401 by whose credential it is; 408, 429 and 5xx pass, after
 * `Retry-After` where the server names it; every other 4xx is for good; what remains (a redirect without a usable target,
 * 1xx, another 2xx than expected) is asked again.
 */
export function statusFailure(status: number, headers: Headers, place: string, credential: Credential): PipelineError {
  const message = `${place} answered ${status}`;
  const after = parseRetryAfter(headers['retry-after']);
  const details = { place, httpStatus: status, ...(after !== undefined && { retryAfter: after }) };
  if (status === 401) {
    return credential === 'ours'
      ? new AuthError('PH_HTTP_UNAUTHORIZED', message, { place, httpStatus: status })
      : new TransientError('PH_HTTP_LINK_UNAUTHORIZED', message, details);
  }
  if (status === 429) return new TransientError('PH_HTTP_THROTTLED', message, details);
  if (status === 408 || status >= 500) return new TransientError('PH_HTTP_SERVER_ERROR', message, details);
  if (status >= 400) return new PermanentError('PH_HTTP_CLIENT_ERROR', message, { place, httpStatus: status });
  return new TransientError('PH_HTTP_STATUS_UNEXPECTED', message, details);
}

/** The error for an exchange that failed on the wire. `fallback` names what broke where the cause says nothing better. */
export function wireFailure(error: unknown, place: string, fallback: ErrorCode = 'PH_HTTP_CONNECTION'): PipelineError {
  if (isPipelineError(error)) return error;
  const code = codeOf(error);
  if (code.endsWith('_TIMEOUT') || code === 'ETIMEDOUT') {
    return new TransientError('PH_HTTP_TIMEOUT', `${place} did not answer in time (${code})`, { place, cause: error });
  }
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    return new PermanentError('PH_HTTP_REQUEST_INVALID', `the request to ${place} is not valid: ${errorMessage(error)}`, {
      place,
      cause: error,
    });
  }
  return new TransientError(fallback, `${place}: ${code === '' ? '' : `${code} `}${errorMessage(error)}`.trim(), { place, cause: error });
}

/** The error for work that its caller stopped: the caller's own reason where that is one of ours. */
export function abortFailure(signal: AbortSignal, place: string): PipelineError {
  const reason: unknown = signal.reason;
  if (isPipelineError(reason)) return reason;
  return new TransientError('PH_HTTP_ABORTED', `${place} was given up: ${errorMessage(reason)}`, { place, cause: reason });
}

/** A failed connect to a name with several addresses is an AggregateError without a code of its own. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError && error.errors.length > 0 ? codeOf(error.errors[0]) : '';
}
