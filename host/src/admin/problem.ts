import { ERROR_CODES, type ErrorCode, isPipelineError } from '@pipeline-host/sdk';
import { redactText } from '../observability/redact.ts';

/** A problem body (RFC 9457) with the stable code and what to do. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly hint: string;
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** A problem of the host's own table. */
export function problem(status: number, code: ErrorCode, title: string, detail?: string): Problem {
  return {
    type: 'about:blank',
    title,
    status,
    code,
    ...(detail !== undefined && { detail: redactText(detail, 500) }),
    hint: ERROR_CODES[code].hint,
  };
}

/** The problem that a thrown error is to the caller. What is not one of our own errors keeps its text for the log. */
export function problemOf(error: unknown): Problem {
  const status = clientStatus(error);
  if (status !== null)
    return problem(status, 'PH_ADMIN_REQUEST_INVALID', 'Bad request', error instanceof Error ? error.message : undefined);
  if (!isPipelineError(error)) return problem(500, 'PH_ADMIN_FAILED', 'Internal error');
  return {
    type: 'about:blank',
    title: 'Internal error',
    status: 500,
    code: error.code,
    detail: redactText(error.message, 500),
    hint: redactText(error.hint, 500),
  };
}

/** Fastify's own errors (malformed body, wrong media type) carry the status that they mean. */
function clientStatus(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return null;
  return typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : null;
}
