import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DeltaTable, RowConversionError, type SchemaType } from '../../../host/src/delta/index.ts';
import { block, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const field = (name: string, type: SchemaType, nullable = true) => ({ name, type, nullable, metadata: {} });
const STRUCT: SchemaType = {
  type: 'struct',
  fields: [
    field('text', 'string'),
    field('whole', 'integer'),
    field('amount', 'decimal(12,2)'),
    field('at', 'timestamp'),
    field('bytes', 'binary'),
    field('must', 'long', false),
    field('deep', { type: 'array', elementType: { type: 'struct', fields: [field('x', 'double')] }, containsNull: true }),
  ],
};

/** A table as another writer makes it: ours have flat columns. */
async function nestedTable(name: string): Promise<DeltaTable> {
  const fields = [
    field('id', 'long'),
    field('one', STRUCT),
    field('some', { type: 'array', elementType: 'string', containsNull: true }),
    field('by_name', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
  ];
  const metaData = {
    id: name,
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify({ type: 'struct', fields }),
    partitionColumns: [],
    configuration: {},
  };
  const protocol = { minReaderVersion: 1, minWriterVersion: 2 };
  const commit = [{ protocol }, { metaData }].map((action) => `${JSON.stringify(action)}\n`).join('');
  await lake.store.put(`${name}/_delta_log/${'0'.repeat(20)}.json`, Buffer.from(commit));
  return await lake.open(name);
}

const ODD_TEXT = 'it\'s, "q" {x}: [y] = \\ \n \u{1F600} null';
const NONE = { one: null, some: null, by_name: null };

test('structs, lists and maps hold exactly what the JSON says', async () => {
  const table = await nestedTable('exact');
  const rows = [
    {
      id: '1',
      one: {
        text: ODD_TEXT,
        whole: -1,
        amount: '1234567890.12',
        at: '0001-01-01T00:00:00.000001Z',
        bytes: '/wAB',
        must: '9223372036854775807',
        deep: [{ x: 0.25 }, null, { x: 'NaN' }],
      },
      some: [ODD_TEXT, null, 'null', '', ' b '],
      by_name: { 'k=1, "b"': '9007199254740993', none: null },
    },
    { id: '2', one: { text: null, whole: null, amount: null, at: null, bytes: '', must: '0', deep: [] }, some: [], by_name: {} },
    { id: '3', ...NONE },
  ];
  await table.append(block(rows.slice(0, 2)));
  await table.append(block([{ id: 3 }]));
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), rows);
  await table.merge(
    block([
      { id: 3, some: [ODD_TEXT] },
      { id: 1, by_name: { merged: 1 } },
    ]),
    { key: ['id'] },
  );
  await table.optimize();
  const [first, ...others] = rows;
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
    { ...first, by_name: { merged: '1' } },
    ...others.slice(0, 1),
    { id: '3', ...NONE, some: [ODD_TEXT] },
  ]);
});

test('a row whose nested value does not fit is refused by its column, and nothing of it is rounded or read as text', async () => {
  const table = await nestedTable('refused');
  const bad = [
    { one: { must: 1, whole: 1.5 } },
    { one: { must: 1, amount: '0.001' } },
    { one: { must: 1, at: 'infinity' } },
    { one: { must: 1, bytes: '***' } },
    { one: { text: 'without what it must have' } },
    { one: { must: 1, deep: [{ x: 'no number' }] } },
    { one: ['a list'] },
    { one: 'text' },
    { some: 'text' },
    { some: { 0: 'an object' } },
    { by_name: { a: 1.5 } },
    { by_name: ['a'] },
  ];
  await assert.rejects(table.append(block([{ id: 1, one: { must: 1 } }, ...bad])), (error: unknown) => {
    assert.ok(error instanceof RowConversionError);
    assert.deepEqual(
      error.rows.map(({ index, column }) => ({ index, column })),
      bad.map((row, at) => ({ index: at + 1, column: Object.keys(row)[0] })),
    );
    return true;
  });
  assert.equal(await table.count(), 0);
});
