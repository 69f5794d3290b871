import { ERROR_CODES, type ErrorEntry, type ErrorKind, type ExitCode } from './error-codes.ts';

/** A code of the host's own table. Plugins add codes of their own in the same style, e.g. `ORDERS_URL_EXPIRED`. */
export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** Where: a config path, a file and line, or plugin/worker/topic/partition/offset. */
  readonly place?: string;
  /** What to do; overrides the hint of the table. */
  readonly hint?: string;
  /** The status of the HTTP answer that this failure is about. */
  readonly httpStatus?: number;
  /** What failed us, by a short constant name. Many failures of one code and dependency are an outage; default the host of a URL in `place`. */
  readonly dependency?: string;
  readonly cause?: unknown;
}

/** A failure that may pass can also say how long to wait before the next try. */
export interface RetryableDetails extends ErrorDetails {
  /** Milliseconds until the other side wants to be asked again (`Retry-After`). */
  readonly retryAfter?: number;
}

const BRAND = Symbol.for('@pipeline-host/sdk/error');

/** Any failure with a stable code. Recognise it with {@link isPipelineError}, never with `instanceof`: a plugin may bundle its own SDK. */
export class PipelineError extends Error {
  readonly [BRAND] = true;
  readonly code: string;
  readonly kind: ErrorKind;
  readonly exitCode: ExitCode;
  readonly hint: string;
  readonly place: string | undefined;
  readonly httpStatus: number | undefined;
  readonly dependency: string | undefined;

  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails & { readonly kind?: ErrorKind } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const known: ErrorEntry | undefined = Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as ErrorCode] : undefined;
    this.name = new.target.name;
    this.code = code;
    this.kind = details.kind ?? known?.kind ?? 'permanent';
    this.exitCode = known?.exit ?? 1;
    this.hint = details.hint ?? known?.hint ?? '';
    this.place = details.place;
    this.httpStatus = details.httpStatus;
    this.dependency = details.dependency;
  }
}

/** The record can never succeed: it goes to the dead letters at once. */
export class PermanentError extends PipelineError {
  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, kind: 'permanent' });
  }
}

/** The record may succeed later: it is retried by the worker's policy. Where many fail alike, that is an outage: they wait for what fails. */
export class TransientError extends PipelineError {
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode | (string & {}), message: string, details: RetryableDetails = {}) {
    super(code, message, { ...details, kind: 'transient' });
    this.retryAfter = details.retryAfter;
  }
}

/** Our credentials are refused: what needs them waits, with an alert, and burns no attempt, while other records go on. */
export class AuthError extends PipelineError {
  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, kind: 'auth' });
  }
}

/** A dependency is down (breaker open, connection refused): what needs it waits and burns no attempt, while other records go on. */
export class UnavailableError extends PipelineError {
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode | (string & {}), message: string, details: RetryableDetails = {}) {
    super(code, message, { ...details, kind: 'unavailable' });
    this.retryAfter = details.retryAfter;
  }
}

/** Several faults found in one check, reported together. Its code is that of the first. */
export class FaultList extends PipelineError {
  readonly faults: readonly PipelineError[];

  constructor(faults: readonly [PipelineError, ...PipelineError[]]) {
    const [first] = faults;
    super(first.code, faults.length === 1 ? first.message : `${faults.length} faults`, {
      ...(first.place !== undefined && { place: first.place }),
      hint: first.hint,
      kind: 'fatal',
    });
    this.faults = faults;
  }
}

/** True for an error made by any copy of the SDK. */
export function isPipelineError(error: unknown): error is PipelineError {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** Whether trying again may help: everything but `permanent` and `fatal`. Errors without our brand count as transient. */
export function isRetryable(error: unknown): boolean {
  return !isPipelineError(error) || (error.kind !== 'permanent' && error.kind !== 'fatal');
}

/** The text of anything thrown, without its stack. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
