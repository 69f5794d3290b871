const SIGNED_AT = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/**
 * When a presigned link of S3 (`X-Amz-Date`, `X-Amz-Expires`) ends, or null where that is unknown: no such parameters, or
 * malformed or impossible ones. Only the query counts, names in any case, the first of repeated ones.
 */
export function presignedExpiry(url: string): Date | null {
  const query = URL.parse(url)?.searchParams;
  if (query === undefined) return null;
  const parameter = (name: string): string => [...query].find(([key]) => key.toLowerCase() === name)?.[1] ?? '';
  const signedAt = instantOf(parameter('x-amz-date'));
  const seconds = parameter('x-amz-expires');
  if (signedAt === null || !/^-?\d{1,15}$/.test(seconds)) return null;
  const expiry = new Date(signedAt + Number(seconds) * 1_000);
  return Number.isNaN(expiry.getTime()) ? null : expiry;
}

function instantOf(text: string): number | null {
  const iso = text.replace(SIGNED_AT, '$1-$2-$3T$4:$5:$6.000Z');
  const instant = iso === text ? Number.NaN : Date.parse(iso);
  // V8 turns 30 February into 2 March; that is no date.
  return Number.isNaN(instant) || new Date(instant).toISOString() !== iso ? null : instant;
}
