/** Where a failed record waits. */
export interface LaneChoice {
  /** 1 and up; lane 0 is for replays. */
  readonly lane: number;
  /** Failed attempts to note: one less than given where the wait does not count. */
  readonly attempts: number;
}

/**
 * The delay lane for a failed record, or null where its attempts are used up.
 *
 * @param delays milliseconds of lanes 1 and up
 * @param attempts failed attempts, this one included
 * @param after milliseconds that the handler or the other side asked for: the first lane that waits at least so long is
 *   taken; beyond the last lane the record waits there and burns no attempt
 */
export function chooseLane(delays: readonly number[], attempts: number, after: number | undefined): LaneChoice | null {
  if (delays.length === 0) return null;
  if (after !== undefined) {
    const fitting = delays.findIndex((delay) => delay >= after);
    if (fitting === -1) return { lane: delays.length, attempts: attempts - 1 };
    return attempts > delays.length ? null : { lane: fitting + 1, attempts };
  }
  return attempts > delays.length ? null : { lane: attempts, attempts };
}
