import { randomUUID } from 'node:crypto';
import type { TableWriterDefinition } from '@pipeline-host/sdk';
import { DeltaTable, type TableRow } from '../delta/index.ts';
import { Intake } from '../engine/intake/intake.ts';
import type { SettledAs } from '../engine/intake/tally.ts';
import { createMessageCodec } from '../engine/messages/message-codec.ts';
import { RecordWriter } from '../engine/records/record-writer.ts';
import type { WritableTable } from '../engine/tables/row-maker.ts';
import { tableSpec } from '../engine/tables/table-rows.ts';
import { TableSink } from '../engine/tables/table-sink.ts';
import { WriterOffsets } from '../engine/tables/writer-offsets.ts';
import type { KafkaRecord } from '../kafka/driver.ts';
import { HEADER, headerNumber, headerText } from '../retry/headers.ts';
import { MemoryProducer } from './memory-producer.ts';
import type { Stage } from './stage.ts';

/** What became of one record of a table writer. */
export interface WriteResult {
  /** `done`: its rows are in the tables. `skipped`: it has none. */
  readonly outcome: 'done' | 'skipped' | 'dead';
  /** Code of the failure; undefined where there is none. */
  readonly code: string | undefined;
  readonly reason: string | undefined;
}

const LAYOUT = { lanes: 1, classes: 1 };
const WRITE_DEADLINE = 60_000;
const EPOCH = 1;

/** A table writer of the engine with real Delta tables, and a log in memory in place of Kafka. */
export class TableRun {
  readonly #intake: Intake;
  readonly #sink: TableSink;
  readonly #producer = new MemoryProducer();
  readonly #tables: readonly WritableTable<DeltaTable>[];
  readonly #settled = new Map<number, SettledAs>();
  readonly #source: string;
  #fatal: { readonly error: unknown } | null = null;

  static async open(stage: Stage, definition: TableWriterDefinition): Promise<TableRun> {
    const tables: WritableTable<DeltaTable>[] = [];
    for (const resolved of stage.worker.tables) {
      const create = tableSpec(resolved.definition);
      tables.push({ resolved, delta: await DeltaTable.open(await stage.host.delta(), stage.host.tables, resolved.name, { create }) });
    }
    const run = new TableRun(stage, definition, tables);
    await run.#intake.assign(EPOCH, [{ topic: stage.source.topic, partition: 0, committed: 0, metadata: null }]);
    return run;
  }

  private constructor(stage: Stage, definition: TableWriterDefinition, tables: readonly WritableTable<DeltaTable>[]) {
    const { worker, source, recorders } = stage;
    this.#tables = tables;
    this.#source = source.topic;
    this.#intake = new Intake({
      sourceTopic: source.topic,
      layout: LAYOUT,
      delays: [],
      release: worker.settings.retry.release,
      addressee: null,
      byteBudget: Number.POSITIVE_INFINITY,
      schemaVersion: source.definition.version,
      readBack: async () => [],
      replays: { verdict: () => 'first' },
      log: recorders.log.log,
      releaseFile: async () => {},
      onCommit: () => {},
    });
    this.#sink = new TableSink({
      intake: this.#intake,
      definition,
      config: worker.plugin.config,
      tables,
      // A batch is what a test gives at once.
      flush: { rows: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY, age: WRITE_DEADLINE },
      byteBudget: Number.POSITIVE_INFINITY,
      codec: createMessageCodec(source.definition),
      writer: new RecordWriter({
        worker,
        sourceCluster: 'default',
        sourceClusterId: 'test',
        layout: LAYOUT,
        deadLetterPartitions: 1,
        largest: new Map(),
        storePayload: (topic, payload) => stage.host.storePayload(topic, payload),
        producerOf: () => this.#producer,
        onFailure: () => {},
      }),
      log: recorders.log.log,
      // A cluster of its own: tables that are there already hold offsets of another one's records.
      offsets: new WriterOffsets(randomUUID(), worker),
      handOver: 0,
      endOffsets: async () => new Map(),
      onPause: () => {},
      onFatal: (error) => {
        this.#fatal ??= { error };
      },
      onCommit: () => {},
    });
    this.#intake.attach(this.#sink, {
      pause: () => {},
      resume: () => {},
      seek: () => {},
      commit: async () => 'committed',
      close: async () => {},
    });
    const settle = this.#intake.settle.bind(this.#intake);
    this.#intake.settle = (state, record, as) => {
      settle(state, record, as);
      this.#settled.set(record.offset, as);
    };
  }

  /** Writes the records as one batch. @throws what would stop the worker */
  async write(records: readonly KafkaRecord[]): Promise<readonly WriteResult[]> {
    const last = records.at(-1)?.offset ?? 0;
    const place = { topic: this.#source, partition: 0, epoch: EPOCH };
    this.#intake.receive({ ...place, highWatermark: last + 1, lastOffset: last, records });
    await this.#sink.drain(Date.now() + WRITE_DEADLINE);
    if (this.#fatal !== null) throw this.#fatal.error;
    return records.map(({ offset }) => {
      const letter = this.#producer.sent.find(({ headers }) => headerNumber(headers, HEADER.originOffset, -1) === offset);
      const as = this.#settled.get(offset);
      return {
        outcome: as === 'skipped' || as === 'dead' ? as : 'done',
        code: headerText(letter?.headers, HEADER.errorCode),
        reason: headerText(letter?.headers, HEADER.errorMessage),
      };
    });
  }

  /** All rows of a table, read back from its files. */
  async rows(name: string): Promise<readonly TableRow[]> {
    const table = this.#tables.find(({ resolved }) => resolved.definition.name === name);
    if (table === undefined) throw new RangeError(`the writer does not write a table "${name}"`);
    return table.delta.readRows();
  }

  close(): void {
    this.#sink.close();
    this.#intake.close();
  }
}
