import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { block, column } from '../delta/delta-fixture.ts';
import { makeWorkplace, runCommand, type Workplace } from './command-line.ts';

let place: Workplace;
let folder: string;

before(async () => {
  place = makeWorkplace();
  place.install('weather');
  folder = join(place.folder, 'data/tables');
  await using engine = await openDeltaEngine({ tempDirectory: join(place.folder, 'temp') });
  const table = await DeltaTable.open(engine, openLocalStore(folder), 'weather_warm', {
    create: { name: 'weather_warm', columns: [column('sensor', 'string', false), column('celsius', 'double')], partitionBy: [] },
  });
  await table.append(block([{ sensor: 'a', celsius: 1 }]));
  await table.append(block([{ sensor: 'a', celsius: 2 }]));
  await table.close();
});
after(() => place.remove());

const verify = (...args: readonly string[]) => runCommand(['tables', 'verify', ...args], { cwd: place.folder });

test('tables verify counts what it looked at and exits with 0 where all holds', async () => {
  const { code, stdout, stderr } = await verify(join(folder, 'weather_warm'));
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^weather_warm, version 2, /);
  assert.match(stdout, /^versions +3 +0$/m);
  assert.match(stdout, /^files +2 +0$/m);
  assert.match(stdout, /^0 files \(0 bytes\) that no version in the log names$/m);
});

test('tables verify knows the merge key of a table of a plugin, and exits with 1', async () => {
  const byName = await verify('weather_warm', '--plugin', 'weather', '--data', 'data');
  assert.equal(byName.code, 1);
  assert.match(byName.stdout, /^PH_DELTA_VERIFY merge key: \S+\.parquet, column sensor: is \["a"\] in 2 rows; should be in one row$/m);
  assert.match(byName.stderr, /^PH_DELTA_VERIFY: 1 promise of table weather_warm broken$/m);
});

test('tables verify gives its faults as JSON', async () => {
  const [gone = assert.fail()] = (await readdir(join(folder, 'weather_warm'))).filter((file) => file.endsWith('.parquet'));
  await rm(join(folder, 'weather_warm', gone));
  const { code, stdout } = await verify('./data/tables/weather_warm', '--json');
  const { version, faults } = JSON.parse(stdout) as { version: number; faults: readonly Readonly<Record<string, unknown>>[] };
  assert.deepEqual([code, version, faults.length, faults[0]?.['check'], faults[0]?.['file']], [1, 2, 1, 'files', gone]);
});

test('tables verify says no to a folder without a table', async () => {
  const { code, stdout, stderr } = await verify('./data/nothing');
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /PH_DELTA_ABSENT/);
});
