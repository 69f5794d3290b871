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
 * @param lanes milliseconds of lanes 1 and up
 * @param delays milliseconds before each further attempt; each is the wait of a lane
 * @param attempts failed attempts, this one included
 * @param after milliseconds that the handler or the other side asked for: the shortest lane that waits at least so long is
 *   taken; beyond the longest lane the record waits there and burns no attempt
 */
export function chooseLane(
  lanes: readonly number[],
  delays: readonly number[],
  attempts: number,
  after: number | undefined,
): LaneChoice | null {
  if (delays.length === 0) return null;
  if (after !== undefined) {
    const lane = laneFor(lanes, after);
    if ((lanes[lane - 1] ?? 0) < after) return { lane, attempts: attempts - 1 };
    return attempts > delays.length ? null : { lane, attempts };
  }
  const wait = delays[attempts - 1];
  return wait === undefined ? null : { lane: lanes.indexOf(wait) + 1, attempts };
}

/** The shortest lane that waits at least so long, else the longest. There is one. */
export function laneFor(lanes: readonly number[], wait: number): number {
  const fitting = lanes.filter((one) => one >= wait);
  return lanes.indexOf(fitting.length === 0 ? Math.max(...lanes) : Math.min(...fitting)) + 1;
}
