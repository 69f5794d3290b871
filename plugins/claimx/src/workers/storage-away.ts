import { isPipelineError, type PipelineError, UnavailableError } from '@pipeline-host/sdk';

/** Answers that speak of the server, not of the file. */
const AWAY: ReadonlySet<number | undefined> = new Set([502, 503, 504]);

/** Whether the server of a link may be back at once: it is not there, or has its own troubles, and names no time. */
export function isAwayForAMoment(error: unknown): boolean {
  return isAway(error) && retryAfterOf(error) === undefined;
}

/** The error as one that burns no attempt of the file where its server is what failed; any other as it is. */
export function withoutBlame(error: unknown): unknown {
  if (!isAway(error)) return error;
  const { message, place, httpStatus } = error;
  const retryAfter = retryAfterOf(error);
  return new UnavailableError('CLAIMX_STORAGE_UNAVAILABLE', message, {
    ...(place !== undefined && { place }),
    ...(httpStatus !== undefined && { httpStatus }),
    ...(retryAfter !== undefined && { retryAfter }),
    cause: error,
  });
}

function isAway(error: unknown): error is PipelineError {
  return isPipelineError(error) && error.kind === 'transient' && (AWAY.has(error.httpStatus) || error.code === 'PH_HTTP_CONNECTION');
}

function retryAfterOf(error: unknown): number | undefined {
  return isPipelineError(error) && 'retryAfter' in error && typeof error.retryAfter === 'number' ? error.retryAfter : undefined;
}
