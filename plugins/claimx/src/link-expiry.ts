/**
 * When a presigned link ends, or null where that is unknown: no such parameters, or malformed or impossible ones. ClaimX's
 * own links are told by their host and say it in milliseconds; those of S3 by their parameters, names in any case. Only the
 * query counts, the first of repeated ones.
 *
 * @param hosts of ClaimX, as the config allows them
 */
export function linkExpiry(link: string, hosts: readonly string[]): Date | null {
  const url = URL.parse(link);
  if (url === null) return null;
  const { searchParams } = url;
  if (hosts.includes(url.host) && searchParams.has('systemDate') && searchParams.has('expires')) {
    return instant(whole(searchParams.get('systemDate')), whole(searchParams.get('expires')));
  }
  const parameter = (name: string): string | null => [...searchParams].find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
  const seconds = whole(parameter('x-amz-expires'));
  return instant(signedAt(parameter('x-amz-date')), seconds === null ? null : seconds * 1_000);
}

function instant(from: number | null, lifetime: number | null): Date | null {
  if (from === null || lifetime === null) return null;
  const end = new Date(from + lifetime);
  return Number.isNaN(end.getTime()) ? null : end;
}

function whole(value: string | null): number | null {
  return value !== null && /^-?\d{1,15}$/.test(value) ? Number(value) : null;
}

function signedAt(value: string | null): number | null {
  const iso = value?.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const time = iso === undefined || iso === value ? Number.NaN : Date.parse(iso);
  // V8 turns 30 February into 2 March; that is no date.
  return Number.isNaN(time) || new Date(time).toISOString() !== iso ? null : time;
}
