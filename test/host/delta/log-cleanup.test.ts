import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DeltaTable, TableSpec } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const DAY = 24 * 3_600_000;
const COLUMNS = [column('id', 'long')];
const versionName = (version: number): string => String(version).padStart(20, '0');

/** Eight versions, with checkpoints of 3 and 6. Version n is as old as `ageOf` says. */
async function logged(name: string, ageOf: (version: number) => number, options: Partial<TableSpec> = {}): Promise<DeltaTable> {
  const table = await lake.create(name, COLUMNS, options);
  for (let version = 1; version <= 8; version += 1) {
    await table.append(block([{ id: version }]), { txns: [{ appId: 'w', version: BigInt(version) }] });
    if (version === 3 || version === 6) await table.checkpoint();
  }
  for (const { path } of await lake.store.list(`${name}/_delta_log`)) {
    const version = Number(/(\d{20})\./.exec(path)?.[1] ?? Number.NaN);
    if (Number.isNaN(version)) continue;
    const time = new Date(Date.now() - ageOf(version));
    await utimes(join(lake.folder, 'tables', path), time, time);
  }
  return table;
}

const commitsOf = async (name: string): Promise<readonly number[]> =>
  (await lake.store.list(`${name}/_delta_log`)).flatMap(({ path }) => {
    const version = /(\d{20})\.json$/.exec(path)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
const checkpointsOf = async (name: string): Promise<readonly number[]> =>
  (await lake.store.list(`${name}/_delta_log`)).flatMap(({ path }) => {
    const version = /(\d{20})\.checkpoint\.parquet$/.exec(path)?.[1];
    return version === undefined ? [] : [Number(version)];
  });

test('versions before the newest checkpoint that is old enough go; it, its commit and all after stay', async () => {
  const table = await logged('cut', (version) => (version <= 5 ? 31 * DAY : 29 * DAY));
  const planned = await table.cleanLog({ dryRun: true });
  assert.equal((await commitsOf('cut')).length, 9);
  const done = await table.cleanLog();
  assert.deepEqual(done, planned);
  assert.deepEqual(done, { files: [0, 1, 2].map((version) => `${versionName(version)}.json`), oldestVersion: 3 });
  assert.deepEqual(
    [await commitsOf('cut'), await checkpointsOf('cut')],
    [
      [3, 4, 5, 6, 7, 8],
      [3, 6],
    ],
  );
  const reopened = await lake.open('cut');
  assert.deepEqual([await reopened.count(), reopened.lastTxn('w')], [8, 8n]);
  await reopened.append(block([{ id: 9 }]));
  assert.equal(await reopened.count(), 9);
});

test('nothing goes where no checkpoint is old enough, or where the table says so', async () => {
  const young = await logged('young', (version) => (version <= 2 ? 31 * DAY : 0));
  assert.deepEqual(await young.cleanLog(), { files: [], oldestVersion: null });
  const off = await logged('off', () => 99 * DAY, { properties: { 'delta.enableExpiredLogCleanup': 'false' } });
  assert.deepEqual(await off.cleanLog(), { files: [], oldestVersion: null });
  const longer = await logged('longer', () => 99 * DAY, { properties: { 'delta.logRetentionDuration': 'interval 100 days' } });
  assert.deepEqual(await longer.cleanLog(), { files: [], oldestVersion: null });
});

test('the checkpoint that the hint names stays, since other readers stop without it', async () => {
  const table = await logged('hinted', () => 31 * DAY);
  await lake.write('hinted/_delta_log/_last_checkpoint', '{"version":3,"size":1}');
  const done = await table.cleanLog();
  assert.equal(done.oldestVersion, 6);
  assert.deepEqual(
    [await commitsOf('hinted'), await checkpointsOf('hinted')],
    [
      [6, 7, 8],
      [3, 6],
    ],
  );
});

test('nothing goes where the checkpoint that is to carry the table cannot be read', async () => {
  const table = await logged('damaged', () => 31 * DAY);
  await lake.write(`damaged/_delta_log/${versionName(6)}.checkpoint.parquet`, 'no parquet');
  const time = new Date(Date.now() - 31 * DAY);
  await utimes(join(lake.folder, `tables/damaged/_delta_log/${versionName(6)}.checkpoint.parquet`), time, time);
  await assert.rejects(table.cleanLog(), coded('PH_DELTA_LOG_DAMAGED'));
  assert.equal((await commitsOf('damaged')).length, 9);
});

test('a writer that knows the table goes on behind a cleanup by another process', async () => {
  const table = await logged('behind', () => 31 * DAY);
  const other = await lake.open('behind');
  await other.cleanLog();
  await table.append(block([{ id: 100 }]));
  assert.equal(await table.count(), 9);
});
