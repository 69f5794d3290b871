import type { RecordInfo, TableWriterDefinition } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { DeltaTable, type TableRow } from '../../host/src/delta/index.ts';
import { createMessageCodec } from '../../host/src/engine/message-codec.ts';
import { createRowMaker, type RowMaker, type WritableTable } from '../../host/src/engine/row-maker.ts';
import { tableSpec } from '../../host/src/engine/table-rows.ts';
import { ClaimXConfig } from '../../plugins/claimx/src/index.ts';
import type { Lake } from '../host/delta/delta-fixture.ts';
import { quietLog } from '../host/http/fixture.ts';

let serial = 0;

/** The tables of a writer, and the way of its records into them, without a broker. */
export class WriterTables {
  readonly #maker: RowMaker;
  readonly #tables: readonly WritableTable<DeltaTable>[];

  private constructor(maker: RowMaker, tables: readonly WritableTable<DeltaTable>[]) {
    this.#maker = maker;
    this.#tables = tables;
  }

  /** New tables. With `oldId` they are there already, as an older system made them: its name for the event's id. */
  static async open(
    lake: Lake,
    writer: TableWriterDefinition,
    { oldId, ...config }: { readonly oldId?: string; readonly keepUrlQuery?: boolean } = {},
  ): Promise<WriterTables> {
    const tables: WritableTable<DeltaTable>[] = [];
    for (const definition of writer.writes) {
      const name = `${definition.name}-${serial++}`;
      const spec = tableSpec(definition);
      if (oldId !== undefined) {
        const columns = spec.columns.map(({ aliases: _, ...column }) => (column.name === 'trace_id' ? { ...column, name: oldId } : column));
        const key = spec.key?.map((name) => (name === 'trace_id' ? oldId : name));
        await DeltaTable.open(lake.engine, lake.store, name, { create: { ...spec, columns, ...(key !== undefined && { key }) } });
      }
      const delta = await DeltaTable.open(lake.engine, lake.store, name, { create: spec });
      tables.push({ resolved: { definition, name }, delta });
    }
    const maker = createRowMaker({
      definition: writer,
      config: Value.Default(ClaimXConfig, { ...config }),
      tables,
      codec: createMessageCodec(writer.consumes),
      log: quietLog,
    });
    return new WriterTables(maker, tables);
  }

  /** @throws as the host does, for what becomes a dead letter */
  async write(message: unknown, writtenAt: string): Promise<void> {
    const value = Buffer.from(JSON.stringify(message));
    const record: RecordInfo = { topic: 'records', partition: 0, offset: 0n, key: null, timestamp: 0, headers: {}, value, id: null };
    const made = this.#maker.lines(this.#maker.decode(value), () => record, writtenAt);
    for (const table of this.#tables) {
      const lines = made.get(table) ?? [];
      if (lines.length === 0) continue;
      const { options } = table.resolved.definition;
      await this.#maker.withBlock<unknown>(lines, writtenAt, (block) => {
        if (options.mode === 'append') return table.delta.append(block);
        const policies = { ...options.columns } as Record<string, 'always'>;
        return table.delta.merge(block, { key: options.key, policies, ...(options.updateWhen && { updateWhen: options.updateWhen }) });
      });
    }
  }

  async rows(name: string): Promise<readonly TableRow[]> {
    return (await this.#tables.find(({ resolved }) => resolved.definition.name === name)?.delta.readRows()) ?? [];
  }

  /** The one row of a table. */
  async row(name: string): Promise<TableRow> {
    const [row, ...more] = await this.rows(name);
    if (row === undefined || more.length > 0) throw new Error(`${name} has ${more.length + (row === undefined ? 0 : 1)} rows`);
    return row;
  }
}
