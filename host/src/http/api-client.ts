import { setImmediate } from 'node:timers/promises';
import {
  type Api,
  type ApiOptions,
  type ApiRequest,
  errorMessage,
  type HttpRequest,
  type HttpResponse,
  isPipelineError,
  type Log,
  TransientError,
  UnavailableError,
} from '@pipeline-host/sdk';
import { bulkhead, ExponentialBackoff, handleWhen, isTaskCancelledError, retry } from 'cockatiel';
import { type ApiBase, apiUrl } from './api-base.ts';
import { ApiBreaker, isRefusedByBreaker } from './api-breaker.ts';
import { abortFailure } from './http-failure.ts';
import { RequestPace } from './request-pace.ts';
import type { Traffic } from './traffic.ts';

const DEFAULTS = { timeout: 30_000, concurrency: 20, tries: 3, failures: 5, openFor: 60_000, trials: 2 } as const;
/** An answer that takes longer is worth a line in the log. */
const SLOW = 2_000;
/** Answers that speak of the API as a whole, not of one request. */
const API_WIDE: ReadonlySet<number | undefined> = new Set([502, 503, 504]);

/** Between tries. */
const BACK_OFF = new ExponentialBackoff({ initialDelay: 200, maxDelay: 5_000 });

/** What a client is made of. */
export interface ApiMeans {
  readonly send: (request: HttpRequest) => Promise<HttpResponse>;
  readonly traffic: Traffic;
  readonly log: Log;
}

/** Policies from the outside in: tries, requests at once, breaker, pace. */
export function createApiClient(base: ApiBase, options: ApiOptions, { send, traffic, log }: ApiMeans): Api {
  const { timeout = DEFAULTS.timeout, concurrency = DEFAULTS.concurrency, tries = DEFAULTS.tries, breaker: limits = {} } = options;
  const { failures = DEFAULTS.failures, openFor = DEFAULTS.openFor, trials = DEFAULTS.trials } = limits;
  const pace = new RequestPace(traffic, options.ratePerSecond);
  const breaker = new ApiBreaker({
    failures,
    openFor,
    trials,
    isFault,
    now: () => traffic.now(),
    onOpen: () => log.warn({ api: options.name }, `the API failed for request after request and is left alone for ${openFor} ms`),
    onClosed: () => log.info({ api: options.name }, 'the API answers again'),
  });
  const places = bulkhead(concurrency, Number.POSITIVE_INFINITY);
  const repeated = retry(handleWhen(mayPass), { maxAttempts: tries - 1 });

  const ask = async (request: ApiRequest): Promise<HttpResponse> => {
    const { method, headers, body, signal } = request;
    if (!(await pace.turn(timeout, signal))) throw throttled(options.name, base, pace.closedFor);
    const began = performance.now();
    try {
      return await send({
        url: apiUrl(base, request),
        policy: base.policy,
        headers: { ...options.headers, ...headers },
        timeout,
        ...(method !== undefined && { method }),
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
        ...(options.maxBytes !== undefined && { maxBytes: options.maxBytes }),
      });
    } catch (error) {
      const after = retryAfterOf(error);
      if (after !== undefined) pace.closeFor(after);
      throw error;
    } finally {
      const took = performance.now() - began;
      if (took > SLOW) log.info({ api: options.name, seconds: Math.round(took) / 1000 }, 'the API is slow');
    }
  };

  const askOnce = (request: ApiRequest): Promise<HttpResponse> =>
    places.execute(
      () =>
        breaker.execute(
          () => identityOf(base, request),
          () => ask(request),
          request.signal,
        ),
      request.signal,
    );
  const askAgain = (request: ApiRequest): Promise<HttpResponse> => {
    let pause = BACK_OFF.next();
    let failure: { readonly error: unknown } | undefined;
    return repeated.execute(async ({ attempt }) => {
      // Waited for here: the policy itself has timers of its own.
      if (attempt > 0) {
        await traffic.wait(pause.duration, request.signal);
        pause = pause.next(undefined);
      }
      try {
        return await askOnce(request);
      } catch (error) {
        // Where it was sent before, what it failed with then says more.
        if (isRefusedByBreaker(error) && failure !== undefined) throw failure.error;
        failure = { error };
        throw error;
      }
    }, request.signal);
  };

  return {
    request: async (request) => {
      const { method = 'GET', signal } = request;
      if (signal?.aborted) throw abortFailure(signal, base.place);
      const isRepeatable = request.repeatable ?? (method === 'GET' || method === 'HEAD');
      try {
        const answer = await (isRepeatable ? askAgain(request) : askOnce(request));
        await requestsSent();
        return answer;
      } catch (error) {
        if (signal?.aborted) throw abortFailure(signal, base.place);
        throw failureOf(error, { breaker, pace, base, name: options.name });
      }
    },
  };
}

/**
 * The requests that waited for the place of this one have gone out: undici sends them at the end of this turn of the event
 * loop. Else they would wait until all answers of the turn are worked on, while the API has nothing to do.
 */
async function requestsSent(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

interface Circumstances {
  readonly breaker: ApiBreaker;
  readonly pace: RequestPace;
  readonly base: ApiBase;
  readonly name: string;
}

/** What a failure means after the last try: where the API as a whole fails or wants to be left alone, the record is not to blame. */
function failureOf(error: unknown, { breaker, pace, base, name }: Circumstances): unknown {
  if (isTaskCancelledError(error)) return new TransientError('PH_HTTP_ABORTED', `${base.place} was given up`, { place: base.place });
  const leftAlone = { place: base.place, retryAfter: breaker.openFor, cause: error };
  if (isRefusedByBreaker(error)) return new UnavailableError('PH_API_LEFT_ALONE', `${name} is left alone for a while`, leftAlone);
  if (isFault(error) && breaker.isOpen) {
    return new UnavailableError('PH_API_UNAVAILABLE', `${name} failed for request after request: ${errorMessage(error)}`, leftAlone);
  }
  if (!mayPass(error)) return error;
  if (error.retryAfter !== undefined || error.httpStatus === 429) return throttled(name, base, pace.closedFor);
  if (!API_WIDE.has(error.httpStatus) && error.code !== 'PH_HTTP_CONNECTION') return error;
  return new UnavailableError('PH_API_UNAVAILABLE', `${name} does not answer: ${error.message}`, { place: base.place, cause: error });
}

/** Two that ask for the same are one. */
function identityOf(base: ApiBase, request: ApiRequest): string {
  const { method = 'GET', body = '' } = request;
  return `${method} ${apiUrl(base, request)} ${typeof body === 'string' ? body : Buffer.from(body).toString('latin1')}`;
}

function throttled(name: string, { place }: ApiBase, retryAfter: number): UnavailableError {
  return new UnavailableError('PH_API_THROTTLED', `${name} wants to be left alone for ${Math.ceil(retryAfter / 1000)} s`, {
    place,
    retryAfter,
  });
}

/** A failure that trying again may mend, and that is none of our own stopping. */
function mayPass(error: unknown): error is TransientError {
  return isPipelineError(error) && error.kind === 'transient' && error.code !== 'PH_HTTP_ABORTED';
}

/** What counts for the breaker: all that may pass, but an API that names a time is alive. */
function isFault(error: unknown): boolean {
  return mayPass(error) && retryAfterOf(error) === undefined;
}

function retryAfterOf(error: unknown): number | undefined {
  return mayPass(error) ? error.retryAfter : undefined;
}
