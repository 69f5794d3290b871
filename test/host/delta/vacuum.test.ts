import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DeltaTable } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

const DAY = 24 * 3_600_000;
const COLUMNS = [column('id', 'long'), column('value'), column('_day', 'date')];
const key = { key: ['id'] as const };
const rows = (from: number, to: number, value: string) =>
  Array.from({ length: to - from }, (_, at) => ({ id: from + at, value, _day: at % 2 === 0 ? '2026-01-01' : null }));

/** Writes a file below a table, as old as said. */
async function plant(path: string, age: number): Promise<void> {
  const file = join(lake.folder, 'tables', path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, 'x');
  await grow(path, age);
}

async function grow(path: string, age: number): Promise<void> {
  const time = new Date(Date.now() - age);
  await utimes(join(lake.folder, 'tables', path), time, time);
}

/** Makes all files and removals of a table so old; the log keeps its place. */
async function growOld(name: string, age: number): Promise<void> {
  for (const { path } of await lake.store.list(name)) {
    if (/_delta_log\/\d+\.json$/.test(path)) {
      const text = await lake.text(path);
      await lake.write(path, text.replaceAll(/"deletionTimestamp":\d+/g, `"deletionTimestamp":${Date.now() - age}`));
    }
    await grow(path, age);
  }
}

async function filesOf(name: string): Promise<readonly string[]> {
  return (await lake.store.list(name)).map(({ path }) => path.slice(name.length + 1)).filter((path) => !path.startsWith('_delta_log'));
}

/** Partitioned by a column with a hidden file's name; twice merged and once put together, so that files and vectors are unused. */
async function worn(name: string): Promise<DeltaTable> {
  const table = await lake.create(name, COLUMNS, { partitionBy: ['_day'] });
  for (let at = 0; at < 3; at += 1) await table.append(block(rows(at * 10, at * 10 + 10, 'old')));
  await table.merge(block(rows(0, 4, 'new')), key);
  await table.optimize();
  await table.merge(block(rows(2, 6, 'newer')), key);
  return table;
}

test('VACUUM removes all that the table does not need, old vectors and partitions with a hidden name included, and no row', async () => {
  const table = await worn('worn');
  const before = sortedBy(await table.readRows(), 'id');
  await growOld('worn', 8 * DAY);
  const again = await lake.open('worn');
  const found = await filesOf('worn');
  const planned = await again.vacuum({ dryRun: true });
  assert.deepEqual(await filesOf('worn'), found);
  const done = await again.vacuum();
  assert.deepEqual(done.files, planned.files);
  assert.ok(done.files.some((file) => file.endsWith('.bin')) && done.files.some((file) => file.startsWith('_day=2026-01-01/')));
  const left = await filesOf('worn');
  assert.deepEqual([...left, ...done.files].sort(), found);
  // The files of the table and the vectors over them: one file of vectors, by the last merge.
  assert.deepEqual([left.length, left.filter((file) => file.endsWith('.bin')).length], [again.summary().files + 1, 1]);
  assert.deepEqual(sortedBy(await (await lake.open('worn')).readRows(), 'id'), before);
  assert.deepEqual((await again.vacuum()).files, []);
});

test('files of removals within the retention stay, also after a checkpoint', async () => {
  const table = await worn('recent');
  for (const path of await filesOf('recent')) await grow(`recent/${path}`, 8 * DAY);
  assert.deepEqual((await table.vacuum()).files, []);
  await table.checkpoint();
  assert.deepEqual((await (await lake.open('recent')).vacuum()).files, []);
});

test('files that were written within the retention stay: their writer may be about to commit them', async () => {
  const table = await worn('in-flight');
  await plant('in-flight/part-1.parquet', 6.9 * DAY);
  await plant('in-flight/part-2.parquet', 7.1 * DAY);
  await plant('in-flight/deletion_vector_1.bin', 7.1 * DAY);
  assert.deepEqual((await table.vacuum()).files, ['deletion_vector_1.bin', 'part-2.parquet']);
});

test('hidden files, files of no Delta writer, and tables inside the folder are never touched', async () => {
  const table = await worn('guarded');
  const kept = [
    '_index/a.parquet',
    '.b.parquet',
    '_c.bin',
    'x/_d.parquet',
    '.e/f.parquet',
    'README.md',
    'inner/_delta_log/0.json',
    'inner/g.parquet',
  ];
  for (const path of kept) await plant(`guarded/${path}`, 30 * DAY);
  await plant('guarded/_delta_log/_commit_1.json.tmp', 30 * DAY);
  await plant('guarded/x/h.parquet', 30 * DAY);
  assert.deepEqual((await table.vacuum()).files, ['_delta_log/_commit_1.json.tmp', 'x/h.parquet']);
  const left = await filesOf('guarded');
  assert.deepEqual(
    kept.filter((path) => !left.includes(path)),
    [],
  );
});

test('folders of partitions are no hidden ones, whatever of their column’s name is encoded, and others are', async () => {
  const partitionBy = ['_ä', '_%41', '.day'];
  const table = await lake.create('odd-names', [column('id'), ...partitionBy.map((name) => column(name))], { partitionBy });
  const row = { id: '1', _ä: 'x', '_%41': 'y', '.day': 'z' };
  await table.append(block([row]));
  const unused = await filesOf('odd-names');
  assert.match(unused.join(), /^_%C3%A4=x\/_%2541=y\/\.day=z\/[^,]+$/);
  await table.merge(block([{ ...row, id: '1', _ä: 'moved' }]), { key: ['id'] });
  await table.append(block([{ ...row, id: '2' }, { id: '3' }]));
  const planted = ['_ä=x/a.parquet', '_%c3%a4=x/_%41=y/b.parquet', '.day=z/c.parquet'];
  const kept = [
    '_change_data/d.parquet',
    '_change_data/.day=z/e.parquet',
    '_%C3=x/f.parquet',
    '_%41/g.parquet',
    '_Ä=x/h.parquet',
    '_delta_index/i.bin',
  ];
  for (const path of [...planted, ...kept]) await plant(`odd-names/${path}`, 30 * DAY);
  const { files } = await table.vacuum();
  assert.deepEqual(files.toSorted(), planted.toSorted());
  const all = await table.vacuum({ retention: 0, allowShortRetention: true });
  assert.deepEqual(all.files, unused);
  const left = await filesOf('odd-names');
  assert.deepEqual(
    kept.filter((path) => !left.includes(path)),
    [],
  );
  assert.equal(await table.count(), 3);
});

test('a retention below the table’s wants a word', async () => {
  const table = await worn('short');
  await assert.rejects(table.vacuum({ retention: DAY }), coded('PH_DELTA_RETENTION'));
  assert.ok((await table.vacuum({ retention: 0, allowShortRetention: true })).files.length > 0);
  const own = await lake.create('own-retention', COLUMNS, { properties: { 'delta.deletedFileRetentionDuration': 'interval 2 days' } });
  await plant('own-retention/part-1.parquet', 2.1 * DAY);
  assert.deepEqual((await own.vacuum()).files, ['part-1.parquet']);
  const unread = await lake.create('unread-retention', COLUMNS, {
    properties: { 'delta.deletedFileRetentionDuration': 'interval 1 fortnight' },
  });
  await plant('unread-retention/part-1.parquet', 999 * DAY);
  assert.deepEqual((await unread.vacuum()).files, []);
});

test('a table whose features we do not know is not vacuumed', async () => {
  await worn('unknown');
  const [line = ''] = (await lake.text('unknown/_delta_log/00000000000000000000.json'))
    .split('\n')
    .filter((one) => one.includes('"protocol"'));
  const { protocol } = JSON.parse(line) as { protocol: { writerFeatures: string[] } };
  protocol.writerFeatures.push('vacuumProtocolCheck', 'clustering');
  await lake.write('unknown/_delta_log/00000000000000000006.json', `${JSON.stringify({ protocol })}\n`);
  const table = await lake.open('unknown');
  await assert.rejects(table.vacuum(), coded('PH_DELTA_PROTOCOL'));
});

test('a file that is named by its place in the world stops VACUUM: it may be one of these', async () => {
  await worn('absolute');
  const remove = { path: 'file:///elsewhere/part.parquet', deletionTimestamp: Date.now(), dataChange: true };
  await lake.write('absolute/_delta_log/00000000000000000006.json', `${JSON.stringify({ remove })}\n`);
  await assert.rejects((await lake.open('absolute')).vacuum(), coded('PH_DELTA_PROTOCOL'));
});
