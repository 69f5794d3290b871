import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { column, type Lake, openLake } from './delta-fixture.ts';

const COLUMNS = [column('id'), column('n', 'long'), column('day', 'date')];
const PROGRAM = fileURLToPath(new URL('./appending-process.ts', import.meta.url));

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

function start(table: string, appId: string, target: number): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', PROGRAM, lake.folder, table, appId, String(target)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function finish(child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
  assert.equal(code, 0);
}

/** Every row of every version of the app ids is there once. */
async function checkRows(name: string, appIds: readonly string[], target: number): Promise<void> {
  const table = await lake.open(name);
  for (const appId of appIds) assert.equal(table.lastTxn(appId), BigInt(target));
  const rows = appIds.length * target * 10;
  assert.deepEqual([await table.count(), await table.countDistinct('id'), table.summary().rows], [rows, rows, rows]);
}

test('four processes that append at once lose and double nothing, and leave no hole in the log', async () => {
  await lake.create('raced', COLUMNS, { partitionBy: ['day'] });
  const appIds = ['race/0', 'race/1', 'race/2', 'race/3'];
  await Promise.all(appIds.map((appId) => finish(start('raced', appId, 25))));
  await checkRows('raced', appIds, 25);
  assert.equal((await lake.open('raced')).version, 100);
});

test('three processes that write the same txns commit each of them once', async () => {
  await lake.create('competing', COLUMNS);
  await Promise.all([0, 1, 2].map(() => finish(start('competing', 'same/0', 40))));
  await checkRows('competing', ['same/0'], 40);
  assert.equal((await lake.open('competing')).version, 40);
  const data = (await lake.store.list('competing')).filter(({ path }) => path.endsWith('.parquet') && !path.includes('_delta_log'));
  assert.equal(data.length, 40, 'the losers delete their files');
});
