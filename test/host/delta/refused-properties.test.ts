import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { block, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

test('a table is not written that has an invariant on a field within a field', async () => {
  await lake.create('within', [column('id', 'long')]);
  const path = join(lake.folder, 'tables/within/_delta_log/00000000000000000000.json');
  const inner = { name: 'n', type: 'long', nullable: true, metadata: { 'delta.invariants': '{"expression":{"expression":"n > 5"}}' } };
  const outer = {
    name: 's',
    type: { type: 'array', elementType: { type: 'struct', fields: [inner] }, containsNull: true },
    nullable: true,
    metadata: {},
  };
  const lines = (await lake.text('within/_delta_log/00000000000000000000.json'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const { metaData } of lines) if (metaData !== undefined) metaData.schemaString = JSON.stringify({ type: 'struct', fields: [outer] });
  await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  const table = await lake.open('within');
  await assert.rejects(table.append(block([{ s: [] }])), { code: 'PH_DELTA_PROTOCOL', message: /invariants on column s\.element\.n/ });
});

for (const [property, value] of [
  ['delta.enableChangeDataFeed', 'true'],
  ['delta.enableRowTracking', 'true'],
  ['delta.enableInCommitTimestamps', 'true'],
  ['delta.columnMapping.mode', 'name'],
  ['delta.constraints.few', 'id < 50'],
] as const) {
  test(`no table is made whose definition asks for ${property}, which is not honoured`, async () => {
    await assert.rejects(
      lake.create(property, [column('id', 'long')], { properties: { [property]: value } }),
      (error: unknown) =>
        coded('PH_DELTA_PROTOCOL')(error) &&
        /columnMapping|changeDataFeed|rowTracking|inCommitTimestamp|checkConstraints/.test(String(error)),
    );
    assert.deepEqual(await lake.store.list(property), []);
  });
}

for (const name of ['__ph_file', '__PH_row', 'a\0b']) {
  test(`no table is made with a column called ${JSON.stringify(name)}`, async () => {
    await assert.rejects(lake.create('reserved', [column('id', 'long'), column(name)]), coded('PH_DELTA_SCHEMA'));
    assert.deepEqual(await lake.store.list('reserved'), []);
  });
}
