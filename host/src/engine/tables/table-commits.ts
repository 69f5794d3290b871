import { type Log, milliseconds, PermanentError, type TableDefinition } from '@pipeline-host/sdk';
import type { Clock } from '../../clock.ts';
import type { Appended, DedupeRule, Merged, RowBlock, Skipped, WriteOptions, WrittenBlock } from '../../delta/index.ts';
import type { PartitionState } from '../intake/partition-state.ts';
import type { LineOwner, RowMaker, WritableTable } from './row-maker.ts';
import type { StagedRows } from './staged-rows.ts';
import { type Entry, linesFor } from './table-batch.ts';
import type { WriterOffsets } from './writer-offsets.ts';

/** So many conflicts of a table in one assignment, over a longer time than a hand-over takes, are another host that writes the same offsets. */
const MAX_CONFLICTS = 3;

export interface TableCommitsOptions {
  readonly rowMaker: RowMaker;
  readonly offsets: WriterOffsets;
  readonly log: Log;
  readonly clock: Clock;
  /** Milliseconds in which a former owner learns that it is one. Until then it may still write, batch after batch. */
  readonly handOver: number;
  /** The table is at a newer version now. */
  readonly look: (table: WritableTable) => void;
  readonly onCommit: (table: WritableTable, rows: { readonly written: number; readonly repeated: number }, seconds: number) => void;
}

/** Commits rows with the offsets of their records, and knows by the same which rows are in a table already. */
export class TableCommits {
  readonly #options: TableCommitsOptions;
  /** Commits of others with our partitions' offsets, by table, in this assignment. */
  readonly #conflicts = new Map<WritableTable, { count: number; readonly since: number }>();

  constructor(options: TableCommitsOptions) {
    this.#options = options;
  }

  /** The name of a partition's offset in the table. */
  appId(table: WritableTable, topic: string, partition: number): string {
    return this.#options.offsets.appId(table.delta, topic, partition);
  }

  /** A new assignment: its first conflict is the former owner's again. */
  begin(): void {
    this.#conflicts.clear();
  }

  /** Entries with rows that the table does not hold yet. */
  fresh(table: WritableTable, entries: readonly Entry[]): readonly Entry[] {
    const last = new Map<PartitionState, number>();
    return entries.filter(({ state, record, lines }) => {
      if (!lines.has(table)) return false;
      let written = last.get(state);
      if (written === undefined) {
        written = Number(table.delta.lastTxn(this.appId(table, state.topic, state.partition)) ?? -1);
        last.set(state, written);
      }
      return record.offset > written;
    });
  }

  /** False where another writer has already written these offsets. */
  async commit(table: WritableTable, fresh: readonly Entry[], batch: LineOwner, staged: StagedRows<Entry> | null): Promise<boolean> {
    const started = performance.now();
    const highest = new Map<PartitionState, number>();
    for (const { state, record } of fresh) highest.set(state, Math.max(highest.get(state) ?? -1, record.offset));
    const txns = [...highest].map(([state, offset]) => {
      const appId = this.appId(table, state.topic, state.partition);
      return { appId, version: BigInt(offset), after: table.delta.lastTxn(appId) };
    });
    const how = { txns, reads: [this.#options.offsets.read(table.delta)] };
    const files = (await staged?.take(fresh)) ?? null;
    const lines = files === null ? linesFor(table, fresh) : [];
    const done =
      files === null
        ? await this.#options.rowMaker.withBlock(table, lines, batch, (block) => write(table, block, how))
        : await append(table, files, how);
    this.#options.look(table);
    if (done.skipped) return false;
    const repeated = 'repeated' in done ? done.repeated : 0;
    if (repeated > 0) this.#options.log.info({ table: table.resolved.name, repeated }, 'rows that are in the table already were left out');
    const rows = (files?.rows ?? lines.length) - repeated;
    this.#options.onCommit(table, { written: rows, repeated }, (performance.now() - started) / 1000);
    return true;
  }

  /** Another writer was first with offsets of ours. @throws PermanentError `PH_DELTA_SECOND_WRITER` where that is no hand-over */
  countConflict(table: WritableTable): void {
    const { clock, handOver } = this.#options;
    const conflicts = this.#conflicts.get(table) ?? { count: 0, since: clock.monotonic() };
    this.#conflicts.set(table, conflicts);
    if (++conflicts.count >= MAX_CONFLICTS && clock.monotonic() - conflicts.since >= handOver) throw secondWriter(table);
  }
}

function secondWriter(table: WritableTable): PermanentError {
  return new PermanentError('PH_DELTA_SECOND_WRITER', `another host writes the same records into table ${table.resolved.name}`, {
    place: `table ${table.resolved.name}`,
  });
}

function write(table: WritableTable, block: RowBlock, how: WriteOptions): Promise<Appended | Merged | Skipped> {
  const { options } = table.resolved.definition;
  if (options.mode === 'append') return append(table, block, how);
  return table.delta.merge(block, {
    key: options.key,
    policies: definedPolicies(options.columns),
    ...(options.updateWhen !== undefined && { updateWhen: options.updateWhen }),
    ...how,
  });
}

function append(table: WritableTable, rows: RowBlock | WrittenBlock, how: WriteOptions): Promise<Appended | Skipped> {
  return table.delta.append(rows, { ...how, ...dedupeRule(table.resolved.definition.options) });
}

function dedupeRule(options: TableDefinition['options']): { readonly dedupe?: DedupeRule } {
  if (options.mode !== 'append' || options.dedupe === undefined) return {};
  const { column, window } = options.dedupe;
  return { dedupe: { column, window: milliseconds(window) } };
}

function definedPolicies<Policy>(columns: Readonly<Partial<Record<string, Policy>>> | undefined): Record<string, Policy> {
  // Not assigned one by one, since `__proto__` would be no column then.
  return Object.fromEntries(Object.entries(columns ?? {}).flatMap(([name, policy]) => (policy === undefined ? [] : [[name, policy]])));
}
