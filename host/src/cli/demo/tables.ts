import { join } from 'node:path';
import { type DeltaEngine, DeltaTable, openDeltaEngine } from '../../delta/index.ts';
import type { ResolvedTable } from '../../plugins/topology.ts';
import { openStore } from '../../storage/index.ts';
import type { ReadRows } from '../../supervisor/plugin-results.ts';
import type { TableSummary } from './summary.ts';

/** Reads the demo's tables with an engine of its own, as any other reader would. */
export interface DemoTables extends AsyncDisposable {
  readonly readRows: ReadRows;
  summary(table: ResolvedTable): Promise<TableSummary>;
}

/** @param uri of the tables; @param folder for the engine's scratch files */
export async function openDemoTables(uri: string, folder: string): Promise<DemoTables> {
  const engine: DeltaEngine = await openDeltaEngine({ tempDirectory: join(folder, 'tmp') });
  const store = openStore(uri);
  const withTable = async <T>(table: ResolvedTable, use: (open: DeltaTable) => Promise<T>): Promise<T> => {
    const open = await DeltaTable.open(engine, store, table.name);
    try {
      return await use(open);
    } finally {
      await open.close();
    }
  };
  return {
    readRows: (table, columns) => withTable(table, (open) => open.readRows({ columns })),
    summary: (table) =>
      withTable(table, async (open) => {
        const { rows, version } = open.summary();
        return {
          name: table.name,
          uri: store.local?.path(table.name) ?? `${store.uri}/${table.name}`,
          rows: rows ?? (await open.count()),
          version,
        };
      }),
    [Symbol.asyncDispose]: () => engine.close(),
  };
}
