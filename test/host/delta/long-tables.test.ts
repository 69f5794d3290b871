import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import { block, boundStore, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

test('a table of many versions is opened from its newest checkpoint and the commits behind it, and no other file is looked at', async () => {
  const written = await lake.create('opened', [column('n', 'long')], { properties: { 'delta.checkpointInterval': '10' } });
  for (let n = 0; n < 34; n += 1) await written.append(block([{ n }]));
  await written.close();
  const looks: string[] = [];
  const store = boundStore(lake.store);
  const local = store.local;
  assert.ok(local);
  const note = (call: string, path: string): string => {
    looks.push(`${call} ${path.slice('opened/_delta_log'.length)}`);
    return path;
  };
  const table = await DeltaTable.open(
    lake.engine,
    {
      ...store,
      get: (path) => store.get(note('get', path)),
      getRange: (path, ...range) => store.getRange(note('get', path), ...range),
      read: (path) => store.read(note('get', path)),
      stat: (path) => store.stat(note('stat', path)),
      list: (path) => store.list(note('list', path)),
      names: (path) => store.names(note('names', path)),
      // DuckDB reads what it gets a path of.
      local: { ...local, path: (path) => local.path(note('read', path)), sync: local.sync.bind(local), sweep: local.sweep.bind(local) },
    },
    'opened',
  );
  assert.deepEqual([table.version, table.summary().files], [34, 34]);
  const commits = [31, 32, 33, 34].map((version) => `get /${String(version).padStart(20, '0')}.json`);
  assert.deepEqual(looks.sort(), [...commits, 'names ', 'read /00000000000000000030.checkpoint.parquet'].sort());
});

test('commits leave no memory behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const table = await lake.create('committed', [column('n', 'long'), column('text')]);
  const blockOf = (commit: number) =>
    block(Array.from({ length: 400 }, (_, n) => ({ n: commit * 400 + n, text: `some text of row ${n} `.repeat(25) })));
  const commit = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 1) {
      await table.append(blockOf(n), { txns: [{ appId: 'w/0', version: BigInt(n) }], dedupe: { column: 'n', window: 3_600_000 } });
      if (n % 20 === 0) await table.optimize();
    }
  };
  await commit(1, 31);
  const before = held();
  await commit(31, 91);
  const left = held() - before;
  const bytes = blockOf(1).ndjson.byteLength;
  assert.ok(left < 15 * bytes, `60 commits of ${bytes} bytes left ${left} behind`);
  await table.close();
});
