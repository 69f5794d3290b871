import {
  AuthError,
  errorMessage,
  isPipelineError,
  PermanentError,
  type PipelineError,
  TransientError,
  UnavailableError,
} from '@pipeline-host/sdk';

const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const BAD_PATH: ReadonlySet<string> = new Set(['ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP']);

/** The system's code of a failed call (`ENOENT` …), or null. */
export function errorNumber(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** A branded error for whatever the file system threw. `place` is the file's path, `action` what was tried: "write". */
export function storageError(error: unknown, action: string, place: string): PipelineError {
  if (isPipelineError(error)) return error;
  const code = errorNumber(error) ?? '';
  const details = { place, cause: error };
  if (DENIED.has(code)) return new AuthError('PH_STORAGE_DENIED', `no right to ${action} ${place}`, details);
  if (FULL.has(code)) return new UnavailableError('PH_STORAGE_FULL', `no space left to ${action} ${place}`, details);
  if (BAD_PATH.has(code)) return new PermanentError('PH_STORAGE_PATH', `cannot ${action} ${place}: ${errorMessage(error)}`, details);
  return new TransientError('PH_STORAGE_FAILED', `cannot ${action} ${place}: ${errorMessage(error)}`, details);
}
