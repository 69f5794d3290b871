import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AppendOptions, DeltaTable, openDeltaEngine, verifyTable } from '../../../host/src/delta/index.ts';
import { block, boundStore, column, type Lake, openLake } from './delta-fixture.ts';

const COLUMNS = [column('id'), column('n', 'long'), column('day', 'date')];
const HOUR = 3_600_000;
const ONCE: AppendOptions = { dedupe: { column: 'id', window: HOUR } };

const row = (id: string | null, n: number, day = '2026-01-01') => ({ id, n, day });

describe('an append that leaves repeated values out', () => {
  let lake: Lake;
  before(async () => {
    lake = await openLake({ partitionBy: ['day'] });
  });
  after(() => lake.close());

  /** `id/n` of each row, sorted. */
  const rowsOf = async (name: string): Promise<readonly string[]> => {
    const table = await lake.open(name);
    const rows = await table.query((relation) => `SELECT concat(coalesce(id, 'null'), '/', n) FROM ${relation} ORDER BY 1`);
    return rows.flatMap(([text]) => (typeof text === 'string' ? [text] : []));
  };

  it('keeps the first of a value, in a block and over blocks, and every null', async () => {
    const table = await lake.create('first', COLUMNS);
    const first = await table.append(block([row('a', 1), row(null, 2), row('b', 3), row('a', 4), row(null, 5)]), ONCE);
    assert.deepEqual(first, { ...first, rows: 4, repeated: 1 });
    const second = await table.append(block([row('b', 6, '2026-01-02'), row('c', 7), row(null, 8)]), ONCE);
    assert.deepEqual(second, { ...second, rows: 2, repeated: 1 });
    const rows = await rowsOf('first');
    assert.deepEqual(
      rows.filter((text) => !text.startsWith('a')),
      ['b/3', 'c/7', 'null/2', 'null/5', 'null/8'],
    );
    assert.equal(rows.length, 6);
    const found = await verifyTable(lake.engine, lake.store, 'first');
    assert.deepEqual(found.faults, []);
    assert.deepEqual(found.unnamed.files, []);
  });

  it('commits its txns though no row is left, and makes no file', async () => {
    const table = await lake.create('empty', COLUMNS);
    await table.append(block([row('a', 1)]), ONCE);
    await table.append(block([row('a', 2), row('a', 3)]), { ...ONCE, txns: [{ appId: 'w/0', version: 7n }] });
    assert.deepEqual([table.lastTxn('w/0'), table.summary().files, await rowsOf('empty')], [7n, 1, ['a/1']]);
  });

  it('knows what a process wrote that is gone, with a checkpoint between them or without', async () => {
    const table = await lake.create('taken', COLUMNS, { properties: { 'delta.checkpointInterval': '3' } });
    for (let at = 0; at < 8; at += 1) {
      const heir = await lake.open('taken');
      await heir.append(block([row(`id ${at}`, at), row(`id ${at - 1}`, 100 + at), row(`id ${at - 5}`, 200 + at)]), ONCE);
      await heir.close();
    }
    await table.refresh();
    const written = Array.from({ length: 8 }, (_, at) => `id ${at}/${at}`);
    assert.deepEqual(await rowsOf('taken'), ['id -1/100', 'id -2/203', 'id -3/202', 'id -4/201', 'id -5/200', ...written].sort());
  });

  it('has each value once where two writers have it at the same time', async () => {
    await lake.create('raced', COLUMNS);
    await using other = await openDeltaEngine({ tempDirectory: `${lake.folder}/other` });
    const writers = [await lake.open('raced'), await DeltaTable.open(other, lake.store, 'raced')];
    const written = await Promise.all(
      writers.map(async (table) => {
        let rows = 0;
        for (let at = 0; at < 20; at += 1) {
          const done = await table.append(block([row(`id ${at}`, at), row(`id ${at + 1}`, at + 1)]), ONCE);
          if (!done.skipped) rows += done.rows;
        }
        return rows;
      }),
    );
    assert.deepEqual(await rowsOf('raced'), Array.from({ length: 21 }, (_, at) => `id ${at}/${at}`).sort());
    assert.equal(
      written.reduce((sum, rows) => sum + rows, 0),
      21,
    );
  });

  it('looks again where another writer commits the same value between its look and its commit', async () => {
    await lake.create('overtaken', COLUMNS);
    const rival = await lake.open('overtaken');
    let commits = 0;
    const store = boundStore(lake.store);
    const table = await DeltaTable.open(
      lake.engine,
      {
        ...store,
        putIfAbsent: async (path, body, options) => {
          commits += 1;
          if (commits === 1) await rival.append(block([row('a', 1)]), ONCE);
          return await store.putIfAbsent(path, body, options);
        },
      },
      'overtaken',
    );
    const done = await table.append(block([row('a', 2), row('b', 3)]), ONCE);
    assert.deepEqual(done, { ...done, rows: 1, repeated: 1 });
    assert.deepEqual(await rowsOf('overtaken'), ['a/1', 'b/3']);
  });

  it('takes a value again once it is older than the window, and not before', async (t) => {
    const start = Date.parse('2026-01-01T00:00:00Z');
    t.mock.timers.enable({ apis: ['Date'], now: start });
    const table = await lake.create('window', COLUMNS);
    await table.append(block([row('a', 1)]), ONCE);
    t.mock.timers.setTime(start + HOUR / 2);
    await table.append(block([row('b', 2)]), ONCE);
    t.mock.timers.setTime(start + HOUR);
    await table.append(block([row('a', 3), row('b', 4)]), ONCE);
    assert.deepEqual(await rowsOf('window'), ['a/1', 'b/2']);
    t.mock.timers.setTime(start + HOUR + HOUR / 4);
    for (const [writer, n] of [
      [table, 5],
      [await lake.open('window'), 7],
    ] as const)
      await writer.append(block([row('a', n), row('b', n + 1)]), ONCE);
    assert.deepEqual(await rowsOf('window'), ['a/1', 'a/5', 'b/2']);
  });

  it('knows rows that compaction wrote anew, though it never saw the files that they came in', async () => {
    const table = await lake.create('compacted', COLUMNS);
    await table.append(block([row('a', 1)]), ONCE);
    const other = await lake.open('compacted');
    await other.append(block([row('b', 2)]), ONCE);
    assert.equal((await other.optimize()).filesRemoved, 2);
    await table.append(block([row('a', 3), row('b', 4), row('c', 5)]), ONCE);
    assert.deepEqual(await rowsOf('compacted'), ['a/1', 'b/2', 'c/5']);
  });

  it('works on whole numbers, and on a column that the table is partitioned by', async () => {
    const table = await lake.create('others', COLUMNS);
    const byNumber: AppendOptions = { dedupe: { column: 'n', window: HOUR } };
    const byDay: AppendOptions = { dedupe: { column: 'day', window: HOUR } };
    await table.append(block([row('a', 1), row('b', 1), row('c', 2)]), byNumber);
    await table.append(block([row('d', 2), row('e', 3)]), byNumber);
    assert.deepEqual(
      (await rowsOf('others')).map((text) => text.split('/')[1]),
      ['1', '2', '3'],
    );
    await table.append(block([row('f', 4), row('g', 5, '2026-01-03'), row('h', 6, '2026-01-03')]), byDay);
    const [days] = await table.query((relation) => `SELECT count(*), count(DISTINCT day) FROM ${relation}`);
    assert.deepEqual(days?.map(Number), [4, 2]);
  });

  it('holds nothing after the table is closed', async () => {
    const table = await lake.create('closed', COLUMNS);
    await table.append(block([row('a', 1)]), ONCE);
    await table.append(block([row('b', 1)]), ONCE);
    const tables = async (): Promise<number> =>
      await lake.engine.withConnection(async (connection) =>
        Number(
          (await connection.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '__ph_recent%' AND NOT temporary"))[0]?.[0],
        ),
      );
    const held = await tables();
    await table.close();
    assert.equal(await tables(), held - 1);
  });
});
