import { createHmac } from 'node:crypto';
import { type Duration, milliseconds } from '@pipeline-host/sdk';
import { answer } from './answers.ts';
import { Random } from './random.ts';
import { compilePattern } from './route-pattern.ts';
import type { Rule } from './service.ts';

/** How a faulty service answers. */
export interface ServiceFault {
  /** Default 503. */
  readonly status?: number;
  /** Seconds, as the header `Retry-After`. */
  readonly retryAfter?: number;
}

/** A service that is down from when it is told to until it is told otherwise. */
export interface Outage extends Rule {
  /** Every request fails, or the next so many. */
  begin(fault?: ServiceFault & { readonly requests?: number }): void;
  end(): void;
}

/** Credentials that a service takes. */
export interface AccessTokens extends Rule {
  accept(token: string): void;
  /** Requests with it are answered with 401 from now on. */
  revoke(token: string): void;
}

/** Links that end, as object stores presign them. */
export interface SignedLinks extends Rule {
  /** The URL with `X-Amz-Date`, `X-Amz-Expires` and a signature, good from now on for as long as `lifetime`. */
  sign(url: string, lifetime: Duration): string;
}

/** What can be wrong with a service. All of them go by `Date`, so that time that a test host puts forward counts. */
export const rules = {
  /** A rule for some routes only: `rules.on('GET /media/*', links)`. */
  on: (pattern: string, rule: Rule): Rule => {
    const matches = compilePattern(pattern);
    return (request) => (matches(request.method, request.path) === null ? undefined : rule(request));
  },

  /** 429 with `Retry-After` for what goes beyond so many requests a second; `burst` of them may come at once. */
  rateLimit: ({ perSecond, burst = perSecond }: { readonly perSecond: number; readonly burst?: number }): Rule => {
    let tokens = burst;
    let at = Date.now();
    return () => {
      const now = Date.now();
      tokens = Math.min(burst, tokens + (Math.max(0, now - at) / 1_000) * perSecond);
      at = now;
      if (tokens < 1) return fail({ status: 429, retryAfter: Math.ceil((1 - tokens) / perSecond) });
      tokens--;
      return undefined;
    };
  },

  /** After every so many requests that pass, `length` in a row fail. */
  bursts: ({ every, length, ...fault }: ServiceFault & { readonly every: number; readonly length: number }): Rule => {
    let asked = 0;
    return () => (asked++ % (every + length) < every ? undefined : fail(fault));
  },

  /** A share of the paths fails at the first `times` requests each; which, follows from the seed. */
  flaky: ({
    share,
    times = 1,
    seed = 1,
    ...fault
  }: ServiceFault & { readonly share: number; readonly times?: number; readonly seed?: number }): Rule => {
    return ({ method, path, nth }) => (nth <= times && Random.from(seed, `${method} ${path}`).next() < share ? fail(fault) : undefined);
  },

  outage: (): Outage => {
    let left = 0;
    let fault: ServiceFault = {};
    return Object.assign(() => (left > 0 && left-- > 0 ? fail(fault) : undefined), {
      begin: ({ requests = Number.POSITIVE_INFINITY, ...given }: ServiceFault & { readonly requests?: number } = {}) => {
        left = requests;
        fault = given;
      },
      end: () => {
        left = 0;
      },
    });
  },

  /** 401 for every request whose `Authorization` is not one of these tokens under the scheme. */
  accessTokens: ({ scheme = 'Bearer', accepted }: { readonly scheme?: string; readonly accepted: Iterable<string> }): AccessTokens => {
    const tokens = new Set(accepted);
    const isAccepted = (header = ''): boolean => header.startsWith(`${scheme} `) && tokens.has(header.slice(scheme.length + 1));
    return Object.assign<Rule, Omit<AccessTokens, keyof Rule>>(
      ({ headers }) =>
        isAccepted(headers.authorization)
          ? undefined
          : answer.status(401, { headers: { 'www-authenticate': `${scheme} realm="simulation"` } }),
      { accept: (token) => void tokens.add(token), revoke: (token) => void tokens.delete(token) },
    );
  },

  /** 403 for links that have ended, that were not signed here, or not at all. */
  signedLinks: ({ secret = 'simulation' } = {}): SignedLinks => {
    const signatureOf = (path: string, date: string, expires: string): string =>
      createHmac('sha256', secret).update(`${path}\n${date}\n${expires}`).digest('hex');
    return Object.assign<Rule, Omit<SignedLinks, keyof Rule>>(
      ({ path, query }) => {
        const [date = '', expires = '', signature = ''] = ['X-Amz-Date', 'X-Amz-Expires', 'X-Amz-Signature'].map(
          (name) => query.get(name) ?? '',
        );
        if (signature !== signatureOf(path, date, expires)) return denied('SignatureDoesNotMatch');
        return Date.now() < instantOf(date) + Number(expires) * 1_000 ? undefined : denied('AccessDenied: Request has expired');
      },
      {
        sign: (url, lifetime) => {
          const signed = new URL(url);
          const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
          const expires = String(Math.ceil(milliseconds(lifetime) / 1_000));
          signed.searchParams.set('X-Amz-Date', date);
          signed.searchParams.set('X-Amz-Expires', expires);
          signed.searchParams.set('X-Amz-Signature', signatureOf(signed.pathname, date, expires));
          return signed.href;
        },
      },
    );
  },
} as const;

function fail({ status = 503, retryAfter }: ServiceFault) {
  return answer.status(status, { ...(retryAfter !== undefined && { headers: { 'retry-after': String(retryAfter) } }) });
}

function denied(message: string) {
  return answer.status(403, { headers: { 'content-type': 'application/xml' }, body: `<Error><Message>${message}</Message></Error>` });
}

/** Of `20260105T142205Z`; NaN for anything else, which no time is before. */
function instantOf(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
