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

  // Engine
  PH_UNIT_FAILED: entry('fatal', 1, 'see the log for the cause; the host starts again where it was'),
  PH_TOPIC_MISSING: entry('fatal', 3, 'create it with "pipeline-host topics create", or set kafka.createTopics'),
  PH_RETRY_TOPIC_SHAPE: entry('fatal', 3, 'let the worker drain the retry topic with its old delays, delete the topic and start again'),
  PH_START_REQUIRED: entry('fatal', 2, 'state where to start: earliest, latest or an ISO time'),
  PH_CLUSTER_UNKNOWN: entry('fatal', 2, 'define the cluster under kafka.clusters'),
  PH_WORKER_UNSUPPORTED: entry('fatal', 2, 'this version of the host does not run pollers yet; run the other workers'),
  PH_ROW_INVALID: entry('permanent', 2, "the row does not fit the table's columns; mend the writer or the message"),

  // Messages
  PH_MESSAGE_UNREADABLE: entry('permanent', 2, 'the bytes are not a message of this topic; mend the sender'),
  PH_MESSAGE_INVALID: entry('permanent', 2, "the message does not fit the topic's schema; mend the sender"),
  PH_OUTPUT_INVALID: entry('permanent', 2, "the handler's output does not fit the schema of its topic; mend the handler"),
  PH_OUTPUT_UNDECLARED: entry('permanent', 2, "add the topic to the worker's produces"),
  PH_MESSAGE_TOO_LARGE: entry('permanent', 1, "raise the topic's max.message.bytes or send less in one message"),

  // HTTP and downloads
  PH_HTTP_URL_REFUSED: entry('permanent', 2, 'add the host (or host:port) to the allowed hosts, if it is meant to be asked'),
  PH_HTTP_ADDRESS_REFUSED: entry('permanent', 2, 'the host has a private or special address; allow its range in privateRanges if that is meant'),
  PH_HTTP_REDIRECT_REFUSED: entry('permanent', 1, 'the server redirects too often, to plain http, or a request that is not a GET'),
  PH_HTTP_REQUEST_INVALID: entry('permanent', 2, 'the method, a header or the body of the request is not valid HTTP; mend the caller'),
  PH_HTTP_CLIENT_ERROR: entry('permanent', 1, 'the server refused the request for good (4xx); look at the status'),
  PH_HTTP_UNAUTHORIZED: entry('auth', 1, 'renew the credentials of this API'),
  PH_HTTP_LINK_UNAUTHORIZED: entry('transient', 1, 'the link wants a log-in (401); get a fresh link'),
  PH_HTTP_THROTTLED: entry('transient', 1, 'the server wants fewer requests; lower the concurrency if it goes on'),
  PH_HTTP_SERVER_ERROR: entry('transient', 1, 'the server failed (5xx, 408); it is asked again'),
  PH_HTTP_STATUS_UNEXPECTED: entry('transient', 1, 'the server answered with a status that has no meaning here; it is asked again'),
  PH_HTTP_CONNECTION: entry('transient', 1, 'check DNS, firewall and TLS between this machine and the server'),
  PH_HTTP_TIMEOUT: entry('transient', 1, 'the server did not answer in time; it is asked again'),
  PH_HTTP_ABORTED: entry('transient', 1, 'the work was stopped (shutdown, rebalance or deadline); it is done again'),
  PH_HTTP_TOO_LARGE: entry('permanent', 1, 'raise maxBytes if answers of this size are meant'),
  PH_DOWNLOAD_EMPTY: entry('transient', 1, 'the server sent no bytes; it is asked again, and the file is dead if it stays empty'),
  PH_DOWNLOAD_CUT: entry('transient', 1, 'the body broke off before its end; it is fetched again'),
  PH_DOWNLOAD_STALLED: entry('transient', 1, 'no byte came for idleTimeout; it is fetched again'),
  PH_DOWNLOAD_SLOW: entry('transient', 1, 'the body came slower than minimumRate; it is fetched again'),
  PH_FILE_TYPE_REFUSED: entry('permanent', 1, 'files with this extension are not allowed; add it to the file types if they are meant'),
  PH_FILE_TYPE_MISMATCH: entry('permanent', 1, 'content type or content belong to another type than the name says; see the file types'),

  // Staging and stored objects
  PH_STAGING_LOCATION: entry('fatal', 2, 'give staging a local folder or a file:// URI'),
  PH_STAGING_AREA: entry('fatal', 3, 'the .area.json of the staging folder cannot be read; restore it, or use an empty folder'),
  PH_STAGING_FULL: entry('unavailable', 3, 'make room on the disk of the staging folder'),
  PH_STAGING_DENIED: entry('unavailable', 3, 'give this user the right to write in the staging folder'),
  PH_STAGING_LOST: entry('unavailable', 3, 'the staging folder is gone; restore or mount it and start again'),
  PH_STAGING_IO: entry('transient', 3, 'the disk of the staging folder failed; see the cause'),
  PH_STAGING_URI: entry('permanent', 2, 'the text is not the URI of a staged file'),
  PH_STAGING_FOREIGN: entry('permanent', 2, 'give all workers of the plugin the same staging folder (setting staging), or run them on one machine'),
  PH_STAGING_MISSING: entry('transient', 1, 'the staged file is gone; ask has() first and fetch it again'),
  PH_STAGING_CHANGED: entry('permanent', 1, 'the staged file is not what was downloaded; fetch it again'),
  PH_OBJECT_PATH: entry('permanent', 2, 'an object path is relative, separated by /, without empty, . or .. segments; use sanitizeSegment'),
  PH_OBJECT_OCCUPIED: entry('permanent', 1, 'the path holds other content; store under another path'),

  // Admin server
  PH_HTTP_PORT_IN_USE: entry('fatal', 3, 'stop the other process, or set http.port to another port or to 0 for a free one'),
  PH_HTTP_PORT_DENIED: entry('fatal', 3, 'set http.port above 1023, or to 0 for a free one'),
  PH_HTTP_HOST_UNKNOWN: entry('fatal', 3, 'set http.host to an address of this machine: 127.0.0.1, or 0.0.0.0 for all'),
  PH_ADMIN_NOT_FOUND: entry('permanent', 1, 'the routes are /health/live, /health/ready and /metrics'),
  PH_ADMIN_REQUEST_INVALID: entry('permanent', 2, 'mend the request'),
  PH_ADMIN_FAILED: entry('permanent', 1, 'see the log of the host for the cause'),

  // Kafka
  PH_KAFKA_UNREACHABLE: entry('unavailable', 3, 'check kafka.brokers and that the broker is running and reachable from here'),
  PH_KAFKA_UNAVAILABLE: entry('unavailable', 3, 'the cluster is not ready for this now; it is tried again'),
  PH_KAFKA_AUTH: entry('auth', 3, 'check kafka.sasl: mechanism, username and password'),
  PH_KAFKA_TLS: entry('auth', 3, 'check kafka.tls: ca must hold the authority of the broker, servername its name; cert and key belong together'),
  PH_KAFKA_ACL: entry('auth', 3, 'grant the user the right on this topic or group'),
  PH_KAFKA_UNKNOWN_TOPIC: entry('unavailable', 3, 'create it (pipeline-host topics create) or mend its name in the config'),
  PH_KAFKA_REQUEST: entry('permanent', 1, 'the broker refuses this whatever is tried; see its message'),
  PH_KAFKA_NOT_ASSIGNED: entry('permanent', 1, 'commit only partitions of the present assignment'),
  PH_KAFKA_CLOSED: entry('unavailable', 1, 'the host is stopping; what was not acknowledged is done again after the start'),
  PH_KAFKA_REPAIR: entry('fatal', 3, 'install exactly kafkajs@2.2.4'),

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
  /** The status of the HTTP answer that this failure is about. */
  readonly httpStatus?: number;
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
