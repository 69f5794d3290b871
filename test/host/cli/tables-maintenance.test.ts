import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { block, column } from '../delta/delta-fixture.ts';
import { makeWorkplace, runCommand, type Workplace } from './command-line.ts';

const DAY = 24 * 3_600_000;
let place: Workplace;
let folder: string;

before(async () => {
  place = makeWorkplace();
  place.install('weather');
  folder = join(place.folder, 'data/tables');
  const store = openLocalStore(folder);
  await using engine = await openDeltaEngine({ tempDirectory: join(place.folder, 'temp') });
  const table = await DeltaTable.open(engine, store, 'weather_warm', {
    create: { name: 'weather_warm', columns: [column('sensor', 'string', false), column('celsius', 'double')], partitionBy: [] },
  });
  for (let at = 0; at < 5; at += 1) await table.append(block([{ sensor: `s${at}`, celsius: at }]));
  await table.close();
  place.write('data/tables/weather_warm/part-of-a-killed-writer.parquet', 'x');
  const old = new Date(Date.now() - 8 * DAY);
  for (const { path } of await store.list('weather_warm')) await utimes(join(folder, path), old, old);
});
after(() => place.remove());

async function run(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCommand(['tables', ...args, '--json'], { cwd: place.folder });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test('tables optimize, vacuum and checkpoint maintain a table by its name and by its folder', async () => {
  const byName = ['weather_warm', '--plugin', 'weather', '--data', 'data'];
  const uri = join(folder, 'weather_warm');
  const planned = (await run('optimize', ...byName, '--dry-run')) as { bytes: number };
  assert.deepEqual(planned, { table: 'weather_warm', uri, dryRun: true, files: 5, bytes: planned.bytes, purgedFiles: 0, newFiles: 1 });
  const { version, filesRemoved, filesAdded } = (await run('optimize', uri)) as Record<string, number>;
  assert.deepEqual([version, filesRemoved, filesAdded], [6, 5, 1]);
  const unused = { table: 'weather_warm', uri, files: ['part-of-a-killed-writer.parquet'], bytes: 1, retention: 7 * DAY };
  assert.deepEqual(await run('vacuum', 'data/tables/weather_warm', '--retention', '7d'), { ...unused, dryRun: false });
  assert.deepEqual(await run('checkpoint', ...byName), {
    table: 'weather_warm',
    uri,
    dryRun: false,
    version: 6,
    files: [],
    oldestVersion: null,
  });
});

test('tables vacuum says no to a short retention, to a folder that is no table, and to a name that is none', async () => {
  const refused = async (args: readonly string[], pattern: RegExp): Promise<void> => {
    const { code, stderr } = await runCommand(['tables', 'vacuum', ...args], { cwd: place.folder });
    assert.equal(code, 2, stderr);
    assert.match(stderr, pattern);
  };
  await refused(['./data/tables/weather_warm', '--retention', '1h'], /PH_DELTA_RETENTION[\s\S]*--allow-short-retention/);
  await refused(['./data/tables'], /PH_DELTA_ABSENT/);
  await refused(['weather_wram', '--plugin', 'weather'], /PH_TABLE_UNKNOWN[\s\S]*did you mean "weather_warm"/);
});
