import { presignedExpiry } from '@pipeline-host/sdk';

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
  return presignedExpiry(link);
}

function instant(from: number | null, lifetime: number | null): Date | null {
  if (from === null || lifetime === null) return null;
  const end = new Date(from + lifetime);
  return Number.isNaN(end.getTime()) ? null : end;
}

function whole(value: string | null): number | null {
  return value !== null && /^-?\d{1,15}$/.test(value) ? Number(value) : null;
}
