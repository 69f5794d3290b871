import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { block, coded, column, openLake, sortedBy } from '../host/delta/delta-fixture.ts';
import { tablePath } from './foreign/agreement.ts';
import { ENGINE_NAMES, openForeignEngines } from './foreign/engines.ts';

/** What README warns of: where one of these fails, the engine has changed, and the warning goes. */
const lake = await openLake();
const engines = await openForeignEngines();
after(async () => {
  await engines[Symbol.asyncDispose]();
  await lake.close();
});

const deltaRs = { skip: engines.missing('delta-rs') };

test('delta-rs deletes deletion vectors that are in use by vacuum(full=True), and not without full', deltaRs, async () => {
  const table = await lake.create('vacuumed', [column('id', 'long'), column('name')], { deletionVectors: true });
  await table.append(block([{ id: 1 }, { id: 2 }, { id: 3 }]));
  await table.merge(block([{ id: 2, name: 'merged' }]), { key: ['id'] });
  await engines.get('delta-rs')?.run('vacuum', { table: tablePath(lake, 'vacuumed') });
  assert.equal((await (await lake.open('vacuumed')).readRows()).length, 3);
  await engines.get('delta-rs')?.run('vacuum_full', { table: tablePath(lake, 'vacuumed') });
  const broken = await lake.open('vacuumed');
  await assert.rejects(
    broken.readRows(),
    (error: unknown) => coded('PH_DELTA_FILE_MISSING')(error) && /deletion_vector_/.test(String(error)),
  );
});

test('delta-rs counts rows that a deletion vector takes out', deltaRs, async () => {
  const table = await lake.create('counted', [column('id', 'long'), column('name')], { deletionVectors: true });
  await table.append(block([{ id: 1 }, { id: 2 }, { id: 3 }]));
  await table.merge(block([{ id: 2, name: 'merged' }]), { key: ['id'] });
  assert.equal(await table.count(), 3);
  assert.equal(await engines.get('delta-rs')?.run('count', { table: tablePath(lake, 'counted') }), 4);
});

test(
  'delta-rs writes bounds that leave NaN out, also in its Parquet files, and all miss it under conditions that it meets',
  deltaRs,
  async () => {
    const schema = { type: 'struct', fields: ['low', 'x'].map((name) => ({ name, type: 'double', nullable: true, metadata: {} })) };
    const rows = [
      { low: 1, x: 1 },
      { low: 2, x: 'NaN' },
    ];
    await engines.get('delta-rs')?.run('create', { table: tablePath(lake, 'nan'), schema, rows });
    const table = await lake.open('nan');
    assert.deepEqual(sortedBy(await table.readRows(), 'low'), rows);
    assert.deepEqual([await table.count('x > 5'), await table.count('low > 1')], [0, 1]);
    for (const engine of engines.all) {
      const { matches } = await engine.read(tablePath(lake, 'nan'), { predicates: ['x > 5', 'low > 1'] });
      assert.deepEqual(matches, [0, 1], engine.name);
    }
  },
);

if (ENGINE_NAMES.includes('Spark')) {
  test('Spark writes INT96 by default, of which we read every year and delta-rs some', { skip: engines.missing('Spark') }, async () => {
    const table = tablePath(lake, 'int96');
    const sql = (statement: string) => engines.get('Spark')?.run('run', { sql: statement });
    const rows = ['1600-01-01T00:00:00.000001Z', '2026-01-05T14:22:07.123456Z'].map((at) => ({ at }));
    await sql('SET spark.sql.parquet.outputTimestampType = INT96');
    await sql(`CREATE TABLE delta.\`${table}\` (at TIMESTAMP) USING delta`);
    await engines.get('Spark')?.run('append', { table, rows });
    await sql('SET spark.sql.parquet.outputTimestampType = TIMESTAMP_MICROS');
    assert.deepEqual(sortedBy(await (await lake.open('int96')).readRows(), 'at'), rows);
    assert.notDeepEqual(sortedBy((await engines.get('delta-rs')?.read(table))?.rows ?? [], 'at'), rows);
  });
}
