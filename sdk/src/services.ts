import type { Readable } from 'node:stream';

/** Structured logging. The host adds plugin, worker, topic, partition, offset and trace id, and hides secrets and URL signatures. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}
export type LogFields = Readonly<Record<string, unknown>>;

/** The plugin's own metrics, named `<plugin>_<name>`. At most 100 label combinations a metric; more are counted as `other`. */
export interface Metrics {
  /** Adds to a counter. */
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void;
  /** Observes a duration or size into a histogram, in seconds or bytes. */
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
}

/** One HTTP exchange with a host that the request allows. Redirects are followed by hand and every hop is checked. */
export interface HttpRequest {
  readonly url: string;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly policy: UrlPolicy;
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole exchange. Default 30,000. */
  readonly timeout?: number;
  /** Bytes of the response at most. Default 10 MiB. */
  readonly maxBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Which URLs may be asked. Everything else is refused before a connection is made. */
export interface UrlPolicy {
  /** Host names, exact, lower case. `host:port` allows another port than the scheme's own. */
  readonly hosts: readonly string[];
  /** CIDR ranges that are allowed although they are private, e.g. `127.0.0.1/32` for a local test server. Default none. */
  readonly privateRanges?: readonly string[];
  /** Default `['https']`. */
  readonly schemes?: readonly ('https' | 'http')[];
  /** Default 3. */
  readonly maxRedirects?: number;
}

/** What a downloaded file may be: by the extension of its name, the declared type and the magic bytes. */
export interface FileTypePolicy {
  /** Allowed extensions, lower case without dot, each with the content types that go with it. */
  readonly types: Readonly<Record<string, readonly string[]>>;
}

export interface DownloadRequest {
  readonly url: string;
  /** The name of the file: its extension is what the type rules are about, and the staged file ends in it. */
  readonly fileName: string;
  readonly policy: UrlPolicy;
  readonly fileTypes?: FileTypePolicy;
  /** Default 2 GiB. */
  readonly maxBytes?: number;
  /** Milliseconds without a byte before the download is given up. Default 30,000. */
  readonly idleTimeout?: number;
  /** Bytes a second, over a window of 30 s, below which it is given up. Default 1,024. */
  readonly minimumRate?: number;
  readonly signal?: AbortSignal;
}

/** A file in the staging area: on disk in whole, fsynced and hashed when the promise resolves. */
export interface StagedFile {
  /** Absolute URI inside the staging area. */
  readonly uri: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The Content-Type header as received. */
  readonly contentType: string | null;
  readonly httpStatus: number;
}

/**
 * The guarded HTTP client. Private addresses are refused after DNS, and the address that was checked is the address
 * that is connected to.
 *
 * Throws `PermanentError` (URL, type or size refused, 4xx) or `TransientError` (5xx, 408 and 429 with `retryAfter`, broken
 * or slow body, time-out, DNS). A 401 is an `AuthError` from `request()`, where it is about our credentials, and a
 * `TransientError` from `download()`, where it is about one link. `download()` throws `UnavailableError` when the staging
 * disk is full or refuses us. `place` of an error and its text show scheme, host and path of a URL, never the query.
 *
 * Only GET and HEAD follow redirects; credentials are left behind when the origin changes.
 */
export interface Http {
  request(request: HttpRequest): Promise<HttpResponse>;
  download(request: DownloadRequest): Promise<StagedFile>;
  /** A client of one API. Make it once, in a service of the plugin: what it limits, it limits for all who share it. */
  api(options: ApiOptions): Api;
}

/** How one API is asked, by all who share the client. */
export interface ApiOptions {
  /** A short constant name, for errors, logs and metrics. */
  readonly name: string;
  /** What all paths are below, without a slash at its end. Nothing else is asked. */
  readonly baseUrl: string;
  /** Sent with each request: credentials, what is accepted. */
  readonly headers?: Readonly<Record<string, string>>;
  /** See {@link UrlPolicy}. */
  readonly privateRanges?: readonly string[];
  /** Milliseconds for one try, its answer included. Default 30,000. */
  readonly timeout?: number;
  /** Bytes of an answer at most. Default 10 MiB. */
  readonly maxBytes?: number;
  /** Requests at once; further ones wait their turn. Default 20. */
  readonly concurrency?: number;
  /** Requests a second at most, after one second's worth at once. Default no limit. */
  readonly ratePerSecond?: number;
  /** Tries of one request whose failure may pass, with short growing waits. Default 3. */
  readonly tries?: number;
  readonly breaker?: ApiBreaker;
}

/** When an API that fails is left alone. */
export interface ApiBreaker {
  /** So many different requests that fail, with no other answer between: one that is sent again counts once. Default 5. */
  readonly failures?: number;
  /** Milliseconds that it is left alone. Default 60,000. */
  readonly openFor?: number;
  /** Then so many requests are let through, and all must succeed. Default 2. */
  readonly trials?: number;
}

export interface ApiRequest {
  /** Below the base URL, beginning with a slash; what is put into it is encoded by the caller. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Default GET. */
  readonly method?: HttpRequest['method'];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Whether it may be sent twice. Default true for GET and HEAD alone. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * One API. Every 2xx is a success. A request that gets no connection, a 502, 503 or 504, or fails as too many others did
 * (`PH_API_UNAVAILABLE`), is not sent since they did (`PH_API_LEFT_ALONE`), or is asked to wait for long
 * (`PH_API_THROTTLED`) throws `UnavailableError`: the API as a whole is meant, and the worker pauses. `Retry-After` holds
 * back all requests until then. A 401 throws `AuthError`, other 4xx `PermanentError`, a 500 or a time-out `TransientError`.
 */
export interface Api {
  request(request: ApiRequest): Promise<HttpResponse>;
}

/** Files between a downloader and an uploader. */
export interface Staging {
  /** Whether a file is still there. @throws PermanentError `PH_STAGING_FOREIGN` for a file of another staging area. */
  has(uri: string): Promise<boolean>;
  open(uri: string): Promise<Readable>;
  /** Delete it once this record's offset is committed, and not before. */
  release(uri: string): void;
}

export interface StoredObject {
  /** Path inside the plugin's part of the object store. */
  readonly path: string;
  readonly bytes: number;
}

export interface PutResult {
  readonly path: string;
  /** `already-there`: an object with the same length and hash was found and left alone. */
  readonly result: 'stored' | 'already-there';
}

/** The plugin's part of the object store (a local folder or OneLake). Paths are relative and `/`-separated. */
export interface Objects {
  /**
   * Stores a staged file under a path, atomically: the object is there in whole or not at all.
   *
   * @throws PermanentError `PH_OBJECT_OCCUPIED` where the path holds other content
   */
  put(path: string, file: { readonly uri: string; readonly bytes: number; readonly sha256: string }): Promise<PutResult>;
  /** Length and SHA-256 of an object, or null. */
  stat(path: string): Promise<{ readonly bytes: number; readonly sha256: string } | null>;
}

/** Where a record came from. */
export interface RecordInfo {
  /**
   * Of a worker's output: its identity, the same when the worker sends it again, and kept through retry and replay. A column
   * of it is what `dedupe` of an append table wants. Null for a record that no worker sent.
   */
  readonly id: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  /** Without the host's own `ph.` headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** The original bytes, for what a schema does not keep: key order, digits, foreign fields. Not to be changed. */
  readonly value: Uint8Array | null;
}
