import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SqlConnection, sqlText } from '../../../host/src/delta/duckdb/engine.ts';
import { type DeltaEngine, DeltaTable } from '../../../host/src/delta/index.ts';
import { block, column, type Lake, openLake } from './delta-fixture.ts';

const ROWS = 20_000;

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

test('a merge fetches stored values of those rows alone whose key may be in its block', async () => {
  const created = await lake.create('fetched', [column('id'), column('kept')]);
  await created.append(block(Array.from({ length: ROWS }, (_, n) => ({ id: `key ${n}`, kept: `text ${n}` }))));
  await created.close();
  const scanned: number[] = [];
  const table = await DeltaTable.open(
    explaining(lake.engine, (plan) => scanned.push(...rowsOfScans(plan))),
    lake.store,
    'fetched',
  );
  await table.merge(block(Array.from({ length: 100 }, (_, n) => ({ id: `key ${n * 190}`, kept: null }))), { key: ['id'] });
  assert.equal(scanned.length, 1);
  assert.ok((scanned[0] ?? 0) >= 100 && (scanned[0] ?? 0) < ROWS / 10, `the scan gave ${scanned.join()} rows`);
  await table.close();
});

interface PlanNode {
  readonly operator_name?: string;
  readonly operator_cardinality?: number;
  readonly children?: readonly PlanNode[];
}

/** The rows that came out of each scan of data files. */
function rowsOfScans({ operator_name, operator_cardinality = 0, children = [] }: PlanNode): readonly number[] {
  return [...(operator_name?.trim() === 'READ_PARQUET' ? [operator_cardinality] : []), ...children.flatMap(rowsOfScans)];
}

/** The engine, which tells how each statement that reads data files went. */
function explaining(engine: DeltaEngine, tell: (plan: PlanNode) => void): DeltaEngine {
  const explained = (connection: SqlConnection): SqlConnection => ({
    run: async (sql) => {
      if (sql.includes('read_parquet')) {
        const [[, plan] = []] = await connection.rows(`EXPLAIN (ANALYZE, FORMAT json) ${sql.slice(sql.indexOf('SELECT'))}`);
        tell(JSON.parse(sqlText(plan)) as PlanNode);
      }
      await connection.run(sql);
    },
    rows: (sql, texts) => connection.rows(sql, texts),
    pages: (sql, use) => connection.pages(sql, use),
  });
  return {
    scratch: engine.scratch,
    withConnection: (work) => engine.withConnection((connection) => work(explained(connection))),
    releaseMemory: () => engine.releaseMemory(),
    close: () => engine.close(),
    [Symbol.asyncDispose]: () => engine.close(),
  };
}
