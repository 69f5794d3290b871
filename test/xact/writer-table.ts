import type { RecordInfo, TableDefinition, TableWriterDefinition } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { DeltaTable, type TableRow } from '../../host/src/delta/index.ts';
import { createMessageCodec } from '../../host/src/engine/messages/message-codec.ts';
import { BatchLines } from '../../host/src/engine/tables/line-memory.ts';
import { createRowMaker, type RowMaker, type WritableTable } from '../../host/src/engine/tables/row-maker.ts';
import { tableSpec } from '../../host/src/engine/tables/table-rows.ts';
import { XactConfig } from '../../plugins/xact/src/index.ts';
import type { Lake } from '../host/delta/delta-fixture.ts';
import { quietLog } from '../host/http/fixture.ts';

let serial = 0;

/** One table of a writer, and the way of its records into it, without a broker. */
export class WriterTable {
  readonly #maker: RowMaker;
  readonly #table: WritableTable<DeltaTable>;

  private constructor(maker: RowMaker, table: WritableTable<DeltaTable>) {
    this.#maker = maker;
    this.#table = table;
  }

  /** A new table, the writer's first unless another is named. The others are left out. */
  static async open(lake: Lake, writer: TableWriterDefinition, config: object = {}, given?: TableDefinition): Promise<WriterTable> {
    const definition = given ?? writer.writes[0];
    if (definition === undefined) throw new TypeError('the writer writes no table');
    const name = `${definition.name}-${serial++}`;
    const delta = await DeltaTable.open(lake.engine, lake.store, name, { create: tableSpec(definition) });
    const table = { resolved: { definition, name }, delta };
    const maker = createRowMaker({
      definition: writer,
      config: Value.Default(XactConfig, { ...config }),
      tables: [table],
      codec: createMessageCodec(writer.consumes),
      log: quietLog,
    });
    return new WriterTable(maker, table);
  }

  /** @throws as the host does, for what becomes a dead letter */
  async write(value: Buffer, writtenAt: string): Promise<void> {
    const { definition } = this.#table.resolved;
    const record: RecordInfo = { id: null, topic: 'records', partition: 0, offset: 0n, key: null, timestamp: 0, headers: {}, value };
    const batch = { writtenAt, memory: new BatchLines() };
    const lines = this.#maker.lines(this.#maker.decode(value), () => record, batch).get(this.#table) ?? [];
    if (lines.length === 0) return;
    const { options } = definition;
    const { delta } = this.#table;
    await this.#maker.withBlock<unknown>(this.#table, lines, batch, (block) =>
      options.mode === 'append'
        ? delta.append(block)
        : delta.merge(block, { key: options.key, policies: { ...options.columns } as Record<string, 'always'> }),
    );
  }

  rows(): Promise<readonly TableRow[]> {
    return this.#table.delta.readRows();
  }
}
