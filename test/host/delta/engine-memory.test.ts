import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { block, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

test('DuckDB keeps nothing of the files that it has read and written', async () => {
  const table = await lake.create('files', [column('n', 'long'), column('text')]);
  const rows = (from: number) => Array.from({ length: 2_000 }, (_, n) => ({ n: from + n, text: `some text ${from + n} `.repeat(20) }));
  for (let commit = 0; commit < 10; commit += 1) await table.append(block(rows(commit * 2_000)));
  await table.merge(block(rows(1_000)), { key: ['n'] });
  await table.optimize();
  const held = await lake.engine.withConnection((connection) =>
    connection.rows(
      "SELECT tag FROM duckdb_memory() WHERE memory_usage_bytes >= 1e6 OR tag = 'EXTERNAL_FILE_CACHE' AND memory_usage_bytes > 0",
    ),
  );
  assert.deepEqual(held, []);
  await table.close();
});

test('memory that large work has freed goes back to the system', { skip: process.platform !== 'linux' }, async () => {
  await lake.engine.withConnection(async (connection) => {
    await connection.run('CREATE TEMP TABLE large AS SELECT hash(n) AS a, CAST(hash(n + 1) AS VARCHAR) AS b FROM range(3000000) t(n)');
    await connection.run('DROP TABLE large');
  });
  const freed = process.memoryUsage().rss;
  await lake.engine.releaseMemory();
  const given = freed - process.memoryUsage().rss;
  assert.ok(given > 40e6, `it gave back ${given} bytes`);
});
