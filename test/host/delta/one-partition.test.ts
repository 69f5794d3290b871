import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DeltaTable, RowConversionError } from '../../../host/src/delta/index.ts';
import { type Partition, PartitionGuess } from '../../../host/src/delta/partition-guess.ts';
import { block, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const DAY_AND_PLACE = [column('day', 'date'), column('id', 'string', false), column('place'), column('n', 'integer')];
const create = (name: string): Promise<DeltaTable> => lake.create(name, DAY_AND_PLACE, { partitionBy: ['day', 'place'] });

/** How many of the files were written into a guessed partition: their names are those of single files. */
async function guessedFiles(table: string): Promise<number> {
  return (await dataFiles(table)).filter((path) => path.endsWith('.c000.zstd.parquet')).length;
}

async function dataFiles(table: string): Promise<readonly string[]> {
  return (await lake.store.list(table)).map(({ path }) => path).filter((path) => path.endsWith('.parquet'));
}

const PLACES = ['plain', 'x/y z=1 %25 ü \' " : # ? & *[a]', 'NULL', '__HIVE_DEFAULT_PARTITION__', null] as const;

for (const place of PLACES) {
  test(`blocks in the one partition ${JSON.stringify(place)} go into it directly, as others do`, async () => {
    const name = `one-${PLACES.indexOf(place)}`;
    const table = await create(name);
    const rows = Array.from({ length: 5 }, (_, n) => ({ id: `r${n}`, day: n % 2 === 0 ? '2026-01-01' : null, place, n }));
    const [even, odd] = [rows.filter(({ n }) => n % 2 === 0), rows.filter(({ n }) => n % 2 === 1)];
    for (const group of [even, odd]) for (const row of group) await table.append(block([row]));
    assert.equal(await guessedFiles(name), 2, 'the third of one day, and the second of the next');
    await table.append(block([{ id: 'r5', day: null, place, n: 5 }]));
    assert.equal(await guessedFiles(name), 3);
    const expected = [...rows, { id: 'r5', day: null, place, n: 5 }];
    assert.deepEqual(sortedBy(await (await lake.open(name)).readRows(), 'id'), sortedBy(expected, 'id'));
    for (const path of await dataFiles(name)) assert.deepEqual(await columnsOf(path), ['id', 'n']);
    const log = await lake.text(`${name}/_delta_log/${String(table.version).padStart(20, '0')}.json`);
    const add = log.split('\n').find((line) => line.includes('"add"'));
    assert.deepEqual(JSON.parse(add ?? '').add.partitionValues, { day: null, place });
  });
}

async function columnsOf(path: string): Promise<readonly unknown[]> {
  const file = join(lake.folder, 'tables', path).replaceAll("'", "''").replaceAll('[', '[[]').replaceAll('*', '[*]').replaceAll('?', '[?]');
  const rows = await lake.engine.withConnection((connection) =>
    connection.rows(`SELECT name FROM parquet_schema('${file}') WHERE num_children IS NULL`),
  );
  return rows.map(([name]) => name);
}

test('rows of other partitions in a block that was thought to have one are split, and nothing is left of the guess', async () => {
  const table = await create('wrong');
  const here = { day: '2026-01-01', place: 'a' };
  for (const id of ['a', 'b', 'c']) await table.append(block([{ id, ...here, n: 1 }]));
  assert.equal(await guessedFiles('wrong'), 1);
  const mixed = [
    { id: 'd', ...here, n: 1 },
    { id: 'e', day: '2026-01-01', place: null, n: 1 },
    { id: 'f', day: '2026-01-02', place: 'a', n: 1 },
  ];
  await table.append(block(mixed));
  assert.equal((await dataFiles('wrong')).length, 6);
  assert.equal(table.summary().files, 6);
  const expected = ['a', 'b', 'c'].map((id) => ({ id, ...here, n: 1 }));
  assert.deepEqual(sortedBy(await (await lake.open('wrong')).readRows(), 'id'), [...expected, ...mixed]);
});

test('an empty text is in the partition of null', async () => {
  const table = await create('empty-text');
  for (const place of [null, '', '', null]) await table.append(block([{ id: 'a', day: '2026-01-01', place }]));
  assert.equal(await guessedFiles('empty-text'), 2);
  assert.deepEqual(
    (await table.readRows()).map((row) => row['place']),
    [null, null, null, null],
  );
});

test('a bad row in a block with a guessed partition is named, and nothing is written', async () => {
  const table = await create('bad-row');
  const good = { id: 'a', day: '2026-01-01', place: 'a', n: 1 };
  for (let n = 0; n < 3; n += 1) await table.append(block([good]));
  await assert.rejects(
    table.append(block([good, { ...good, n: 'many' }])),
    (error: unknown) =>
      error instanceof RowConversionError && error.rows.map(({ index, column: name }) => `${index} ${name}`).join() === '1 n',
  );
  assert.equal((await dataFiles('bad-row')).length, 3);
});

test('the folder of a partition may have been cleaned away', async () => {
  const table = await create('cleaned');
  const row = { id: 'a', day: '2026-01-01', place: 'a', n: 1 };
  for (let n = 0; n < 2; n += 1) await table.append(block([row]));
  await rm(join(lake.folder, 'tables', 'cleaned', 'day=2026-01-01'), { recursive: true });
  await table.append(block([row]));
  assert.equal((await dataFiles('cleaned')).length, 1);
});

const partition = (folder: string): Partition => ({ folder, keys: new Map() });

const next = (guess: PartitionGuess): string | undefined => guess.next?.folder;

test('a table whose blocks are each in another partition is guessed only after two in the same', () => {
  const guess = new PartitionGuess();
  for (const folder of ['a', 'b', 'a', 'c']) {
    guess.learn(partition(folder));
    assert.equal(next(guess), undefined);
  }
  const last = partition('c');
  guess.learn(last);
  assert.equal(next(guess), 'c');
  guess.wrong(last);
  guess.learn(partition('d'));
  assert.equal(next(guess), undefined);
});

test('a table that lived up to a guess is guessed again after one block, also where two blocks miss at once', () => {
  const guess = new PartitionGuess();
  const a = partition('a');
  guess.learn(a);
  guess.learn(a);
  guess.right(a);
  guess.wrong(a);
  guess.wrong(a);
  assert.equal(next(guess), undefined);
  guess.learn(null);
  assert.equal(next(guess), undefined);
  guess.learn(partition('b'));
  assert.equal(next(guess), 'b');
});
