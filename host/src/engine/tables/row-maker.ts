import { type Log, PermanentError, type RecordInfo, type TableWriterDefinition } from '@pipeline-host/sdk';
import type { DeltaTable, RowBlock } from '../../delta/index.ts';
import type { ResolvedTable } from '../../plugins/topology.ts';
import type { MessageCodec } from '../messages/message-codec.ts';
import { joinedLength, joinLines, messageLine, ORIGINAL_MARK } from '../messages/message-line.ts';
import { BlockMemory } from './block-memory.ts';
import { columnProjection } from './column-projection.ts';
import { type BatchLines, LineMemory } from './line-memory.ts';
import { createRowEncoder } from './table-rows.ts';

/** What a writer asks of a Delta table. */
export type WriterTable = Pick<
  DeltaTable,
  'append' | 'merge' | 'stage' | 'discard' | 'refresh' | 'lastTxn' | 'differences' | 'planOptimize'
>;

/** An open table and how rows get into it. */
export interface WritableTable<Table extends WriterTable = WriterTable> {
  readonly resolved: ResolvedTable;
  readonly delta: Table;
}

/** Lines, without their line feeds, for the tables of a writer; a table without any is not in it. */
export type TableLines = Pick<ReadonlyMap<WritableTable, readonly Buffer[]>, 'size' | 'has' | 'get' | 'values' | 'entries'>;

/** One line for one table, which tens of thousands of records have at a time: a map of it would take 400 bytes. */
class OneLine implements TableLines {
  readonly size = 1;
  readonly #table: WritableTable;
  readonly #line: Buffer;

  constructor(table: WritableTable, line: Buffer) {
    this.#table = table;
    this.#line = line;
  }

  has(table: WritableTable): boolean {
    return table === this.#table;
  }
  get(table: WritableTable): readonly Buffer[] | undefined {
    return table === this.#table ? [this.#line] : undefined;
  }
  values(): MapIterator<readonly Buffer[]> {
    return [[this.#line]].values();
  }
  entries(): MapIterator<[WritableTable, readonly Buffer[]]> {
    const entry: [WritableTable, readonly Buffer[]] = [this.#table, [this.#line]];
    return [entry].values();
  }
}

/** What lines are made for. */
export interface LineOwner {
  readonly writtenAt: string;
  readonly memory: BatchLines;
}

/** How the records of a table writer become rows. */
export interface RowMaker {
  /** @throws PermanentError for what is no message */
  decode(value: Buffer | null): unknown;
  /** They may lie in memory of the batch, until that is released. @throws what the plugin throws, or `PH_ROW_INVALID` */
  lines(message: unknown, record: () => RecordInfo, batch: LineOwner): TableLines;
  /** Runs `use` with lines that the batch has for one table, as the table takes them. The block is gone once it has ended. */
  withBlock<T>(table: WritableTable, lines: readonly Buffer[], batch: LineOwner, use: (block: RowBlock) => Promise<T>): Promise<T>;
}

export interface RowMakerOptions {
  readonly definition: TableWriterDefinition;
  readonly config: unknown;
  /** Those of the definition, but for optional ones that are not enabled. */
  readonly tables: readonly WritableTable[];
  readonly codec: MessageCodec;
  readonly log: Log;
}

export function createRowMaker(options: RowMakerOptions): RowMaker {
  const { columns, rows } = options.definition;
  const [table] = options.tables;
  if (columns !== undefined && table !== undefined) return byColumns(options.codec, table, columns);
  if (rows !== undefined) return byRows(options, rows);
  throw new TypeError('a table writer has rows or columns'); // the plugin was checked when it was loaded
}

function byRows({ definition, config, tables, codec, log }: RowMakerOptions, rowsOf: NonNullable<TableWriterDefinition['rows']>): RowMaker {
  const encoders = new Map(
    tables.map((table) => {
      const { definition: written } = table.resolved;
      return [written.name, { table, encoder: createRowEncoder(written), memory: new LineMemory() }];
    }),
  );
  const memory = new BlockMemory();
  const leftOut = new Set(definition.writes.map(({ name }) => name).filter((name) => !encoders.has(name)));
  return {
    decode: (value) => codec.decode(value),
    lines(message, record, { writtenAt, memory: batchMemory }) {
      const rows: unknown = rowsOf(message, { config, log, record: record(), writtenAt });
      if (typeof rows !== 'object' || rows === null || 'then' in rows)
        throw new PermanentError('PH_ROW_INVALID', 'rows() returned no rows by table');
      const made: [WritableTable, readonly Buffer[]][] = [];
      for (const [name, given] of Object.entries(rows) as [string, readonly object[] | undefined][]) {
        if (given === undefined || given.length === 0 || leftOut.has(name)) continue;
        const target = encoders.get(name);
        if (target === undefined) throw new PermanentError('PH_ROW_INVALID', `rows for "${name}", which the writer does not declare`);
        const block = batchMemory.block(target.memory);
        made.push([target.table, given.map((row) => block.add(target.encoder.encode(row)))]);
      }
      const [first] = made;
      const line = made.length === 1 && first?.[1].length === 1 ? first[1][0] : undefined;
      return first === undefined || line === undefined ? new Map(made) : new OneLine(first[0], line);
    },
    async withBlock(table, lines, batch, use) {
      const target = encoders.get(table.resolved.definition.name);
      const whole = target === undefined ? null : batch.memory.block(target.memory).whole(lines.length);
      if (whole !== null) return await use({ ndjson: whole, rows: lines.length });
      return await withJoined(memory, lines, (ndjson) => use({ ndjson, rows: lines.length }));
    },
  };
}

/** The message is checked as every message is; its bytes go to the table as they are. */
function byColumns(codec: MessageCodec, table: WritableTable, columns: NonNullable<TableWriterDefinition['columns']>): RowMaker {
  const { projection, texts } = columnProjection(columns);
  const memory = new BlockMemory();
  return {
    decode: (value) => (codec.isPlain(value) ? value : messageLine(codec.checkedJson(value), texts)),
    lines: (line) => new OneLine(table, line as Buffer), // what decode gave
    withBlock: (_table, lines, { writtenAt }, use) =>
      withJoined(memory, lines, (ndjson) => {
        const hasOriginals = ndjson.includes(ORIGINAL_MARK);
        return use({ ndjson, rows: lines.length, projection, constants: { written_at: writtenAt }, hasOriginals });
      }),
  };
}

function withJoined<T>(memory: BlockMemory, lines: readonly Buffer[], use: (ndjson: Buffer) => Promise<T>): Promise<T> {
  return memory.lend(joinedLength(lines), async (ndjson) => {
    await joinLines(lines, ndjson);
    return await use(ndjson);
  });
}
