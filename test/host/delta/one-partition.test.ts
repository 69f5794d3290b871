import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DeltaColumn, type DeltaTable, RowConversionError } from '../../../host/src/delta/index.ts';
import type { AddFile } from '../../../host/src/delta/log/actions.ts';
import { block, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const DAY_AND_PLACE = [column('day', 'date'), column('id', 'string', false), column('place'), column('n', 'integer')];
const create = (name: string): Promise<DeltaTable> => lake.create(name, DAY_AND_PLACE, { partitionBy: ['day', 'place'] });

/** How many of the files were written straight into their partition: their names are those of single files. */
async function directFiles(table: string, { store }: Lake = lake): Promise<number> {
  return (await dataFiles(table, store)).filter((path) => path.endsWith('.c000.zstd.parquet')).length;
}

async function dataFiles(table: string, store = lake.store): Promise<readonly string[]> {
  return (await store.list(table)).map(({ path }) => path).filter((path) => path.endsWith('.parquet'));
}

const PLACES = ['plain', 'x/y z=1 %25 ü \' " : # ? & *[a]', 'NULL', '__HIVE_DEFAULT_PARTITION__', null] as const;

for (const place of PLACES) {
  test(`a block in the one partition ${JSON.stringify(place)} goes into it directly, and where DuckDB splits one to`, async () => {
    const name = `one-${PLACES.indexOf(place)}`;
    const table = await create(name);
    const rows = Array.from({ length: 6 }, (_, n) => ({ id: `r${n}`, day: n % 2 === 0 ? '2026-01-01' : null, place, n }));
    await table.append(block(rows.filter(({ day }) => day !== null)));
    assert.equal(await directFiles(name), 1);
    await table.append(block(rows.filter(({ day }) => day === null)));
    assert.equal(await directFiles(name), 2);
    const direct = await addsOf(name, table.version);
    assert.deepEqual(
      direct.map((add) => add.partitionValues),
      [{ day: null, place }],
    );
    for (const path of await dataFiles(name)) assert.deepEqual(await columnsOf(path), ['id', 'n']);
    assert.deepEqual(sortedBy(await (await lake.open(name)).readRows(), 'id'), rows);

    await table.append(block(rows));
    const split = await addsOf(name, table.version);
    assert.equal(await directFiles(name), 2);
    assert.ok(split.map((add) => dirname(add.path)).includes(dirname(direct[0]?.path ?? '')));
  });
}

const ODD_NAME = "k'é[%2]";
const ONE_OF_EACH = {
  date: ['2026-01-01', '2026-01-02'],
  timestamp: ['2026-01-01T10:00:00.5Z', '0001-01-01T00:00:00Z'],
  boolean: [true, false],
  integer: [7, -7],
  long: ['9007199254740993', '0'],
  'decimal(12,3)': ['1.5', '-0.001'],
  string: [Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n)).join(''), '\t%2F\u{1F600}ß..'],
} as const;

for (const [type, values] of Object.entries(ONE_OF_EACH)) {
  test(`a partition of the type ${type} has one folder and one value, whoever finds it`, async () => {
    const name = `typed-${type.replaceAll(/\W/g, '-')}`;
    const columns = [column('id', 'string'), column(ODD_NAME, type as DeltaColumn['type'])];
    const table = await lake.create(name, columns, { partitionBy: [ODD_NAME] });
    const rows = [...values, null].map((value, n) => ({ id: `r${n}`, [ODD_NAME]: value }));
    const direct: Readonly<Record<string, unknown>>[] = [];
    for (const row of rows) {
      await table.append(block([row]));
      direct.push(...(await addsOf(name, table.version)).map(partitionOfFile));
    }
    assert.equal(await directFiles(name), rows.length);
    await table.append(block(rows));
    assert.equal(await directFiles(name), rows.length);
    assert.deepEqual(sortedBy((await addsOf(name, table.version)).map(partitionOfFile), 'folder'), sortedBy(direct, 'folder'));
  });
}

function partitionOfFile({ path, partitionValues }: AddFile): Readonly<Record<string, unknown>> {
  return { folder: dirname(path), values: partitionValues };
}

async function addsOf(table: string, version: number): Promise<readonly AddFile[]> {
  const log = await lake.text(`${table}/_delta_log/${String(version).padStart(20, '0')}.json`);
  return log.split('\n').flatMap((line): readonly AddFile[] => (line.includes('"add"') ? [JSON.parse(line).add] : []));
}

async function columnsOf(path: string): Promise<readonly unknown[]> {
  const file = join(lake.folder, 'tables', path).replaceAll("'", "''").replaceAll('[', '[[]').replaceAll('*', '[*]').replaceAll('?', '[?]');
  const rows = await lake.engine.withConnection((connection) =>
    connection.rows(`SELECT name FROM parquet_schema('${file}') WHERE num_children IS NULL`),
  );
  return rows.map(([name]) => name);
}

test('rows of other partitions between two of one are split, nothing is left of the try, and the next blocks are not tried', async () => {
  const table = await create('wrong');
  const here = { day: '2026-01-01', place: 'a' };
  const mixed = [
    { id: 'a', ...here, n: 1 },
    { id: 'b', day: '2026-01-01', place: null, n: 1 },
    { id: 'c', day: '2026-01-02', place: 'a', n: 1 },
    { id: 'd', ...here, n: 1 },
  ];
  await table.append(block(mixed));
  assert.equal((await dataFiles('wrong')).length, 3);
  assert.equal(table.summary().files, 3);
  assert.deepEqual(sortedBy(await (await lake.open('wrong')).readRows(), 'id'), mixed);
  for (let n = 0; n < 8; n += 1) await table.append(block([{ id: 'e', ...here, n }]));
  assert.equal(await directFiles('wrong'), 0);
  await table.append(block([{ id: 'f', ...here, n: 1 }]));
  assert.equal(await directFiles('wrong'), 1);
});

test('a projection tells the partition too, with and without a line feed at the end', async () => {
  const table = await create('projected');
  const projection = {
    message: { at: 'VARCHAR', id: 'VARCHAR' },
    columns: { day: 'message.at[:10]::DATE', id: 'message.id' },
    form: 'typed',
  } as const;
  const line = (id: string, day: string): string => JSON.stringify({ id, at: `${day}T10:00:00Z` });
  const append = (text: string, rows: number): Promise<unknown> => table.append({ ndjson: Buffer.from(text), rows, projection });
  await append(`${line('a', '2026-01-01')}\n${line('b', '2026-01-01')}`, 2);
  await append(`${line('c', '2026-01-01')}\n`, 1);
  await append(`${line('d', '2026-01-01')}\n${line('e', '2026-01-02')}`, 2);
  assert.equal(await directFiles('projected'), 2);
  assert.equal((await dataFiles('projected')).length, 4);
  await append(line('f', '2026-01-02'), 1);
  assert.equal(await directFiles('projected'), 3, 'two partitions that the ends show are no wrong try');
  const rows = await table.readRows({ columns: ['id', 'day', 'place'] });
  const expected = ['01', '01', '01', '01', '02', '02'].map((day, at) => ({ id: 'abcdef'[at], day: `2026-01-${day}`, place: null }));
  assert.deepEqual(sortedBy(rows, 'id'), expected);
});

test('more projections than a connection keeps statements for are asked again', async () => {
  const own = await openLake();
  after(() => own.close());
  const table = await own.create('many', DAY_AND_PLACE, { partitionBy: ['day', 'place'] });
  const projections = Array.from({ length: 17 }, (_, n) => ({
    message: { id: 'VARCHAR' },
    columns: { id: 'message.id', day: "DATE '2026-01-01'", place: `'p${n}'` },
    form: 'typed' as const,
  }));
  for (const projection of [...projections, ...projections]) await table.append({ ...block([{ id: 'a' }]), projection });
  assert.equal(await directFiles('many', own), 34);
});

test('an empty text is in the partition of null', async () => {
  const table = await create('empty-text');
  for (const places of [
    [null, ''],
    ['', null, ''],
  ]) {
    await table.append(block(places.map((place) => ({ id: 'a', day: '2026-01-01', place }))));
  }
  assert.equal(await directFiles('empty-text'), 2);
  assert.deepEqual(
    (await table.readRows()).map((row) => row['place']),
    [null, null, null, null, null],
  );
});

test('a block with blank lines at its ends is written', async () => {
  const table = await create('blank');
  const row = JSON.stringify({ id: 'a', day: '2026-01-01', place: 'a', n: 1 });
  await table.append({ ndjson: Buffer.from(`\n \n${row}\n\n`), rows: 1 });
  assert.equal(await table.count(), 1);
});

test('a bad row is named in a block of one partition, wherever it stands, and nothing is written', async () => {
  const table = await create('bad-row');
  const good = { id: 'a', day: '2026-01-01', place: 'a', n: 1 };
  for (const [bad, fault] of [
    [{ ...good, n: 'many' }, 'n'],
    [{ ...good, day: 'no day' }, 'day'],
  ] as const) {
    for (const at of [0, 1, 2]) {
      await assert.rejects(
        table.append(block([good, good, good].with(at, bad as typeof good))),
        (error: unknown) =>
          error instanceof RowConversionError &&
          error.rows.map(({ index, column: name }) => `${index} ${name}`).join() === `${at} ${fault}`,
      );
    }
  }
  assert.equal((await dataFiles('bad-row')).length, 0);
});

test('the folder of a partition may have been cleaned away', async () => {
  const table = await create('cleaned');
  const row = { id: 'a', day: '2026-01-01', place: 'a', n: 1 };
  await table.append(block([row]));
  await rm(join(lake.folder, 'tables', 'cleaned', 'day=2026-01-01'), { recursive: true });
  await table.append(block([row]));
  assert.equal(await directFiles('cleaned'), 1);
});
