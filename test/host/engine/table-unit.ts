import { column, definePlugin, defineTable, defineTableWriter, type Log, Type } from '@pipeline-host/sdk';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import type { ClassifiedFailure } from '../../../host/src/engine/failure-class.ts';
import { Intake } from '../../../host/src/engine/intake/intake.ts';
import { createMessageCodec } from '../../../host/src/engine/messages/message-codec.ts';
import { RecordWriter } from '../../../host/src/engine/records/record-writer.ts';
import type { WritableTable } from '../../../host/src/engine/tables/row-maker.ts';
import { tableSpec } from '../../../host/src/engine/tables/table-rows.ts';
import { TableSink } from '../../../host/src/engine/tables/table-sink.ts';
import { WriterOffsets } from '../../../host/src/engine/tables/writer-offsets.ts';
import type { RecordHeaders, TopicPartition } from '../../../host/src/kafka/driver.ts';
import type { LoadedPlugin, ResolvedTable, ResolvedTopic, ResolvedWorker } from '../../../host/src/plugins/topology.ts';
import { MemoryProducer } from '../../../host/src/testing/memory-producer.ts';
import { type Lake, openLake } from '../delta/delta-fixture.ts';
import { jobs } from './in-memory-unit.ts';

const Row = Type.Object({ id: column.string(), n: column.integer() });
const first = defineTable('first', Row, { mode: 'append' });
const second = defineTable('second', Row, { mode: 'append' });
const third = defineTable('third', Row, { mode: 'append' });

const silent: Log & { child(): Log } = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Stands between a writer and its table: may fail or wait before the table is asked, and after. */
export interface Interposed {
  before: (() => Promise<void>) | null;
  after: (() => Promise<void>) | null;
  refresh: (() => Promise<void>) | null;
  /** Before data files are written ahead of their append. */
  stage: (() => Promise<void>) | null;
}

export interface TableUnitOptions {
  readonly lake: Lake;
  /** Folder of its tables; two units with one name write the same ones. */
  readonly name: string;
  /** Milliseconds; 0 by default. */
  readonly handOver?: number;
  /** How many of the tables it writes. */
  readonly tables?: 1 | 2 | 3;
  readonly rows?: (job: { id: string; n: number }) => unknown;
  readonly flush?: { readonly rows: number; readonly bytes: number; readonly age: number };
  readonly byteBudget?: number;
}

/** A table writer's intake and sink on an in-memory log and real Delta tables. */
export class TableUnit {
  readonly producer = new MemoryProducer();
  readonly intake: Intake;
  readonly sink: TableSink;
  readonly tables: readonly DeltaTable[];
  readonly interposed: readonly Interposed[];
  readonly commits: (TopicPartition & { offset: number })[] = [];
  /** Whether it wants no more records for now, as its consumer is told. */
  paused = false;
  pause: ClassifiedFailure | null = null;
  /** Codes of all that it paused for. */
  readonly pauses: string[] = [];
  fatal: unknown;
  end = Number.POSITIVE_INFINITY;
  #epoch = 0;
  /** The next offset, by partition. */
  #next: number[] = [];

  static async open(options: TableUnitOptions): Promise<TableUnit> {
    const definitions = [first, second, third].slice(0, options.tables ?? 1);
    const tables: DeltaTable[] = [];
    for (const definition of definitions) {
      tables.push(
        await DeltaTable.open(options.lake.engine, options.lake.store, `${options.name}-${definition.name}`, {
          create: tableSpec(definition),
        }),
      );
    }
    return new TableUnit(options, definitions, tables);
  }

  private constructor(options: TableUnitOptions, definitions: (typeof first | typeof second | typeof third)[], tables: DeltaTable[]) {
    this.tables = tables;
    this.interposed = tables.map(() => ({ before: null, after: null, refresh: null, stage: null }));
    const rows = options.rows ?? ((job) => Object.fromEntries(definitions.map((definition) => [definition.name, [job]])));
    const definition = defineTableWriter({ consumes: jobs, writes: definitions, rows: rows as never });
    const plugin: LoadedPlugin = {
      name: 'p',
      definition: definePlugin({ name: 'p', workers: {} }),
      manifest: { plugin: 'p', sdk: '*' },
      packageName: 'p',
      version: '1.2.3',
      root: '/',
      prefix: 'p',
      config: {},
    };
    const source: ResolvedTopic = { definition: jobs, topic: 'p.jobs', cluster: 'default', partitions: 1 };
    const resolved: ResolvedTable[] = definitions.map((one) => ({ definition: one, name: `${options.name}-${one.name}` }));
    const flush = options.flush ?? { rows: 3, bytes: 1e6, age: 60_000 };
    const worker: ResolvedWorker = {
      id: 'p.w',
      plugin,
      name: 'w',
      definition,
      consumes: source,
      produces: new Map(),
      tables: resolved,
      group: 'p-w',
      cluster: 'default',
      retryTopic: 'p.w.retry',
      deadLetterTopic: 'p.dlq',
      retryShared: false,
      settings: {
        concurrency: 1,
        order: 'key',
        timeout: 60_000,
        retry: { mode: 'delay', delays: [], byCode: new Map(), lanes: [], release: 1 },
        outage: { share: 1, keys: 1 },
        batchSize: 1,
        flush,
        start: undefined,
      },
    };
    const { byteBudget = 1e9 } = options;
    this.intake = new Intake({
      sourceTopic: 'p.jobs',
      layout: { lanes: 1, classes: 1 },
      delays: [],
      schemaVersion: 1,
      readBack: async () => [],
      release: 1,
      addressee: null,
      byteBudget,
      replays: { verdict: () => 'first' },
      log: silent,
      releaseFile: async () => {},
      onCommit: () => {},
    });
    this.sink = new TableSink({
      intake: this.intake,
      definition,
      config: {},
      tables: tables.map((delta, index) => ({
        resolved: resolved[index] as ResolvedTable,
        delta: interpose(delta, this.interposed[index] as Interposed),
      })) satisfies WritableTable[],
      flush,
      byteBudget,
      codec: createMessageCodec(jobs),
      writer: new RecordWriter({
        onFailure: () => {},
        worker,
        sourceCluster: 'default',
        sourceClusterId: 'c1',
        layout: { lanes: 1, classes: 1 },
        deadLetterPartitions: 1,
        largest: new Map(),
        storePayload: () => Promise.reject(new Error('not part of this test')),
        producerOf: () => this.producer,
      }),
      log: silent,
      offsets: new WriterOffsets('c1', worker),
      handOver: options.handOver ?? 0,
      endOffsets: async () => new Map([['p.jobs/0', this.end]]),
      onPause: (failure) => {
        this.pause = failure;
        if (failure !== null) this.pauses.push(failure.code);
      },
      onFatal: (error) => {
        this.fatal ??= error;
      },
      onCommit: () => {},
    });
    this.intake.attach(this.sink, {
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
      seek: ({ partition, offset }) => {
        this.#next[partition] = offset;
      },
      commit: async (epoch, offsets) => {
        if (epoch !== this.#epoch) return 'stale';
        this.commits.push(...offsets);
        return 'committed';
      },
      close: async () => {},
    });
  }

  /** Partitions are given to this unit, by default one; their records come from the committed offset, or where it seeks to. */
  async assign(committed = 0, partitions = 1): Promise<void> {
    this.#epoch++;
    this.#next = Array.from({ length: partitions }, () => committed);
    await this.intake.assign(
      this.#epoch,
      this.#next.map((_, partition) => ({ topic: 'p.jobs', partition, committed, metadata: null })),
    );
  }

  /** Hands a record of the retry topic to it, as a replay puts it there. */
  async replay(id: string, headers: RecordHeaders): Promise<void> {
    const place = { topic: 'p.w.retry', partition: 0 };
    this.#epoch++;
    await this.intake.assign(this.#epoch, [{ ...place, committed: 0, metadata: null }]);
    const record = { offset: 0, timestamp: 1_700_000_000_000, key: null, value: Buffer.from(JSON.stringify({ id, n: 0 })), headers };
    this.intake.receive({ ...place, epoch: this.#epoch, highWatermark: 1, lastOffset: 0, records: [record] });
  }

  deliver(ids: readonly string[], headers: RecordHeaders = {}, partition = 0): void {
    const start = this.#next[partition] ?? 0;
    const end = start + ids.length;
    this.#next[partition] = end;
    this.intake.receive({
      topic: 'p.jobs',
      partition,
      epoch: this.#epoch,
      highWatermark: end,
      lastOffset: end - 1,
      records: ids.map((id, index) => ({
        offset: start + index,
        timestamp: 1_700_000_000_000,
        key: null,
        value: Buffer.from(JSON.stringify({ id, n: start + index })),
        headers,
      })),
    });
  }

  /** The offset of the next record. */
  get position(): number {
    return this.#next[0] ?? 0;
  }

  /** What stands before one of its tables. */
  at(table: number): Interposed {
    return this.interposed[table] as Interposed;
  }

  get committed(): number {
    return this.commits.at(-1)?.offset ?? 0;
  }

  /** The ids in a table, as they stand in the newest version, sorted. */
  async ids(table = 0): Promise<readonly string[]> {
    const delta = this.tables[table] as DeltaTable;
    await delta.refresh();
    return (await delta.readRows({ columns: ['id'] })).map((row) => row['id'] as string).sort();
  }

  close(): void {
    this.sink.close();
    this.intake.close();
  }
}

function interpose(delta: DeltaTable, at: Interposed): DeltaTable {
  return new Proxy(delta, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name === 'refresh') {
        return async () => {
          await at.refresh?.();
          return await target.refresh();
        };
      }
      if (name === 'stage') {
        return async (...given: Parameters<DeltaTable['stage']>) => {
          await at.stage?.();
          return await target.stage(...given);
        };
      }
      if (name !== 'append' && name !== 'merge') return value.bind(target);
      return async (...given: unknown[]) => {
        await at.before?.();
        const result: unknown = await Reflect.apply(value, target, given);
        await at.after?.();
        return result;
      };
    },
  });
}

export { openLake };
