import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isPipelineError } from '@pipeline-host/sdk';
import { DeltaTable, TableGoneError } from '../../../host/src/delta/index.ts';
import type { ObjectStore } from '../../../host/src/storage/index.ts';
import { block, boundStore, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const COLUMNS = [column('id'), column('day', 'date')];
const tables = (...path: readonly string[]) => join(lake.folder, 'tables', ...path);
const version = (number: number) => String(number).padStart(20, '0');
const gone = (error: unknown) => error instanceof TableGoneError && coded('PH_DELTA_GONE')(error);
const row = (id: string) => block([{ id, day: '2026-01-01' }]);

async function files(name: string): Promise<readonly string[]> {
  return (await lake.store.list(name)).map(({ path }) => path);
}

async function ids(name: string): Promise<readonly unknown[]> {
  return sortedBy(await (await lake.open(name)).readRows(), 'id').map(({ id }) => id);
}

const WRITES: readonly (readonly [string, readonly string[], (table: DeltaTable, id: string, offset: bigint) => Promise<unknown>])[] = [
  ['append', [], (table, id, at) => table.append(row(id), { txns: [{ appId: 'p/0', version: at }] })],
  ['append-by-day', ['day'], (table, id, at) => table.append(row(id), { txns: [{ appId: 'p/0', version: at }] })],
  ['merge', [], (table, id, at) => table.merge(row(id), { key: ['id'], txns: [{ appId: 'p/0', version: at }] })],
];

for (const [name, partitionBy, write] of WRITES) {
  test(`${name}: a table whose folder is moved away takes no rows and is not made again, and goes on when it is back`, async () => {
    const table = await lake.create(name, COLUMNS, { partitionBy });
    await write(table, 'a', 1n);
    const before = await files(name);
    const away = join(lake.folder, `${name}-away`);
    await rename(tables(name), away);
    for (let again = 0; again < 2; again += 1) await assert.rejects(write(table, 'b', 2n), gone);
    await assert.rejects(table.refresh(), (error: unknown) => gone(error) && isPipelineError(error) && error.kind === 'unavailable');
    await assert.rejects(table.append({ ndjson: Buffer.alloc(0), rows: 0 }, { txns: [{ appId: 'p/0', version: 2n }] }), gone);
    await assert.rejects(table.checkpoint());
    await assert.rejects(lake.open(name), coded('PH_DELTA_ABSENT'));
    assert.ok(!(await readdir(tables())).includes(name));
    await rename(away, tables(name));
    assert.deepEqual(await files(name), before);
    assert.equal(await table.refresh(), 1);
    await write(table, 'b', 2n);
    await write(table, 'c', 3n);
    assert.deepEqual(await ids(name), ['a', 'b', 'c']);
    assert.equal((await lake.open(name)).lastTxn('p/0'), 3n);
  });
}

test('an empty folder in the place of the table, as of an unmounted volume, stays empty', async () => {
  const table = await lake.create('unmounted', COLUMNS, { partitionBy: ['day'] });
  await table.append(row('a'));
  const away = join(lake.folder, 'unmounted-away');
  await rename(tables('unmounted'), away);
  await mkdir(tables('unmounted'));
  await assert.rejects(table.append(row('b')), gone);
  await assert.rejects(table.merge(row('b'), { key: ['id'] }), gone);
  assert.deepEqual(await readdir(tables('unmounted')), []);
  await rm(tables('unmounted'), { recursive: true });
  await rename(away, tables('unmounted'));
  await table.append(row('b'));
  assert.deepEqual(await ids('unmounted'), ['a', 'b']);
});

test('a folder that is moved while the data files are written takes no commit, and a store without local files neither', async () => {
  const table = await lake.create('midway', COLUMNS);
  await table.append(row('a'));
  const { local: _, ...rest } = boundStore(lake.store);
  let move = false;
  const away = join(lake.folder, 'midway-away');
  const store: ObjectStore = {
    ...rest,
    put: async (path, body, options) => {
      await rest.put(path, body, options);
      if (move) await rename(tables('midway'), away);
      move = false;
    },
  };
  const writer = await DeltaTable.open(lake.engine, store, 'midway');
  move = true;
  await assert.rejects(writer.append(row('b')), gone);
  assert.ok(!(await readdir(tables())).includes('midway'));
  await assert.rejects(writer.append(row('b')), gone);
  assert.ok(!(await readdir(tables())).includes('midway'));
  await rename(away, tables('midway'));
  await writer.append(row('b'));
  assert.deepEqual(await ids('midway'), ['a', 'b']);
});

test('a folder that vanishes between the last look and the commit gets no log of its own', async () => {
  const table = await lake.create('at-the-last', COLUMNS);
  await table.append(row('a'));
  const store = boundStore(lake.store);
  const away = join(lake.folder, 'at-the-last-away');
  let move = true;
  const writer = await DeltaTable.open(
    lake.engine,
    {
      ...store,
      putIfAbsent: async (path, body, options) => {
        if (move) await rename(tables('at-the-last'), away);
        move = false;
        return await store.putIfAbsent(path, body, options);
      },
    },
    'at-the-last',
  );
  await assert.rejects(writer.append(row('b')), gone);
  assert.ok(!(await readdir(tables())).includes('at-the-last'));
  await rename(away, tables('at-the-last'));
  await writer.append(row('b'));
  assert.deepEqual(await ids('at-the-last'), ['a', 'b']);
});

test('a commit whose predecessor was cleaned up loses to the newer versions, and goes behind them when it is tried again', async () => {
  const table = await lake.create('cleaned', COLUMNS);
  for (const id of ['a', 'b']) await table.append(row(id));
  const late = await lake.open('cleaned');
  await table.checkpoint();
  for (let n = 0; n <= 2; n += 1) await rm(tables('cleaned', '_delta_log', `${version(n)}.json`));
  await table.append(row('c'));
  await table.append(row('d'));
  await table.checkpoint();
  for (let n = 3; n <= 4; n += 1) await rm(tables('cleaned', '_delta_log', `${version(n)}.json`));
  await rm(tables('cleaned', '_delta_log', `${version(2)}.checkpoint.parquet`));
  await assert.rejects(late.append(row('e')), { code: 'PH_DELTA_CONFLICT', kind: 'transient' });
  await late.refresh();
  await late.append(row('e'));
  assert.equal(late.version, 5);
  assert.deepEqual(await ids('cleaned'), ['a', 'b', 'c', 'd', 'e']);
});
