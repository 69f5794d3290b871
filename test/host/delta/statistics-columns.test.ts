import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { block, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const COLUMNS = [column('day', 'date'), column('id', 'long'), column('Name'), column('amount', 'decimal(12,2)'), column('note')];
const ROW = { day: '2026-01-01', id: 1, Name: 'a', amount: '1.50', note: 'n' };

/** The columns with bounds, and with counts of nulls, after an append, a merge and an OPTIMIZE. */
async function boundedBy(name: string, properties: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const table = await lake.create(name, COLUMNS, { partitionBy: ['day'], deletionVectors: true, properties });
  await table.append(block([ROW]));
  await table.merge(block([{ ...ROW, id: 2 }]), { key: ['id'] });
  await table.optimize();
  const found = new Set<string>();
  for (let version = 1; version <= table.version; version += 1) {
    for (const line of (await lake.text(`${name}/_delta_log/${String(version).padStart(20, '0')}.json`)).trim().split('\n')) {
      const stats = JSON.parse(line).add?.stats;
      if (stats === undefined) continue;
      const { numRecords, minValues, maxValues, nullCount } = JSON.parse(stats);
      assert.ok(numRecords > 0);
      assert.deepEqual([Object.keys(maxValues), Object.keys(nullCount)], [Object.keys(minValues), Object.keys(minValues)]);
      found.add(Object.keys(minValues).join());
    }
  }
  assert.equal(table.version, 3);
  return [...found];
}

for (const [what, properties, columns] of [
  ['the first 32 columns where the table says nothing', {}, 'Name,amount,id,note'],
  ['as many columns as the table says, partitions left out', { 'delta.dataSkippingNumIndexedCols': '2' }, 'Name,id'],
  ['no column where the table wants none', { 'delta.dataSkippingNumIndexedCols': '0' }, ''],
  ['all columns', { 'delta.dataSkippingNumIndexedCols': '-1' }, 'Name,amount,id,note'],
  [
    'the columns that the table names, whatever their number and case',
    { 'delta.dataSkippingStatsColumns': '`note`, name', 'delta.dataSkippingNumIndexedCols': '1' },
    'Name,note',
  ],
] as const) {
  test(`the log holds bounds of ${what}`, async () => {
    assert.deepEqual(await boundedBy(what.replaceAll(/\W+/g, '-'), properties), [columns]);
  });
}
