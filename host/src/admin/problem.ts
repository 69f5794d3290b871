import { ERROR_CODES, type ErrorCode, isPipelineError } from '@pipeline-host/sdk';
import { type Static, Type } from '@sinclair/typebox';
import { redactText } from '../observability/redact.ts';

/** A problem body (RFC 9457) with the stable code and what to do. */
export const ProblemView = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String(),
  detail: Type.Optional(Type.String()),
  hint: Type.String(),
});
export type Problem = Readonly<Static<typeof ProblemView>>;

/** What the caller asked for cannot be: status and title by code. */
const REFUSALS: ReadonlyMap<string, readonly [status: number, title: string]> = new Map([
  ['PH_ADMIN_CURSOR_INVALID', [400, 'Bad request']],
  ['PH_DLQ_NOT_FOUND', [404, 'Not found']],
  ['PH_DLQ_PAYLOAD_MISSING', [404, 'Record not found']],
  ['PH_DLQ_ALREADY_DISPOSED', [409, 'Conflict']],
  ['PH_DLQ_IN_PROGRESS', [409, 'Conflict']],
  ['PH_DLQ_NOT_REPLAYABLE', [422, 'Not replayable']],
]);

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
  const [refusedWith, title] = REFUSALS.get(error.code) ?? (error.kind === 'unavailable' ? UNAVAILABLE : INTERNAL);
  return {
    type: 'about:blank',
    title,
    status: refusedWith,
    code: error.code,
    detail: redactText(error.message, 500),
    hint: redactText(error.hint, 500),
  };
}

const UNAVAILABLE = [503, 'Unavailable'] as const;
const INTERNAL = [500, 'Internal error'] as const;

/** Fastify's own errors (malformed body, wrong media type) carry the status that they mean. */
function clientStatus(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return null;
  return typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : null;
}
