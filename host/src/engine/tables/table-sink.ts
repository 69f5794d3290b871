import { setImmediate as turn } from 'node:timers/promises';
import { errorMessage, isPipelineError, type Log, PermanentError, type TableWriterDefinition } from '@pipeline-host/sdk';
import { type Clock, pass, systemClock, type Wait } from '../../clock.ts';
import { CommitConflictError, RowConversionError } from '../../delta/index.ts';
import type { KafkaRecord } from '../../kafka/driver.ts';
import { failedAttempts } from '../../retry/headers.ts';
import { type ClassifiedFailure, classifyFailure } from '../failure-class.ts';
import type { Intake, Sink } from '../intake/intake.ts';
import { type PartitionState, recordBytes } from '../intake/partition-state.ts';
import { type MessageCodec, readableValue } from '../messages/message-codec.ts';
import { recordInfo } from '../records/record-context.ts';
import type { RecordWriter } from '../records/record-writer.ts';
import type { UnitAlert } from '../status.ts';
import { DriftWatch } from './drift-watch.ts';
import { createRowMaker, type RowMaker, type TableLines, type WritableTable } from './row-maker.ts';
import { SmallFileWatch } from './small-file-watch.ts';
import { StagedRows } from './staged-rows.ts';
import { Batch, type Entry, linesFor, writtenBefore } from './table-batch.ts';
import { TableCommits } from './table-commits.ts';
import type { WriterOffsets } from './writer-offsets.ts';

/** Milliseconds of making rows before the event loop has its turn: heartbeats, health and other workers wait for it. */
const TURN = 10;
const SETTLED_IN_A_TURN = 2_000;
/** Waits between tries of a batch that the storage did not take. */
const FIRST_WAIT = 500;
const LAST_WAIT = 30_000;
/** The storage may ask to be left alone for longer, but not for ever. */
const LONGEST_ASKED = 300_000;
export interface TableSinkOptions {
  readonly intake: Intake;
  readonly definition: TableWriterDefinition;
  readonly config: unknown;
  readonly tables: readonly WritableTable[];
  readonly flush: { readonly rows: number; readonly bytes: number; readonly age: number };
  /** Bytes of records that the unit may hold. A batch takes half of them: while one is written, the next can fill. */
  readonly byteBudget: number;
  readonly codec: MessageCodec;
  readonly writer: RecordWriter;
  readonly log: Log;
  /** Names of the partitions' offsets in a table's transactions, stable over restarts. */
  readonly offsets: WriterOffsets;
  /** Milliseconds in which a former owner of a partition learns that it is one. */
  readonly handOver: number;
  /** Offset after the last record of each partition, by `topic/partition`. */
  readonly endOffsets: (topics: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  readonly onFatal: (error: unknown) => void;
  readonly onCommit: (table: string, rows: { readonly written: number; readonly repeated: number }, seconds: number) => void;
  /** The system's by default. */
  readonly clock?: Clock;
}

/**
 * Writes rows in batches. The last offset of each partition travels as a Delta transaction in the commit of its rows, and
 * rows at or below it are left out when they come again: a record's rows are in the table exactly once, whatever dies.
 */
export class TableSink implements Sink {
  readonly #options: TableSinkOptions;
  readonly #rowMaker: RowMaker;
  #assignment = new AbortController();
  #batch = new Batch(this.#assignment.signal);
  #writing: Promise<void> = Promise.resolve();
  /** The batch that was cut last is being written. */
  #begun: Promise<void> = Promise.resolve();
  #ageTimer: Wait | null = null;
  /** Batches that are being written, and whether the first of them waits until the storage is asked again. */
  #cutBatches = 0;
  #isWaitingOut = false;
  /** Records are left for the next turn of the event loop. */
  #nextTurn: NodeJS.Immediate | null = null;
  #buried = 0;
  readonly #commits: TableCommits;
  readonly #smallFiles: SmallFileWatch;
  readonly #clock: Clock;
  readonly #drift: DriftWatch;
  /** Nothing may be written above a batch that failed for good: its offsets would be covered, and its rows lost. */
  #failed = false;

  constructor(options: TableSinkOptions) {
    this.#options = options;
    this.#rowMaker = createRowMaker(options);
    this.#smallFiles = new SmallFileWatch(options.log);
    this.#clock = options.clock ?? systemClock;
    this.#drift = new DriftWatch(options.log);
    for (const table of options.tables) this.#drift.look(table);
    this.#commits = new TableCommits({
      rowMaker: this.#rowMaker,
      offsets: options.offsets,
      log: options.log,
      clock: this.#clock,
      handOver: options.handOver,
      look: (table) => this.#drift.look(table),
      onCommit: (table, rows, seconds) => {
        const { name } = table.resolved;
        this.#smallFiles.look(name, () => table.delta.planOptimize().files);
        options.onCommit(name, rows, seconds);
      },
    });
  }

  get alerts(): readonly UnitAlert[] {
    return [...this.#drift.alerts, ...this.#smallFiles.alerts];
  }

  /** A table whose transactions are beyond the end of the partition belongs to other offsets than these. */
  async assigned(partitions: readonly PartitionState[]): Promise<void> {
    this.#commits.begin();
    for (const table of this.#options.tables) {
      await table.delta.refresh();
      this.#drift.look(table);
    }
    // Asked after the tables: the former owner may still have written records that came in meanwhile.
    const ends = await this.#options.endOffsets([...new Set(partitions.map(({ topic }) => topic))]);
    for (const table of this.#options.tables) {
      for (const { topic, partition } of partitions) {
        const last = table.delta.lastTxn(this.#commits.appId(table, topic, partition));
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
    this.#passWritten(partitions);
  }

  /** Partitions begin behind the records whose rows all tables hold. */
  #passWritten(partitions: readonly PartitionState[]): void {
    let records = 0;
    for (const state of partitions) {
      const written = this.#options.tables.map((table) => table.delta.lastTxn(this.#commits.appId(table, state.topic, state.partition)));
      const start = Math.min(...written.map((last) => (last === null ? 0 : Number(last) + 1)));
      if (start <= state.committed) continue;
      records += start - state.committed;
      state.begin(start);
    }
    // After a crash these are few. Who set the group back on purpose is told why nothing comes of it.
    if (records > 0)
      this.#options.log.info(
        { records },
        'records whose rows are in the tables are not read again; "pipeline-host tables rebase" lets them be written again',
      );
  }

  /** Something is in work that ends by itself: rows on their way to the storage, or a dead letter to the broker. */
  get isBusy(): boolean {
    return (this.#cutBatches > 0 && !this.#isWaitingOut) || this.#buried > 0;
  }

  wake(): void {
    const { intake, flush, byteBudget } = this.#options;
    if (this.#failed || this.#nextTurn !== null) return;
    const end = performance.now() + TURN;
    for (let taken = intake.take(); taken !== undefined; taken = intake.take()) {
      this.#add(taken.partition, taken.record);
      const { rows, bytes, recordBytes: held } = this.#batch;
      if (rows >= flush.rows || bytes >= flush.bytes || held * 2 >= byteBudget) this.#cut();
      if (performance.now() < end) continue;
      this.#nextTurn = setImmediate(() => {
        this.#nextTurn = null;
        this.wake();
      });
      break;
    }
    if (this.#batch.entries.length > 0 && this.#ageTimer === null) {
      this.#ageTimer = this.#clock.after(flush.age, () => {
        this.#ageTimer = null;
        this.#cut();
      });
    }
  }

  #add(state: PartitionState, record: KafkaRecord): void {
    const batch = this.#batch;
    const written = writtenBefore(state, record);
    let lines: TableLines;
    let stage: 'decode' | 'handle' = 'decode';
    try {
      const message = this.#rowMaker.decode(readableValue(record));
      stage = 'handle';
      lines = this.#rowMaker.lines(message, () => recordInfo(state.topic, state.partition, record), batch);
      if (written.length > 0) lines = new Map([...lines.entries()].filter(([{ resolved }]) => !written.includes(resolved.name)));
    } catch (error) {
      // A pure function that fails would fail again: waiting helps no row.
      batch.burials.push(this.#bury({ state, record, lines: new Map(), written }, classifyFailure(error), stage, written));
      return;
    }
    batch.entries.push({ state, record, lines, written });
    batch.recordBytes += recordBytes(record);
    for (const table of lines.values()) {
      batch.rows += table.length;
      for (const line of table) batch.bytes += line.length;
    }
  }

  /** Closes the batch and writes it after those before it. */
  #cut(): void {
    this.#ageTimer?.cancel();
    this.#ageTimer = null;
    const batch = this.#batch;
    if (batch.entries.length === 0) return;
    this.#batch = new Batch(this.#assignment.signal);
    batch.staged = this.#begun.then(() => this.#stage(batch));
    batch.staged.catch(() => {}); // told to whoever writes the batch
    this.#begun = this.#writing;
    this.#cutBatches++;
    this.#writing = this.#writing
      .then(() => this.#write(batch))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#cutBatches--);
  }

  /** While the batch before it is written, and not earlier: those that wait have no files. */
  #stage(batch: Batch): StagedRows<Entry> | null {
    const [table, ...others] = this.#options.tables;
    if (table === undefined || others.length > 0 || table.resolved.definition.options.mode !== 'append' || batch.ended.aborted) return null;
    const entries = this.#commits.fresh(
      table,
      batch.entries.filter(({ state }) => !state.closed),
    );
    if (entries.length === 0) return null;
    const lines = linesFor(table, entries);
    const block = this.#rowMaker.withBlock(table, lines, batch, (rows) => table.delta.stage(rows));
    return new StagedRows(table.delta, entries, block);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.abandon();
    this.#options.onFatal(error);
  }

  async #write(batch: Batch): Promise<void> {
    await Promise.all(batch.burials);
    const staged = await batch.staged;
    let entries: readonly Entry[] = batch.entries;
    try {
      for (const table of this.#options.tables) entries = await this.#writeTable(table, entries, batch, staged);
    } finally {
      await staged?.discard();
      batch.memory.release();
    }
    for (const [at, { state, record, lines }] of entries.entries()) {
      if (at % SETTLED_IN_A_TURN === SETTLED_IN_A_TURN - 1) await turn();
      this.#options.intake.settle(state, record, lines.size === 0 ? 'skipped' : 'done');
    }
    await this.#options.intake.commit();
  }

  /** Writes one table's rows, waiting out what passes. Returns the entries whose rows are in the table, or have none there. */
  async #writeTable(
    table: WritableTable,
    given: readonly Entry[],
    batch: Batch,
    staged: StagedRows<Entry> | null,
  ): Promise<readonly Entry[]> {
    const { ended } = batch;
    let entries = given;
    let wait = FIRST_WAIT;
    /** The table may hold more than we know: look before writing again. */
    let unsure = false;
    for (;;) {
      if (ended.aborted) return [];
      entries = entries.filter(({ state }) => !state.closed);
      let fresh = this.#commits.fresh(table, entries);
      if (fresh.length === 0) return entries;
      try {
        if (unsure) {
          await table.delta.refresh();
          this.#drift.look(table);
          unsure = false;
          fresh = this.#commits.fresh(table, entries);
          if (fresh.length === 0) return entries;
        }
        const written = await this.#commits.commit(table, fresh, batch, staged);
        this.#options.onPause(null);
        if (written) return entries;
        unsure = true;
        this.#commits.countConflict(table);
      } catch (error) {
        unsure = true;
        if (error instanceof RowConversionError) {
          const refused = await this.#refuse(table, fresh, error);
          if (refused.size === 0) throw error;
          entries = entries.filter((entry) => !refused.has(entry));
        } else if (isPipelineError(error) && error.code === 'PH_DELTA_TXN_CONFLICT') {
          this.#commits.countConflict(table);
        } else if (error instanceof CommitConflictError && isOfTable(error)) {
          // Nothing is in the way: after a look at what the table is now, the batch goes into it, or is told why it does not.
        } else if (isPipelineError(error) && (error.kind === 'permanent' || error.kind === 'fatal')) {
          throw error;
        } else {
          const failure = classifyFailure(error);
          this.#options.onPause(failure);
          this.#options.log.warn(
            { error },
            `table ${table.resolved.name} did not take the batch, it is tried again: ${errorMessage(error)}`,
          );
          this.#isWaitingOut = true;
          await pass(this.#clock, Math.max(wait, Math.min(failure.retryAfter ?? 0, LONGEST_ASKED)), ended);
          this.#isWaitingOut = false;
          wait = Math.min(wait * 2, LAST_WAIT);
        }
      }
    }
  }

  /** Rows that the table cannot hold: their records become dead letters before the commit, which covers their offsets. */
  async #refuse(table: WritableTable, fresh: readonly Entry[], error: RowConversionError): Promise<ReadonlySet<Entry>> {
    const owners = fresh.flatMap((entry) => (entry.lines.get(table) ?? []).map(() => entry));
    const refused = new Set<Entry>();
    const burials: Promise<void>[] = [];
    for (const { index, column, reason } of error.rows) {
      const entry = owners[index];
      if (entry === undefined || refused.has(entry)) continue;
      refused.add(entry);
      const fault = `row of ${table.resolved.name}: ${column === null ? '' : `column ${column}: `}${reason}`;
      burials.push(
        this.#bury(entry, classifyFailure(new PermanentError('PH_ROW_INVALID', fault)), 'write', this.#writtenUntil(table, entry)),
      );
    }
    await Promise.all(burials);
    return refused;
  }

  /** The tables that hold the entry's rows when this one refuses them: a replay must not write those again. */
  #writtenUntil(table: WritableTable, { lines, written }: Entry): readonly string[] {
    const before = this.#options.tables.slice(0, this.#options.tables.indexOf(table));
    return [...written, ...before.filter((one) => lines.has(one)).map(({ resolved }) => resolved.name)];
  }

  /** Resolves when the dead letter is stored. Where it cannot be, the writer stops. Never rejects. */
  async #bury(entry: Entry, failure: ClassifiedFailure, stage: 'decode' | 'handle' | 'write', written: readonly string[]): Promise<void> {
    const { state, record } = entry;
    this.#buried++;
    try {
      const retried = state.lane !== null;
      const attempts = failedAttempts(record.headers, retried) + 1;
      const from = { topic: state.topic, partition: state.partition, source: state.source, retried, record };
      await this.#options.writer.deadLetter(from, { failure, stage, attempts, written });
      this.#options.intake.settle(state, record, 'dead');
    } catch (error) {
      if (!state.closed) this.#fail(error);
    } finally {
      this.#buried--;
    }
  }

  /** Flushes what was taken, so that the next owner repeats nothing. */
  async drain(deadline: number): Promise<void> {
    this.#takeNoMore();
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
    this.#assignment.abort();
    this.#assignment = new AbortController();
    this.#batch = new Batch(this.#assignment.signal);
    this.#ageTimer?.cancel();
    this.#ageTimer = null;
    this.#takeNoMore();
  }

  #takeNoMore(): void {
    if (this.#nextTurn !== null) clearImmediate(this.#nextTurn);
    this.#nextTurn = null;
  }

  close(): void {
    this.abandon();
  }
}

/** Whether another writer changed the table itself, not its rows. */
function isOfTable({ rule }: CommitConflictError): boolean {
  return rule === 'MetadataChanged' || rule === 'ProtocolChanged';
}
