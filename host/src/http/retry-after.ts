/** A server that asks for more is taken for broken. */
const LONGEST_WAIT = 24 * 60 * 60 * 1_000;

/**
 * Milliseconds until the time that a `Retry-After` header names, in seconds or as an HTTP date; at most a day, 0 for the
 * past, undefined for no or an unreadable header.
 */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  const text = value?.trim();
  if (!text) return undefined;
  const wait = /^\d+$/.test(text) ? Number(text) * 1_000 : httpDate(text) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), LONGEST_WAIT);
}

/** All three forms of RFC 9110 begin with the name of the day; what else `Date.parse` would guess at is no HTTP date. */
function httpDate(text: string): number {
  return /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text) ? Date.parse(/GMT$|[+-]\d{4}$/.test(text) ? text : `${text} GMT`) : Number.NaN;
}
