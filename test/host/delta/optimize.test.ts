import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { DeltaTable, type TableRow } from '../../../host/src/delta/index.ts';
import type { Action } from '../../../host/src/delta/log/actions.ts';
import { planCompaction } from '../../../host/src/delta/maintenance/compaction-plan.ts';
import { block, boundStore, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

const COLUMNS = [column('id', 'long'), column('value'), column('day', 'date'), column('place')];
const key = { key: ['id'] as const };
const rows = (from: number, to: number, value: string) => Array.from({ length: to - from }, (_, at) => ({ id: from + at, value }));
const textsOf = (given: readonly TableRow[]): readonly string[] => given.map((one) => JSON.stringify(one)).sort();
const contents = async (table: DeltaTable) => sortedBy(await table.readRows(), 'id');
const dataFiles = async (name: string) =>
  (await lake.store.list(name)).filter(({ path }) => /\.(parquet|bin)$/.test(path) && !path.includes('_delta_log'));

async function actionsOf(name: string, version: number): Promise<readonly Action[]> {
  const lines = (await lake.text(`${name}/_delta_log/${String(version).padStart(20, '0')}.json`)).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Action);
}

/** A table of many small files, some of them with deletion vectors. */
async function fragmented(name: string): Promise<DeltaTable> {
  const table = await lake.create(name, COLUMNS);
  for (let at = 0; at < 6; at += 1) await table.append(block(rows(at * 20, at * 20 + 20, 'old')));
  await table.merge(block(rows(10, 30, 'new')), key);
  return table;
}

test('whatever was appended and merged, OPTIMIZE and VACUUM change no row, and leave one small file a partition and nothing else', async () => {
  const place = fc.constantFrom('plain', 'a b/ü', "it's", '', null);
  const row = fc.record({
    id: fc.integer({ min: 0, max: 30 }),
    value: fc.option(fc.string({ maxLength: 5 })),
    day: fc.constantFrom('2026-01-01', null),
    place,
  });
  const step = fc.record({
    kind: fc.constantFrom('append', 'merge', 'checkpoint', 'optimize'),
    rows: fc.array(row, { minLength: 1, maxLength: 12 }),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 2, maxLength: 8 }),
      fc.constantFrom([], ['day'], ['day', 'place']),
      async (steps, partitionBy) => {
        run += 1;
        const name = `property-${run}`;
        const table = await lake.create(name, COLUMNS, { partitionBy });
        for (const { kind, rows: given } of steps) {
          if (kind === 'append') await table.append(block(given));
          else if (kind === 'merge') await table.merge(block(given), key);
          else if (kind === 'checkpoint') await table.checkpoint();
          else await table.optimize();
        }
        const before = await table.readRows();
        await table.optimize({ deletedShare: 0 });
        await table.vacuum({ retention: 0, allowShortRetention: true });
        const again = await lake.open(name);
        assert.deepEqual(textsOf(await again.readRows()), textsOf(before));
        const partitions = new Set(before.map((one) => JSON.stringify(partitionBy.map((column) => one[column] || null))));
        assert.equal(again.summary().files, partitions.size);
        const files = (await dataFiles(name)).map(({ path }) => path);
        assert.deepEqual([files.length, files.filter((path) => path.endsWith('.bin'))], [partitions.size, []]);
        assert.equal((await again.optimize({ deletedShare: 0 })).commits, 0);
      },
    ),
    { numRuns: 12 },
  );
});

test('OPTIMIZE says that no data changed, and its removals repeat the deletion vectors', async () => {
  const table = await fragmented('actions');
  const vectors = (await actionsOf('actions', 7)).flatMap(({ add }) => add?.deletionVector ?? []);
  assert.equal(vectors.length, 2);
  const done = await table.optimize();
  assert.deepEqual([done.commits, done.filesRemoved, done.filesAdded, done.vectorsPurged], [1, 7, 1, 2]);
  const actions = await actionsOf('actions', done.version);
  const removed = actions.flatMap(({ remove }) => remove ?? []);
  const added = actions.flatMap(({ add }) => add ?? []);
  assert.deepEqual(
    removed.flatMap(({ deletionVector }) => deletionVector ?? []),
    vectors,
  );
  assert.ok([...removed, ...added].every(({ dataChange }) => dataChange === false));
  assert.ok(added.every(({ deletionVector }) => deletionVector === undefined));
  const info = actions.find(({ commitInfo }) => commitInfo !== undefined)?.commitInfo;
  assert.deepEqual([info?.operation, info?.isBlindAppend], ['OPTIMIZE', false]);
  assert.deepEqual([table.summary().rows, await table.count("value = 'new'")], [120, 20]);
});

test('only small files and those with many deleted rows are written anew, up to the size that the table asks for', () => {
  const megabyte = 1024 * 1024;
  const file = (path: string, megabytes: number, deleted = 0, day: string | null = 'a') => ({
    path,
    partitionValues: { day },
    size: megabytes * megabyte,
    modificationTime: Number(path),
    dataChange: true,
    stats: '{"numRecords":100}',
    ...(deleted > 0 && { deletionVector: { storageType: 'u', pathOrInlineDv: 'x', sizeInBytes: 1, cardinality: deleted } }),
  });
  const metaData = (configuration: Record<string, string> = {}) => ({
    id: 'x',
    format: { provider: 'parquet', options: {} },
    schemaString: '',
    partitionColumns: ['day'],
    configuration,
  });
  const plan = (files: Parameters<typeof planCompaction>[0], configuration?: Record<string, string>) =>
    planCompaction(files, metaData(configuration), {}).map((bin) => bin.files.map(({ path }) => path));
  assert.deepEqual(plan([file('1', 60), file('2', 9), file('3', 7.9)]), []); // one small file alone wins nothing
  assert.deepEqual(plan([file('3', 1), file('1', 7), file('2', 60, 21)]), [['1', '2', '3']]); // in the order of time
  assert.deepEqual(plan([file('1', 60, 20), file('2', 60, 21)]), [['2']]);
  assert.deepEqual(plan([file('1', 1), file('2', 1, 0, 'b'), file('3', 1, 0, null), file('4', 1, 0, '')]), [['3', '4']]);
  assert.deepEqual(
    plan(Array.from({ length: 20 }, (_, at) => file(String(10 + at), 6))).map(({ length }) => length),
    [10, 10],
  );
  assert.deepEqual(
    plan(
      Array.from({ length: 4 }, (_, at) => file(String(at), 6)),
      { 'delta.targetFileSize': '13mb' },
    ),
    [
      ['0', '1'],
      ['2', '3'],
    ],
  );
});

test('many more files than one statement reads become one in several passes', async () => {
  const small = (at: number) => ({ path: String(1000 + at), partitionValues: {}, size: 10, modificationTime: at, dataChange: true });
  const metaData = { id: 'x', format: { provider: 'parquet', options: {} }, schemaString: '', partitionColumns: [], configuration: {} };
  const plan = planCompaction(
    Array.from({ length: 600 }, (_, at) => small(at)),
    metaData,
  );
  assert.deepEqual(
    plan.map(({ files }) => files.length),
    [256, 256, 88],
  );
  const table = await lake.create('passes', COLUMNS);
  for (let at = 0; at < 9; at += 1) await table.append(block(rows(at * 3, at * 3 + 3, 'x')));
  const size = Math.max(...(await dataFiles('passes')).map(({ bytes }) => bytes));
  const done = await table.optimize({ targetBytes: size * 3.5 });
  assert.deepEqual([done.commits > 1, table.summary().files, await table.countDistinct('id')], [true, 1, 27]);
});

test('an append beside an OPTIMIZE goes through, and neither is computed again', async () => {
  const table = await fragmented('beside');
  const other = await lake.open('beside');
  const store = boundStore(lake.store);
  let appended = false;
  const slow = await DeltaTable.open(
    lake.engine,
    {
      ...store,
      putIfAbsent: async (path, body, options) => {
        if (!appended) {
          appended = true;
          await other.append(block(rows(500, 510, 'beside')));
        }
        return await store.putIfAbsent(path, body, options);
      },
    },
    'beside',
  );
  const done = await slow.optimize();
  assert.deepEqual([done.commits, done.filesRemoved], [1, 7]);
  await table.refresh();
  assert.deepEqual([await table.count(), await table.countDistinct('id'), table.summary().files], [130, 130, 2]);
});

test('a merge that meets a file of an OPTIMIZE makes it compute again, on the rows of the merge', async () => {
  const table = await fragmented('met');
  const other = await lake.open('met');
  const store = boundStore(lake.store);
  let merged = false;
  const slow = await DeltaTable.open(
    lake.engine,
    {
      ...store,
      putIfAbsent: async (path, body, options) => {
        if (!merged) {
          merged = true;
          await other.merge(block(rows(50, 60, 'meanwhile')), key);
        }
        return await store.putIfAbsent(path, body, options);
      },
    },
    'met',
  );
  await slow.optimize();
  await table.refresh();
  assert.deepEqual([await table.count(), await table.count("value = 'meanwhile'"), await table.countDistinct('id')], [120, 10, 120]);
  await table.vacuum({ retention: 0, allowShortRetention: true });
  const live = await lake.open('met');
  assert.equal((await dataFiles('met')).filter(({ path }) => path.endsWith('.parquet')).length, live.summary().files);
});

test('a merge by the same process that comes while files are rewritten is not undone', async () => {
  const table = await fragmented('same-process');
  await Promise.all([table.optimize(), table.merge(block(rows(50, 60, 'meanwhile')), key)]);
  const again = await lake.open('same-process');
  assert.deepEqual([await again.count(), await again.count("value = 'meanwhile'"), await again.countDistinct('id')], [120, 10, 120]);
});

test('an OPTIMIZE that loses again and again gives up, and leaves no file behind', async () => {
  await fragmented('starved');
  const other = await lake.open('starved');
  const store = boundStore(lake.store);
  let round = 0;
  const losing = await DeltaTable.open(
    lake.engine,
    {
      ...store,
      putIfAbsent: async (path, body, options) => {
        round += 1;
        await other.merge(block([{ id: round, value: `round ${round}` }, { id: 60 + round }, { id: 100 }]), key);
        return await store.putIfAbsent(path, body, options);
      },
    },
    'starved',
  );
  await assert.rejects(losing.optimize(), coded('PH_DELTA_CONFLICT'));
  await other.refresh();
  assert.deepEqual([await other.count(), await other.countDistinct('id')], [120, 120]);
  const unused = await other.vacuum({ retention: 0, allowShortRetention: true, dryRun: true });
  const removedByMerges = unused.files.filter((file) => file.endsWith('.parquet'));
  const written = (await Promise.all(Array.from({ length: other.version + 1 }, (_, version) => actionsOf('starved', version)))).flat();
  const known = new Set(written.flatMap(({ add }) => add?.path ?? []));
  assert.deepEqual(
    removedByMerges.filter((file) => !known.has(file)),
    [],
  );
});

test('an append-only table is put together too', async () => {
  const table = await lake.create('append-only', COLUMNS, { properties: { 'delta.appendOnly': 'true' }, deletionVectors: false });
  for (let at = 0; at < 3; at += 1) await table.append(block(rows(at, at + 1, 'x')));
  assert.equal((await table.optimize()).filesAdded, 1);
  assert.equal(await table.count(), 3);
});

test('an aborted OPTIMIZE keeps what it committed and leaves nothing else', async () => {
  const table = await fragmented('aborted');
  const before = await dataFiles('aborted');
  await assert.rejects(table.optimize({ signal: AbortSignal.abort(new Error('stopped')) }), /stopped/);
  assert.deepEqual(await dataFiles('aborted'), before);
  assert.equal(await table.count(), 120);
});

test('files that hold other rows than the log says are left as they are', async () => {
  await fragmented('miscounted');
  const path = 'miscounted/_delta_log/00000000000000000004.json';
  await lake.write(path, (await lake.text(path)).replace('\\"numRecords\\":20', '\\"numRecords\\":21'));
  const table = await lake.open('miscounted');
  const before = await dataFiles('miscounted');
  await assert.rejects(table.optimize(), coded('PH_DELTA_FILE_ROWS'));
  assert.deepEqual(await dataFiles('miscounted'), before);
});

test('an OPTIMIZE that is killed before its commit leaves the table as it was, and files that VACUUM removes', async () => {
  const table = await fragmented('killed');
  const before = await dataFiles('killed');
  const rowsBefore = await contents(table);
  const program = fileURLToPath(new URL('./killed-optimize-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', program, lake.folder, 'killed'], {
    stdio: 'inherit',
  });
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL');
  const orphans = (await dataFiles('killed')).filter(({ path }) => !before.some((one) => one.path === path));
  assert.equal(orphans.length, 1);
  const again = await lake.open('killed');
  assert.deepEqual(await contents(again), rowsBefore);
  await again.vacuum({ retention: 0, allowShortRetention: true });
  assert.deepEqual(await dataFiles('killed'), before);
});
