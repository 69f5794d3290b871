import { type ErrorCode, errorMessage, isPipelineError, type PipelineError, TransientError, UnavailableError } from '@pipeline-host/sdk';

/**
 * The disk's refusals that somebody has to mend stop the worker without burning attempts; any other failure of the disk
 * may pass.
 */
const OUTAGES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'PH_STAGING_FULL',
  EDQUOT: 'PH_STAGING_FULL',
  EACCES: 'PH_STAGING_DENIED',
  EPERM: 'PH_STAGING_DENIED',
  EROFS: 'PH_STAGING_DENIED',
  ENOENT: 'PH_STAGING_LOST',
  ENOTDIR: 'PH_STAGING_LOST',
};

/** The error for a failed file operation in the staging folder `root`. */
export function stagingFailure(error: unknown, root: string): PipelineError {
  if (isPipelineError(error)) return error;
  const code = errorCode(error);
  const outage = Object.hasOwn(OUTAGES, code) ? OUTAGES[code] : undefined;
  const message = `staging folder ${root}: ${errorMessage(error)}`;
  if (outage !== undefined) return new UnavailableError(outage, message, { place: root, cause: error });
  return new TransientError('PH_STAGING_IO', message, { place: root, cause: error });
}

/** The code of a system error, or an empty text. */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
