import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import { type DeltaEngine, DeltaTable, intervalMilliseconds } from '../../delta/index.ts';
import type { HostLog } from '../../observability/logger.ts';
import type { HostMetrics } from '../../observability/metrics.ts';
import type { ObjectStore } from '../../storage/index.ts';
import type { MaintainedTable, UnitAlert } from '../status.ts';
import { MAINTENANCE, type MaintenanceAction, type MaintenanceSettings } from './maintain-table.ts';

const TXN_RETENTION = 'delta.setTransactionRetentionDuration';

export interface RoundOptions {
  readonly plugin: string;
  readonly engine: DeltaEngine;
  readonly store: ObjectStore;
  readonly settings: MaintenanceSettings;
  /** Milliseconds between two vacuums of a table. */
  readonly vacuumInterval: number;
  /** Milliseconds that the topics of a table's writers keep their records. */
  readonly retentionOf: (table: string) => Promise<number>;
  readonly log: HostLog;
  readonly metrics: HostMetrics;
}

/** Maintains tables, one after the other, and remembers of each what came of it. */
export class MaintenanceRounds {
  readonly #options: RoundOptions;
  readonly #vacuumedAt = new Map<string, number>();
  readonly #tables = new Map<string, MaintainedTable>();

  constructor(options: RoundOptions) {
    this.#options = options;
  }

  get tables(): readonly MaintainedTable[] {
    return [...this.#tables.values()];
  }

  /** What failed of one table stops neither the others nor its other actions. Ends between two steps when aborted. Never rejects. */
  async run(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) {
      if (signal.aborted) return;
      await this.#maintain(name, signal);
    }
  }

  async #maintain(name: string, signal: AbortSignal): Promise<void> {
    const { engine, store } = this.#options;
    const alerts: UnitAlert[] = [];
    const did: string[] = [];
    let table: DeltaTable;
    try {
      table = await DeltaTable.open(engine, store, name);
    } catch (error) {
      if (isPipelineError(error) && error.code === 'PH_DELTA_ABSENT') return; // its writer has not made it yet
      this.#fail(name, 'open', error, alerts);
      this.#tables.set(name, { table: name, at: new Date().toISOString(), did, alerts });
      return;
    }
    try {
      for (const action of this.#dueActions(name)) {
        if (signal.aborted) return;
        const text = await this.#act(table, name, action, signal, alerts);
        if (text !== null) did.push(text);
      }
      alerts.push(...(await this.#txnAlerts(table, name)));
    } catch (error) {
      this.#fail(name, 'look at its topics', error, alerts);
    } finally {
      await table.close(); // with the checkpoint that OPTIMIZE may have begun
    }
    this.#tables.set(name, { table: name, at: new Date().toISOString(), did, alerts });
  }

  #dueActions(name: string): readonly MaintenanceAction[] {
    const vacuumed = this.#vacuumedAt.get(name) ?? Number.NEGATIVE_INFINITY;
    const isVacuumDue = Date.now() - vacuumed >= this.#options.vacuumInterval;
    return ['optimize', 'checkpoint', 'clean-log', ...(isVacuumDue ? (['vacuum'] as const) : [])];
  }

  /** What was done, in words; null for nothing. */
  async #act(table: DeltaTable, name: string, action: MaintenanceAction, signal: AbortSignal, alerts: UnitAlert[]): Promise<string | null> {
    const { plugin, settings, log, metrics } = this.#options;
    const started = performance.now();
    const note = (outcome: string, files: number): void =>
      metrics.tableMaintained({ plugin, table: name, action, outcome, files, seconds: (performance.now() - started) / 1000 });
    try {
      const done = await MAINTENANCE[action](table, settings, signal);
      if (action === 'vacuum') this.#vacuumedAt.set(name, Date.now());
      note(done === null ? 'nothing' : 'done', done?.files ?? 0);
      if (done === null) return null;
      log.info({ table: name, action, files: done.files }, `table ${name}: ${action}: ${done.text}`);
      return `${action}: ${done.text}`;
    } catch (error) {
      if (signal.aborted) return null;
      note(isPipelineError(error) ? error.code : 'PH_UNIT_FAILED', 0);
      this.#fail(name, action, error, alerts);
      return null;
    }
  }

  #fail(name: string, action: string, error: unknown, alerts: UnitAlert[]): void {
    const code = isPipelineError(error) ? error.code : 'PH_UNIT_FAILED';
    const reason = `table ${name}: ${action}: failed, it is tried again in the next round: ${errorMessage(error)}`;
    this.#options.log.error({ error, table: name, action }, reason);
    alerts.push({ code, reason });
  }

  /** Other engines drop the offsets of writers after a while where a table says so: rows that come again after it would be there twice. */
  async #txnAlerts(table: DeltaTable, name: string): Promise<readonly UnitAlert[]> {
    const text = table.summary().properties[TXN_RETENTION];
    if (text === undefined) return [];
    const [kept, needed] = [intervalMilliseconds(text) ?? 0, await this.#options.retentionOf(name)];
    if (kept > needed) return [];
    const code = 'PH_DELTA_TXN_RETENTION';
    const reason = `table ${name} has ${TXN_RETENTION}=${text}, and its topics keep records for ${Number.isFinite(needed) ? `${needed / 3_600_000} hours` : 'ever'}`;
    const isKnown = this.#tables.get(name)?.alerts.some((alert) => alert.code === code) ?? false;
    if (!isKnown) this.#options.log.error({ code, table: name }, reason);
    return [{ code, reason }];
  }
}
