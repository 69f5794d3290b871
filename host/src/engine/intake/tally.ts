import type { UnitCounts } from '../status.ts';

export type SettledAs = 'done' | 'skipped' | 'retried' | 'dead';

/** Plain counters of a unit: cheap to raise on the hot path, read on a scrape. */
export class Tally implements UnitCounts {
  received = 0;
  done = 0;
  skipped = 0;
  retried = 0;
  dead = 0;
}
