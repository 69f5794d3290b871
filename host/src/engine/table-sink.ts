import { errorMessage, isPipelineError, type Log, PermanentError, type TableWriterDefinition } from '@pipeline-host/sdk';
import { type DeltaTable, RowConversionError } from '../delta/index.ts';
import type { KafkaRecord } from '../kafka/driver.ts';
import type { ResolvedTable } from '../plugins/topology.ts';
import { type ClassifiedFailure, classifyFailure } from './failure-class.ts';
import { failedAttempts } from './headers.ts';
import type { Intake, Sink } from './intake.ts';
import type { MessageCodec } from './message-codec.ts';
import type { PartitionState } from './partition-state.ts';
import { recordInfo } from './record-context.ts';
import type { RecordWriter } from './record-writer.ts';
import { createRowEncoder, type RowEncoder } from './table-rows.ts';

/** Waits between tries of a batch that the storage did not take. */
const FIRST_WAIT = 500;
const LAST_WAIT = 30_000;
/** One conflict after an assignment is the former owner's last commit. More of them are another host that writes the same offsets. */
const MAX_CONFLICTS = 3;

/** An open table and how rows get into it. */
export interface WritableTable {
  readonly resolved: ResolvedTable;
  readonly delta: DeltaTable;
}

export interface TableSinkOptions {
  readonly intake: Intake;
  readonly definition: TableWriterDefinition;
  readonly config: unknown;
  readonly tables: readonly WritableTable[];
  readonly flush: { readonly rows: number; readonly bytes: number; readonly age: number };
  readonly codec: MessageCodec;
  readonly writer: RecordWriter;
  readonly log: Log;
  /** Identity of a partition's offsets in a table's transactions, stable over restarts. */
  readonly appId: (table: ResolvedTable, topic: string, partition: number) => string;
  /** Offset after the last record of each assigned partition. */
  readonly endOffsets: () => Promise<ReadonlyMap<string, number>>;
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  readonly onFatal: (error: unknown) => void;
  readonly onCommit: (table: string, rows: number, seconds: number) => void;
}

/** A record with its rows as lines, by table. */
interface Entry {
  readonly state: PartitionState;
  readonly record: KafkaRecord;
  readonly lines: ReadonlyMap<WritableTable, readonly string[]>;
}

class Batch {
  readonly entries: Entry[] = [];
  readonly openedAt = Date.now();
  readonly writtenAt = new Date(this.openedAt).toISOString();
  rows = 0;
  bytes = 0;
}

/**
 * Writes rows in batches. The last offset of each partition travels as a Delta transaction in the commit of its rows, and
 * rows at or below it are left out when they come again: a record's rows are in the table exactly once, whatever dies.
 */
export class TableSink implements Sink {
  readonly #options: TableSinkOptions;
  readonly #encoders: ReadonlyMap<string, { readonly table: WritableTable; readonly encoder: RowEncoder }>;
  #batch = new Batch();
  #writing: Promise<void> = Promise.resolve();
  #writers = 0;
  #ageTimer: NodeJS.Timeout | null = null;
  #buried = 0;
  /** Commits of others with our partitions' offsets, in this assignment. */
  #conflicts = 0;
  #closed = false;

  constructor(options: TableSinkOptions) {
    this.#options = options;
    this.#encoders = new Map(
      options.tables.map((table) => [table.resolved.definition.name, { table, encoder: createRowEncoder(table.resolved.definition) }]),
    );
  }

  /** Milliseconds since the batch in work was opened; 0 where nothing waits. */
  get longestRunning(): number {
    return this.#writers === 0 ? 0 : Date.now() - this.#batch.openedAt;
  }

  /** A table whose transactions are beyond the end of the partition belongs to other offsets than these. */
  async assigned(partitions: readonly PartitionState[]): Promise<void> {
    this.#batch = new Batch();
    this.#conflicts = 0;
    const ends = await this.#options.endOffsets();
    for (const table of this.#options.tables) {
      await table.delta.refresh();
      for (const { topic, partition } of partitions) {
        const last = table.delta.lastTxn(this.#options.appId(table.resolved, topic, partition));
        const end = ends.get(`${topic}/${partition}`);
        if (last !== null && end !== undefined && Number(last) >= end) {
          throw new PermanentError(
            'PH_DELTA_OFFSETS_FOREIGN',
            `table ${table.resolved.name} holds offset ${last} of ${topic}/${partition}, which ends at ${end}`,
            {
              place: `table ${table.resolved.name}`,
            },
          );
        }
      }
    }
  }

  wake(): void {
    const { intake, flush } = this.#options;
    for (let taken = intake.take(); taken !== undefined; taken = intake.take()) {
      this.#add(taken.partition, taken.record);
      if (this.#batch.rows >= flush.rows || this.#batch.bytes >= flush.bytes) this.#cut();
    }
    if (this.#batch.entries.length > 0 && this.#ageTimer === null) {
      this.#ageTimer = setTimeout(() => {
        this.#ageTimer = null;
        this.#cut();
      }, flush.age);
    }
  }

  #add(state: PartitionState, record: KafkaRecord): void {
    const batch = this.#batch;
    const lines = new Map<WritableTable, readonly string[]>();
    let stage: 'decode' | 'handle' = 'decode';
    try {
      const message = this.#options.codec.decode(record.value);
      stage = 'handle';
      const rows = this.#options.definition.rows(message, {
        config: this.#options.config,
        log: this.#options.log,
        record: recordInfo(state.topic, state.partition, record),
        writtenAt: batch.writtenAt,
      });
      for (const [name, given] of Object.entries(rows)) {
        if (given === undefined || given.length === 0) continue;
        const target = this.#encoders.get(name);
        if (target === undefined) throw new PermanentError('PH_ROW_INVALID', `rows for "${name}", which the writer does not declare`);
        lines.set(
          target.table,
          given.map((row) => target.encoder.encode(row)),
        );
      }
    } catch (error) {
      // A pure function that fails would fail again: waiting helps no row.
      this.#bury({ state, record, lines: new Map() }, classifyFailure(error), stage);
      return;
    }
    batch.entries.push({ state, record, lines });
    for (const table of lines.values()) {
      batch.rows += table.length;
      for (const line of table) batch.bytes += line.length;
    }
  }

  /** Closes the batch and writes it after those before it. */
  #cut(): void {
    if (this.#ageTimer !== null) clearTimeout(this.#ageTimer);
    this.#ageTimer = null;
    const batch = this.#batch;
    if (batch.entries.length === 0) return;
    this.#batch = new Batch();
    this.#writers++;
    this.#writing = this.#writing
      .then(() => this.#write(batch))
      .catch((error: unknown) => this.#options.onFatal(error))
      .finally(() => {
        this.#writers--;
      });
  }

  async #write(batch: Batch): Promise<void> {
    let entries: readonly Entry[] = batch.entries;
    for (const table of this.#options.tables) entries = await this.#writeTable(table, entries);
    for (const { state, record, lines } of entries) this.#options.intake.settle(state, record, lines.size === 0 ? 'skipped' : 'done');
    await this.#options.intake.commit();
  }

  /** Writes one table's rows, waiting out what passes. Returns the entries that are left when refused rows are taken out. */
  async #writeTable(table: WritableTable, given: readonly Entry[]): Promise<readonly Entry[]> {
    let entries = given;
    let wait = FIRST_WAIT;
    /** The table may hold more than we know: look before writing again. */
    let unsure = false;
    for (;;) {
      entries = entries.filter(({ state }) => !state.closed);
      let fresh = this.#freshEntries(table, entries);
      if (fresh.length === 0 || this.#closed) return entries;
      try {
        if (unsure) {
          await table.delta.refresh();
          unsure = false;
          fresh = this.#freshEntries(table, entries);
          if (fresh.length === 0) return entries;
        }
        const written = await this.#commitRows(table, fresh);
        this.#options.onPause(null);
        if (written) return entries;
        unsure = true;
        if (++this.#conflicts >= MAX_CONFLICTS) throw secondWriter(table);
      } catch (error) {
        unsure = true;
        if (error instanceof RowConversionError) {
          const refused = this.#refuse(table, fresh, error);
          if (refused.size === 0) throw error;
          entries = entries.filter((entry) => !refused.has(entry));
        } else if (isPipelineError(error) && error.code === 'PH_DELTA_TXN_CONFLICT') {
          if (++this.#conflicts >= MAX_CONFLICTS) throw secondWriter(table);
        } else if (isPipelineError(error) && (error.kind === 'permanent' || error.kind === 'fatal')) {
          throw error;
        } else {
          const failure = classifyFailure(error);
          this.#options.onPause(failure);
          this.#options.log.warn(
            { error },
            `table ${table.resolved.name} did not take the batch, it is tried again: ${errorMessage(error)}`,
          );
          await new Promise((resolve) => setTimeout(resolve, failure.retryAfter ?? wait));
          wait = Math.min(wait * 2, LAST_WAIT);
        }
      }
    }
  }

  /** Entries with rows that the table does not hold yet. */
  #freshEntries(table: WritableTable, entries: readonly Entry[]): readonly Entry[] {
    const last = new Map<PartitionState, number>();
    return entries.filter(({ state, record, lines }) => {
      if (!lines.has(table)) return false;
      let written = last.get(state);
      if (written === undefined) {
        written = Number(table.delta.lastTxn(this.#options.appId(table.resolved, state.topic, state.partition)) ?? -1);
        last.set(state, written);
      }
      return record.offset > written;
    });
  }

  /** False where another writer has already written these offsets. */
  async #commitRows(table: WritableTable, fresh: readonly Entry[]): Promise<boolean> {
    const started = performance.now();
    const lines: string[] = [];
    const highest = new Map<PartitionState, number>();
    for (const entry of fresh) {
      for (const line of entry.lines.get(table) ?? []) lines.push(line);
      highest.set(entry.state, Math.max(highest.get(entry.state) ?? -1, entry.record.offset));
    }
    const txns = [...highest].map(([state, offset]) => {
      const appId = this.#options.appId(table.resolved, state.topic, state.partition);
      return { appId, version: BigInt(offset), after: table.delta.lastTxn(appId) };
    });
    const block = { ndjson: Buffer.from(lines.join(''), 'utf8'), rows: lines.length };
    const { options } = table.resolved.definition;
    const { skipped } =
      options.mode === 'append'
        ? await table.delta.append(block, { txns })
        : await table.delta.merge(block, { key: options.key, policies: definedPolicies(options.columns), txns });
    if (skipped) return false;
    this.#options.onCommit(table.resolved.name, lines.length, (performance.now() - started) / 1000);
    return true;
  }

  /** Rows that the table cannot hold: their records become dead letters before the commit. */
  #refuse(table: WritableTable, fresh: readonly Entry[], error: RowConversionError): ReadonlySet<Entry> {
    const owners = fresh.flatMap((entry) => (entry.lines.get(table) ?? []).map(() => entry));
    const refused = new Set<Entry>();
    for (const { index, column, reason } of error.rows) {
      const entry = owners[index];
      if (entry === undefined || refused.has(entry)) continue;
      refused.add(entry);
      this.#bury(
        entry,
        classifyFailure(new PermanentError('PH_ROW_INVALID', `row of ${table.resolved.name}: column ${column}: ${reason}`)),
        'write',
      );
    }
    return refused;
  }

  #bury(entry: Entry, failure: ClassifiedFailure, stage: 'decode' | 'handle' | 'write'): void {
    const { state, record } = entry;
    this.#buried++;
    this.#options.writer
      .deadLetter(
        { topic: state.topic, partition: state.partition, source: state.source, record },
        { failure, stage, attempts: failedAttempts(record.headers) + 1 },
      )
      .then(
        () => this.#options.intake.settle(state, record, 'dead'),
        (error: unknown) => this.#options.onFatal(error),
      )
      .finally(() => {
        this.#buried--;
      });
  }

  /** Flushes what was taken, so that the next owner repeats nothing. */
  async drain(deadline: number): Promise<void> {
    this.#cut();
    const written = this.#writing.then(async () => {
      while (this.#buried > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
    });
    await Promise.race([written, late]);
    clearTimeout(timer);
    this.abandon();
  }

  abandon(): void {
    this.#batch = new Batch();
    if (this.#ageTimer !== null) clearTimeout(this.#ageTimer);
    this.#ageTimer = null;
  }

  close(): void {
    this.#closed = true;
    this.abandon();
  }
}

function secondWriter(table: WritableTable): PermanentError {
  return new PermanentError('PH_DELTA_SECOND_WRITER', `another host writes the same records into table ${table.resolved.name}`, {
    place: `table ${table.resolved.name}`,
  });
}

function definedPolicies<Policy>(columns: Readonly<Partial<Record<string, Policy>>> | undefined): Record<string, Policy> {
  const policies: Record<string, Policy> = {};
  for (const [name, policy] of Object.entries(columns ?? {})) if (policy !== undefined) policies[name] = policy;
  return policies;
}
