import assert from 'node:assert/strict';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const struct = (...fields: readonly object[]) => ({ type: 'struct', fields });
const field = (name: string, type: unknown) => ({ name, type, nullable: true, metadata: {} });

/** A table that another writer made: one file with the row of a SELECT. */
async function foreignTable(name: string, schema: object, select: string): Promise<DeltaTable> {
  const folder = join(lake.folder, 'tables', name);
  await mkdir(join(folder, '_delta_log'), { recursive: true });
  const file = join(folder, 'part-0.parquet');
  await lake.engine.withConnection((connection) => connection.run(`COPY (${select}) TO '${file}' (FORMAT parquet)`));
  const metaData = {
    id: name,
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify(schema),
    partitionColumns: [],
    configuration: {},
  };
  const actions = [
    { protocol: { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] } },
    { metaData },
    { add: { path: 'part-0.parquet', partitionValues: {}, size: (await stat(file)).size, modificationTime: 0, dataChange: true } },
  ];
  const text = actions.map((action) => `${JSON.stringify(action)}\n`).join('');
  await lake.write(`${name}/_delta_log/00000000000000000000.json`, text);
  return await lake.open(name);
}

test('reads every type of another writer exactly, at the limits', async () => {
  const schema = struct(
    field('long', 'long'),
    field('amount', 'decimal(38,10)'),
    field('moment', 'timestamp'),
    field('first', 'timestamp'),
    field('local', 'timestamp_ntz'),
    field('day', 'date'),
    field('bytes', 'binary'),
    field('nan', 'double'),
    field('low', 'float'),
    field('zero', 'double'),
    field('missing', 'string'),
  );
  const table = await foreignTable(
    'types',
    schema,
    `SELECT 9007199254740993::BIGINT long, 1234567890123456789012345678.0123456789::DECIMAL(38,10) amount,
      '2026-03-29 02:30:00.000001+02'::TIMESTAMPTZ moment, '0001-01-01 00:00:00.5+00'::TIMESTAMPTZ "first",
      '2026-01-01 00:00:00'::TIMESTAMP "local", '2026-01-01'::DATE "day", '\\x00\\xFF'::BLOB bytes,
      'nan'::DOUBLE nan, '-inf'::FLOAT low, '-0.0'::DOUBLE "zero", NULL::VARCHAR missing`,
  );
  assert.deepEqual(await table.readRows(), [
    {
      long: '9007199254740993',
      amount: '1234567890123456789012345678.0123456789',
      moment: '2026-03-29T00:30:00.000001Z',
      first: '0001-01-01T00:00:00.500000Z',
      local: '2026-01-01T00:00:00.000000',
      day: '2026-01-01',
      bytes: 'AP8=',
      nan: 'NaN',
      low: '-Infinity',
      zero: '-0.0',
      missing: null,
    },
  ]);
});

test('reads values inside structs, arrays and maps as exactly', async () => {
  const inner = struct(field('long', 'long'), field('moment', 'timestamp'), field('bytes', 'binary'));
  const schema = struct(
    field('one', inner),
    field('many', { type: 'array', elementType: 'decimal(20,2)', containsNull: true }),
    field('named', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
    field('numbered', { type: 'map', keyType: 'integer', valueType: inner, valueContainsNull: true }),
  );
  const value = `{ long: 9007199254740993::BIGINT, moment: '2026-01-01 00:00:00.5+00'::TIMESTAMPTZ, bytes: '\\xFF'::BLOB }`;
  const table = await foreignTable(
    'nested',
    schema,
    `SELECT ${value} one, [123456789012345678.01::DECIMAL(20,2), NULL] many, MAP { 'a': 9007199254740993::BIGINT, 'b': NULL } named,
      MAP { 7::INTEGER: ${value} } numbered`,
  );
  const read = { long: '9007199254740993', moment: '2026-01-01T00:00:00.500000Z', bytes: '/w==' };
  assert.deepEqual(await table.readRows(), [
    { one: read, many: ['123456789012345678.01', null], named: { a: '9007199254740993', b: null }, numbered: { 7: read } },
  ]);
});

test('hands over a big table page by page, and waits for each', async () => {
  const table = await lake.create('big', [column('n', 'long')]);
  await table.append(block(Array.from({ length: 50_000 }, (_, n) => ({ n }))));
  const seen = new Set<unknown>();
  let atOnce = 0;
  let largest = 0;
  await table.readPages({}, async (rows) => {
    atOnce += 1;
    assert.equal(atOnce, 1, 'pages at once');
    await new Promise((resolve) => setImmediate(resolve));
    for (const row of rows) seen.add(row['n']);
    largest = Math.max(largest, rows.length);
    atOnce -= 1;
  });
  assert.equal(seen.size, 50_000);
  assert.ok(largest < 10_000, `a page of ${largest} rows`);
});

test('a reader that fails ends the read, and the table can be read again', async () => {
  const table = await lake.create('broken-off', [column('n', 'long')]);
  await table.append(block(Array.from({ length: 20_000 }, (_, n) => ({ n }))));
  const stop = new Error('enough');
  const reading = table.readPages({}, () => Promise.reject(stop));
  await assert.rejects(reading, stop);
  assert.equal((await table.readRows({ limit: 3 })).length, 3);
});

test('gives no other version for one whose commit was cleaned up between two checkpoints', async () => {
  const table = await lake.create('holed', [column('id', 'long')]);
  for (let id = 1; id <= 6; id += 1) {
    await table.append(block([{ id }]));
    if (id === 2 || id === 5) await table.checkpoint();
  }
  for (const version of [0, 1, 2, 3, 4]) await rm(join(lake.folder, `tables/holed/_delta_log/0000000000000000000${version}.json`));
  const rowsAt = async (version: number) => (await DeltaTable.openVersion(lake.engine, lake.store, 'holed', version)).count();
  assert.deepEqual(await Promise.all([2, 5, 6].map(rowsAt)), [2, 5, 6]);
  for (const version of [3, 4])
    await assert.rejects(rowsAt(version), { code: 'PH_DELTA_VERSION', message: /the last before it that can be read is version 2/ });
});

test('reads, merges and rewrites what lies in a partition whose value holds U+0000', async () => {
  const table = await lake.create('nul', [column('part'), column('id', 'long')], { partitionBy: ['part'] });
  await table.append(
    block([
      { part: 'a\0b', id: 1 },
      { part: 'q', id: 2 },
    ]),
  );
  assert.partialDeepStrictEqual(await table.merge(block([{ part: 'a\0b', id: 1 }]), { key: ['id'] }), { inserted: 0 });
  assert.partialDeepStrictEqual(await table.merge(block([{ part: "'\0", id: 3 }]), { key: ['part', 'id'] }), { inserted: 1 });
  assert.partialDeepStrictEqual(await table.merge(block([{ part: "'\0", id: 3 }]), { key: ['part', 'id'] }), { inserted: 0 });
  await table.optimize();
  const reopened = await lake.open('nul');
  assert.deepEqual(
    sortedBy(await reopened.readRows(), 'id').map(({ part }) => part),
    ['a\0b', 'q', "'\0"],
  );
});

for (const deletionVectors of [false, true]) {
  test(`finds rows by a column called filename${deletionVectors ? ', beside deletion vectors' : ''}`, async () => {
    const name = `filename-${deletionVectors}`;
    const table = await lake.create(name, [column('filename'), column('n', 'long')], { deletionVectors });
    await table.append(block([{ filename: 'a', n: 1 }]));
    await table.append(
      block([
        { filename: 'b', n: 1 },
        { filename: 'c', n: 1 },
      ]),
    );
    const merged = await table.merge(
      block([
        { filename: 'a', n: 2 },
        { filename: 'b', n: 2 },
        { filename: 'd', n: 2 },
      ]),
      { key: ['filename'] },
    );
    assert.partialDeepStrictEqual(merged, { inserted: 1, updated: 2 });
    assert.equal(await table.count("filename = 'b'"), 1);
    const expected = [
      ['a', '2'],
      ['b', '2'],
      ['c', '1'],
      ['d', '2'],
    ];
    const told = async () => sortedBy(await (await lake.open(name)).readRows(), 'filename').map(({ filename, n }) => [filename, n]);
    assert.deepEqual(await told(), expected);
    await table.optimize();
    assert.deepEqual(await told(), expected);
  });
}

test('merges columns that are called as what every object has', async () => {
  const table = await lake.create('named', [column('id', 'long'), column('constructor'), column('toString')]);
  await table.append(block([{ id: 1, constructor: 'a', toString: 'b' }]));
  await table.merge(block([{ id: 1, constructor: 'c', toString: null }]), { key: ['id'] });
  const [row] = await table.readRows();
  assert.deepEqual(Object.entries(row ?? {}), [
    ['id', '1'],
    ['constructor', 'c'],
    ['toString', 'b'],
  ]);
});

test('claims no greatest text where a longer one would be greater still', async () => {
  const table = await lake.create('greatest', [column('id')]);
  for (const id of ['b'.repeat(40), '\u{10FFFF}'.repeat(34)]) await table.append(block([{ id }]));
  const boundsOf = async (version: number): Promise<unknown> => {
    const lines = (await lake.text(`greatest/_delta_log/0000000000000000000${version}.json`)).trim().split('\n');
    const added = lines.map((line) => JSON.parse(line)).find(({ add }) => add !== undefined);
    return JSON.parse(added.add.stats).maxValues;
  };
  assert.deepEqual([await boundsOf(1), await boundsOf(2)], [{ id: `${'b'.repeat(32)}\u{10FFFF}` }, {}]);
});

test('reads a table as it was at every version that the log still holds', async () => {
  const table = await lake.create('history', [column('id', 'long')]);
  for (let id = 1; id <= 5; id += 1) {
    await table.append(block([{ id }]));
    if (id === 3) await table.checkpoint();
  }
  const rowsAt = async (version: number) => (await DeltaTable.openVersion(lake.engine, lake.store, 'history', version)).count();
  assert.deepEqual(await Promise.all([0, 1, 2, 3, 4, 5].map(rowsAt)), [0, 1, 2, 3, 4, 5]);
  await assert.rejects(rowsAt(6), { code: 'PH_DELTA_VERSION', message: /at version 6: the newest is version 5/ });

  for (const version of [0, 1, 2]) await rm(join(lake.folder, `tables/history/_delta_log/0000000000000000000${version}.json`));
  assert.deepEqual(await Promise.all([3, 4, 5].map(rowsAt)), [3, 4, 5]);
  await assert.rejects(rowsAt(2), { code: 'PH_DELTA_VERSION', message: /it was cleaned up, the oldest that can be read is version 3/ });
  await assert.rejects(DeltaTable.openVersion(lake.engine, lake.store, 'nowhere', 0), coded('PH_DELTA_ABSENT'));
});
