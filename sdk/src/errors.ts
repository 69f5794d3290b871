/**
 * Every error that the host or a plugin raises on purpose is a {@link PipelineError}: it carries a stable code, the
 * place where it happened and the way to mend it. The table below is the only list of the host's own codes; the
 * README's table of errors is written from it.
 */

/** What the host does with a failure. `fatal` never reaches a record: it stops the command that met it. */
export type ErrorKind = 'permanent' | 'transient' | 'auth' | 'unavailable' | 'fatal';

/** Process exit codes: 1 runtime, 2 the input (config, plugin, arguments) is wrong, 3 the environment is. */
export type ExitCode = 1 | 2 | 3;

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly exit: ExitCode;
  /** What to do about it; the fallback where the place that raises the error knows nothing better. */
  readonly hint: string;
}

const entry = (kind: ErrorKind, exit: ExitCode, hint: string): ErrorEntry => ({ kind, exit, hint });

/** One line a code, sorted by area. `retryable` follows from the kind: see {@link isRetryable}. */
export const ERROR_CODES = {
  // Outcomes and handlers
  PH_HANDLER_FAILED: entry('transient', 1, 'the handler threw; the cause is in the message, the record is retried by policy'),
  PH_HANDLER_TIMEOUT: entry('transient', 1, "raise the worker's timeout or make the handler honour ctx.signal"),
  PH_HANDLER_OUTCOME: entry('permanent', 1, 'a handler returns done(), skip(), retry() or dead()'),
  PH_RETRIES_EXHAUSTED: entry('permanent', 1, 'mend the cause, then replay the dead letter'),
  PH_REDO_EXHAUSTED: entry('permanent', 1, 'work was sent again twice and failed again; look at the cause before replaying'),

  // Messages
  PH_MESSAGE_UNREADABLE: entry('permanent', 2, 'the bytes are not a message of this topic; mend the sender'),
  PH_MESSAGE_INVALID: entry('permanent', 2, "the message does not fit the topic's schema; mend the sender"),
  PH_OUTPUT_INVALID: entry('permanent', 2, "the handler's output does not fit the schema of its topic; mend the handler"),
  PH_OUTPUT_UNDECLARED: entry('permanent', 2, "add the topic to the worker's produces"),
  PH_MESSAGE_TOO_LARGE: entry('permanent', 1, "raise the topic's max.message.bytes or send less in one message"),

  // Environment
  PH_DURATION_INVALID: entry('fatal', 2, 'write a duration as milliseconds or as 250ms, 30s, 5m, 2h, 7d'),
  PH_NODE_VERSION: entry('fatal', 3, 'run with Node 22.18 or newer: npm install node@24'),
} as const satisfies Record<string, ErrorEntry>;

/** A code of the host's own table. Plugins add codes of their own in the same style, e.g. `XACT_URL_EXPIRED`. */
export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** Where: a config path, a file and line, or plugin/worker/topic/partition/offset. */
  readonly place?: string;
  /** What to do; overrides the hint of the table. */
  readonly hint?: string;
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

  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails & { readonly kind?: ErrorKind } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const known: ErrorEntry | undefined = Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as ErrorCode] : undefined;
    this.name = new.target.name;
    this.code = code;
    this.kind = details.kind ?? known?.kind ?? 'permanent';
    this.exitCode = known?.exit ?? 1;
    this.hint = details.hint ?? known?.hint ?? '';
    this.place = details.place;
  }
}

/** The record can never succeed: it goes to the dead letters at once. */
export class PermanentError extends PipelineError {
  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, kind: 'permanent' });
  }
}

/** The record may succeed later: it is retried by the worker's policy. */
export class TransientError extends PipelineError {
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode | (string & {}), message: string, details: RetryableDetails = {}) {
    super(code, message, { ...details, kind: 'transient' });
    this.retryAfter = details.retryAfter;
  }
}

/** Our credentials are refused: the worker pauses and alerts, and no record burns an attempt. */
export class AuthError extends PipelineError {
  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, kind: 'auth' });
  }
}

/** A dependency is down (breaker open, connection refused): the worker pauses and probes, and no record burns an attempt. */
export class UnavailableError extends PipelineError {
  constructor(code: ErrorCode | (string & {}), message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, kind: 'unavailable' });
  }
}

/** Several faults found in one check, reported together. Its code is that of the first. */
export class FaultList extends PipelineError {
  readonly faults: readonly PipelineError[];

  constructor(faults: readonly [PipelineError, ...PipelineError[]]) {
    const [first] = faults;
    super(first.code, faults.length === 1 ? first.message : `${faults.length} faults`, { ...(first.place !== undefined && { place: first.place }), hint: first.hint, kind: 'fatal' });
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
