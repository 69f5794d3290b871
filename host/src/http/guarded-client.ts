import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { type HttpRequest, PermanentError, type UrlPolicy } from '@pipeline-host/sdk';
import type { Agent, Dispatcher } from 'undici';
import { type AddressCheck, addressCheck, guardedLookup } from './address-guard.ts';
import { type Headers, statusFailure, wireFailure } from './http-failure.ts';
import { checkUrl, displayUrl } from './url-guard.ts';

export interface ClientOptions {
  readonly userAgent: string;
  /** Milliseconds to resolve, connect and shake hands. Default 10,000. */
  readonly connectTimeout?: number;
  /** Milliseconds from the request to the headers of the answer. Default 30,000. */
  readonly headersTimeout?: number;
  /** Connections to one host at most; further requests wait. Default 64. */
  readonly connectionsPerHost?: number;
  /** PEM of a certificate authority to trust beside those that Node brings. */
  readonly ca?: string;
  /** Resolves names; default the system's. For tests of what names may resolve to. */
  readonly lookup?: LookupFunction;
  /**
   * Servers on this machine that stand in for others, each by the origin that it stands in for. What may be asked is judged by
   * the URL as it is given; only then the stand-in is asked. For tests of what must not know that it is tested.
   */
  readonly standIns?: ReadonlyMap<string, string>;
}

export interface Exchange {
  readonly url: string;
  readonly policy: UrlPolicy;
  readonly method?: HttpRequest['method'];
  readonly headers?: Headers;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has not been read. The taker reads it to its end or destroys it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readable;
  /** Where it came from after redirects, fit to be shown. */
  readonly place: string;
}

/** Loaded with the first request: most workers never make one. */
type Undici = typeof import('undici');

/** One agent for each set of private ranges, so that a connection is never shared with a stricter policy. */
interface Guard {
  readonly agent: Agent;
  readonly addressAllowed: AddressCheck;
}

/** Headers that may follow a redirect to another origin; everything else may be a credential. */
const SAFE_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'accept-language', 'range', 'user-agent']);
const LOOPBACK = ['127.0.0.0/8', '::1/128'] as const;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Asks servers that a policy allows. It looks at no proxy variable: behind a proxy the guard would see the proxy's address
 * alone. Redirects are followed here, hop by hop, since undici's own interceptor would follow them past the guard.
 */
export class GuardedClient {
  readonly #options: ClientOptions;
  readonly #guards = new Map<string, Guard>();
  #undici: Promise<Undici> | null = null;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * The first answer that is no redirect, of whatever status. 3xx answers that cannot be followed are failures.
   *
   * @throws PermanentError where a hop is refused, TransientError where the wire fails; the signal's reason, as undici
   * gives it, where it is aborted
   */
  async send(exchange: Exchange): Promise<Answer> {
    const { policy, method = 'GET' } = exchange;
    this.#undici ??= import('undici');
    const undici = await this.#undici;
    const { agent, addressAllowed } = this.#guardFor(undici, policy);
    let headers = this.#headers(exchange.headers);
    let url = checkUrl(exchange.url, policy, addressAllowed);
    for (let hop = 0; ; hop++) {
      const answer = await this.#ask(undici, agent, url, method, headers, exchange);
      if (!REDIRECTS.has(answer.status)) return answer;
      await discard(answer.body);
      const next = redirectTarget(answer, url, method, hop, policy, addressAllowed);
      if (next.origin !== url.origin) headers = keepSafe(headers);
      url = next;
    }
  }

  /** Breaks off what is still under way. */
  async close(): Promise<void> {
    const guards = [...this.#guards.values()];
    this.#guards.clear();
    await Promise.all(guards.map(({ agent }) => agent.destroy()));
  }

  async #ask(
    undici: Undici,
    agent: Agent,
    url: URL,
    method: Dispatcher.HttpMethod,
    headers: Record<string, string>,
    { body, signal }: Exchange,
  ): Promise<Answer> {
    const place = displayUrl(url);
    try {
      const { headersTimeout = 30_000 } = this.#options;
      const standIn = this.#options.standIns?.get(url.origin);
      const response = await undici.request(standIn === undefined ? url : new URL(`${url.pathname}${url.search}`, standIn), {
        dispatcher: standIn === undefined ? agent : this.#guardFor(undici, { hosts: [], privateRanges: LOOPBACK }).agent,
        method,
        headers,
        headersTimeout,
        bodyTimeout: 0, // whoever reads the body has limits of its own
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
      });
      response.body.on('error', () => {}); // readers get it from the iterator; a body thrown away unread must not end the process
      return { status: response.statusCode, headers: flatten(response.headers), body: response.body, place };
    } catch (error) {
      if (signal?.aborted) throw error;
      throw wireFailure(error, place);
    }
  }

  #headers(given: Headers = {}): Record<string, string> {
    const headers: Record<string, string> = { 'user-agent': this.#options.userAgent, 'accept-encoding': 'identity' };
    for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = value;
    if ('host' in headers) {
      throw new PermanentError('PH_HTTP_REQUEST_INVALID', 'a request cannot set the Host header', {
        hint: 'put the host into the URL, where it is checked',
      });
    }
    return headers;
  }

  #guardFor(undici: Undici, policy: UrlPolicy): Guard {
    const key = [...(policy.privateRanges ?? [])].sort().join(' ');
    const known = this.#guards.get(key);
    if (known !== undefined) return known;
    const { connectTimeout = 10_000, connectionsPerHost = 64, ca, lookup } = this.#options;
    const addressAllowed = addressCheck(policy.privateRanges);
    const agent = new undici.Agent({
      connections: connectionsPerHost,
      connect: {
        timeout: connectTimeout,
        lookup: guardedLookup(addressAllowed, lookup),
        ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
      },
    });
    const guard = { agent, addressAllowed };
    this.#guards.set(key, guard);
    return guard;
  }
}

function redirectTarget(answer: Answer, from: URL, method: string, hop: number, policy: UrlPolicy, addressAllowed: AddressCheck): URL {
  const { place } = answer;
  const location = answer.headers['location'];
  if (location === undefined || !URL.canParse(location, from.href)) throw statusFailure(answer.status, answer.headers, place, 'link');
  if (method !== 'GET' && method !== 'HEAD') {
    throw new PermanentError('PH_HTTP_REDIRECT_REFUSED', `${place} redirects a ${method}`, {
      place,
      hint: 'ask the address that it redirects to',
    });
  }
  const limit = policy.maxRedirects ?? 3;
  if (hop >= limit) throw new PermanentError('PH_HTTP_REDIRECT_REFUSED', `more than ${limit} redirects, the last from ${place}`, { place });
  const target = checkUrl(location, policy, addressAllowed, from);
  if (from.protocol === 'https:' && target.protocol !== 'https:') {
    throw new PermanentError('PH_HTTP_REDIRECT_REFUSED', `${place} redirects from https to http`, { place });
  }
  return target;
}

function keepSafe(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => SAFE_HEADERS.has(name)));
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

/** Reads a small body away, so that the connection can be used again, and breaks off a long or slow one. */
export async function discard(body: Readable): Promise<void> {
  const timer = setTimeout(() => body.destroy(), 1_000);
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > 65_536) break; // leaving the loop destroys the body
    }
  } catch {
    // Whatever broke it: nobody wants this body.
  } finally {
    clearTimeout(timer);
  }
}
