import {
  type Api,
  type ApiOptions,
  type Http,
  type HttpRequest,
  type HttpResponse,
  type Log,
  PermanentError,
  TransientError,
} from '@pipeline-host/sdk';
import { type Clock, systemClock } from '../clock.ts';
import type { StagingArea } from '../storage/staging.ts';
import { apiBase } from './api-base.ts';
import type { ApiMeans } from './api-client.ts';
import { download } from './download.ts';
import { type ClientOptions, discard, GuardedClient } from './guarded-client.ts';
import { abortFailure, statusFailure, wireFailure } from './http-failure.ts';
import { type HttpTraffic, Traffic } from './traffic.ts';
import { displayUrl } from './url-guard.ts';

export interface HttpOptions extends ClientOptions {
  /** Where downloads go. */
  readonly staging: StagingArea;
  readonly log: Log;
  /** Milliseconds over which a download's `minimumRate` is measured. Default 30,000. */
  readonly rateWindow?: number;
  /** What requests wait by that are not to be sent yet; the system's by default. */
  readonly clock?: Clock;
}

/** HTTP as plugins have it, and its owner's part of it. */
export interface HttpService extends Http {
  traffic(): HttpTraffic;
  /** Breaks off what is under way and gives the connections back. */
  close(): Promise<void>;
}

const DEFAULTS = { timeout: 30_000, maxBytes: 10 * 1024 ** 2, rateWindow: 30_000 } as const;

/** The HTTP service of one process. */
export function createHttp(options: HttpOptions): HttpService {
  const { staging, log, rateWindow = DEFAULTS.rateWindow, clock = systemClock } = options;
  const client = new GuardedClient(options);
  const traffic = new Traffic(clock);
  const send = (request: HttpRequest): Promise<HttpResponse> => traffic.send(() => exchange(client, request));
  return {
    request: send,
    async download(request) {
      const file = await traffic.send(() => download(client, staging, request, rateWindow));
      log.debug({ url: displayUrl(request.url), bytes: file.bytes }, 'downloaded');
      return file;
    },
    api: (options) => lazyApi(options, { send, traffic, log }),
    traffic: () => traffic.look(),
    close: () => client.close(),
  };
}

/** The client with its policies is loaded with the first request. @throws PermanentError `PH_HTTP_REQUEST_INVALID` */
function lazyApi(options: ApiOptions, means: ApiMeans): Api {
  const base = apiBase(options);
  let client: Promise<Api> | null = null;
  return {
    request: async (request) => {
      client ??= import('./api-client.ts').then(({ createApiClient }) => createApiClient(base, options, means));
      return (await client).request(request);
    },
  };
}

/** One whole exchange, its body in memory. Any 2xx is a success; everything else throws. */
async function exchange(client: GuardedClient, request: HttpRequest): Promise<HttpResponse> {
  const { timeout = DEFAULTS.timeout, maxBytes = DEFAULTS.maxBytes } = request;
  const place = displayUrl(request.url);
  const deadline = AbortSignal.timeout(timeout);
  const signal = request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
  try {
    const answer = await client.send({ ...request, signal });
    if (answer.status < 200 || answer.status > 299) {
      await discard(answer.body);
      throw statusFailure(answer.status, answer.headers, answer.place, 'ours');
    }
    return { status: answer.status, headers: answer.headers, body: await readAll(answer.body, maxBytes, answer.place) };
  } catch (error) {
    if (request.signal?.aborted) throw abortFailure(request.signal, place);
    if (deadline.aborted) throw new TransientError('PH_HTTP_TIMEOUT', `${place} took longer than ${timeout} ms`, { place });
    throw wireFailure(error, place);
  }
}

async function readAll(body: AsyncIterable<Uint8Array>, maxBytes: number, place: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new PermanentError('PH_HTTP_TOO_LARGE', `the answer of ${place} is larger than ${maxBytes} bytes`, { place });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
