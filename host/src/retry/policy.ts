/** Waits in milliseconds before each further attempt; after the last the record is dead. */
export interface RetryWaits {
  readonly delays: readonly number[];
  /** Other waits for some errors, by code or by the beginning of a code and `*`. */
  readonly byCode: ReadonlyMap<string, readonly number[]>;
}

/** The waits for an error: of its code, else of the longest beginning that fits, else of the worker. */
export function delaysFor({ delays, byCode }: RetryWaits, code: string): readonly number[] {
  const exact = byCode.get(code);
  if (exact !== undefined) return exact;
  let best = { length: -1, delays };
  for (const [pattern, own] of byCode) {
    if (!pattern.endsWith('*') || pattern.length <= best.length) continue;
    if (code.startsWith(pattern.slice(0, -1))) best = { length: pattern.length, delays: own };
  }
  return best.delays;
}
