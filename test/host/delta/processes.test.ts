import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
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

test('a writer that is killed 20 times leaves exactly the rows that its txn says', async () => {
  await lake.create('killed', COLUMNS, { partitionBy: ['day'], properties: { 'delta.checkpointInterval': '10' } });
  const killed: (number | undefined)[] = [];
  for (let kill = 0; kill < 20; kill += 1) {
    const child = start('killed', 'crash/0', 1_000_000);
    await once(child.stdout ?? child, 'data');
    await delay(20 + Math.random() * 150); // any moment of its loop
    child.kill('SIGKILL');
    killed.push(child.pid);
    await once(child, 'exit');
    const table = await lake.open('killed');
    const written = Number(table.lastTxn('crash/0') ?? 0n) * 10;
    assert.deepEqual([await table.count(), await table.countDistinct('id')], [written, written]);
  }
  const table = await lake.open('killed');
  const last = Number(table.lastTxn('crash/0'));
  assert.ok(last > 0, 'the loop must have got somewhere between kills');
  await finish(start('killed', 'crash/0', last + 5));
  await checkRows('killed', ['crash/0'], last + 5);
  assert.deepEqual(await scratchOf(killed), []);
});

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

/** The next process that opens an engine removes what killed ones left in shared memory and on disk. */
async function scratchOf(pids: readonly (number | undefined)[]): Promise<readonly string[]> {
  const names = await Promise.all([`${lake.folder}/temp`, '/dev/shm'].map((folder) => readdir(folder).catch(() => [])));
  return names.flat().filter((name) => pids.includes(Number(/^ph-delta-(\d+)-/.exec(name)?.[1])));
}
