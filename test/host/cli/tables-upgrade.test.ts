import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { column } from '../delta/delta-fixture.ts';
import { makeWorkplace, type Outcome, runCommand, type Workplace } from './command-line.ts';

let place: Workplace;
let folder: string;
before(async () => {
  place = makeWorkplace();
  place.install('weather');
  folder = join(place.folder, 'data/tables');
  await using engine = await openDeltaEngine({ tempDirectory: join(place.folder, 'temp') });
  await DeltaTable.open(engine, openLocalStore(folder), 'weather_warm', {
    create: { name: 'weather_warm', columns: [column('sensor', 'string', false), column('celsius', 'double')], partitionBy: [] },
  });
});
after(() => place.remove());

const upgrade = (...args: readonly string[]): Promise<Outcome> =>
  runCommand(['tables', 'upgrade', 'weather_warm', '--plugin', 'weather', '--data', 'data', ...args], { cwd: place.folder });

async function version(): Promise<number> {
  await using engine = await openDeltaEngine({ tempDirectory: join(place.folder, 'temp') });
  return (await DeltaTable.open(engine, openLocalStore(folder), 'weather_warm')).version;
}

test('tables upgrade lists who can no longer read the table, and does nothing until it is told --yes', async () => {
  const listed = [
    /reader version 1 and writer version 2, then reader version 3 and writer version 7/,
    /turns on +deletionVectors \(readers and writers\)/,
    /any engine of Delta reader version 1 or 2.* no longer/,
    /delta-rs .*no longer by to_pandas\(\)/,
  ];
  const dry = await upgrade('--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  for (const line of listed) assert.match(dry.stdout, line);
  const untold = await upgrade();
  assert.equal(untold.code, 2);
  assert.match(untold.stderr, /PH_CLI_ARGUMENT[\s\S]*--yes/);
  assert.equal(untold.stdout, dry.stdout);
  assert.equal(await version(), 0);

  const told = await upgrade('--yes', '--json');
  assert.equal(told.code, 0, told.stderr);
  const { done, version: reached, upgrade: upgraded } = JSON.parse(told.stdout) as { done: boolean; version: number; upgrade: object };
  assert.deepEqual([done, reached, await version()], [true, 1, 1]);
  assert.deepEqual((upgraded as { readerFeatures: unknown }).readerFeatures, ['deletionVectors']);
});
