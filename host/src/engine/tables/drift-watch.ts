import type { Log } from '@pipeline-host/sdk';
import type { SchemaDifference } from '../../delta/index.ts';
import type { UnitAlert } from '../status.ts';
import type { WritableTable } from './row-maker.ts';

/** Tells in what live tables are others than their definitions, once each, also where that changes while a writer runs. */
export class DriftWatch {
  readonly #log: Log;
  readonly #tables = new Map<string, readonly SchemaDifference[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Those for which rows may be refused that their definitions allow. */
  get alerts(): readonly UnitAlert[] {
    return [...this.#tables].flatMap(([table, differences]) =>
      differences.filter(({ refusesRows }) => refusesRows).map(({ text }) => ({ code: 'PH_DELTA_DRIFT', reason: reasonOf(table, text) })),
    );
  }

  look({ resolved, delta }: WritableTable): void {
    const { differences } = delta;
    const table = resolved.name;
    const known = this.#tables.get(table) ?? [];
    if (known === differences) return;
    this.#tables.set(table, differences);
    const told = new Set(known.map(({ text }) => text));
    for (const { text, refusesRows } of differences) {
      if (told.has(text)) continue;
      if (refusesRows) this.#log.warn({ code: 'PH_DELTA_DRIFT', table }, reasonOf(table, text));
      else this.#log.info({ table }, reasonOf(table, text));
    }
  }
}

function reasonOf(table: string, text: string): string {
  return `table ${table} is another than its definition: ${text}`;
}
