/** When a failed record is tried again, with all its waits in milliseconds. */
export interface RetryPolicy {
  /** `delay`: in a lane of the retry topic, later records of its key overtake it. `hold`: in place, its key waits behind it. */
  readonly mode: 'delay' | 'hold';
  /** One wait before each further attempt; after the last the record is dead. */
  readonly delays: readonly number[];
  /** Waits for some errors, by code or by the beginning of a code and `*`. Each is the wait of a lane. */
  readonly byCode: ReadonlyMap<string, readonly number[]>;
  /** The waits of lanes 1 and up of the retry topic. */
  readonly lanes: readonly number[];
  /** Delayed records that one member takes up again a second. */
  readonly release: number;
}

/** The waits for an error: of its code, else of the longest beginning that fits, else of the worker. */
export function delaysFor({ delays, byCode }: RetryPolicy, code: string): readonly number[] {
  const exact = byCode.get(code);
  if (exact !== undefined) return exact;
  let best = { length: -1, delays };
  for (const [pattern, own] of byCode) {
    if (!pattern.endsWith('*') || pattern.length <= best.length) continue;
    if (code.startsWith(pattern.slice(0, -1))) best = { length: pattern.length, delays: own };
  }
  return best.delays;
}
