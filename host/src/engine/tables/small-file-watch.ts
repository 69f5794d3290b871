import type { Log } from '@pipeline-host/sdk';
import type { UnitAlert } from '../status.ts';

/** Files that OPTIMIZE would put together: ten times as many as maintenance waits for. */
const MANY = 160;
/** For so long: a running maintenance has been at it several times by then. */
const PATIENCE = 3_600_000;
/** A look sorts the table's files. */
const INTERVAL = 60_000;

/** Notices that nobody puts the small files of a table together, which makes reading it and merging into it ever slower. */
export class SmallFileWatch {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #tables = new Map<string, { lookedAt: number; since: number | null; alert: UnitAlert | null }>();

  constructor(log: Log, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  get alerts(): readonly UnitAlert[] {
    return [...this.#tables.values()].flatMap(({ alert }) => alert ?? []);
  }

  /** After a commit. `smallFiles` counts; it is not asked each time. */
  look(table: string, smallFiles: () => number): void {
    const now = this.#now();
    const known = this.#tables.get(table) ?? { lookedAt: Number.NEGATIVE_INFINITY, since: null, alert: null };
    this.#tables.set(table, known);
    if (now - known.lookedAt < INTERVAL) return;
    known.lookedAt = now;
    const files = smallFiles();
    if (files < MANY) {
      known.since = null;
      known.alert = null;
      return;
    }
    known.since ??= now;
    if (now - known.since < PATIENCE) return;
    const code = 'PH_DELTA_SMALL_FILES';
    const reason = `table ${table} has ${files} files to put together, and nobody has for an hour: run the worker table-maintenance`;
    if (known.alert === null) this.#log.warn({ code, table, files }, reason);
    known.alert = { code, reason };
  }
}
