import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import type { ObjectStore } from '../../../host/src/storage/index.ts';
import { block, boundStore, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const COLUMNS = [column('id', 'long'), column('value')];
const key = { key: ['id'] as const };
const commitFile = (table: string, version: number) => `${table}/_delta_log/${String(version).padStart(20, '0')}.json`;
const rows = (from: number, to: number, value: string) => Array.from({ length: to - from }, (_, at) => ({ id: from + at, value }));
const values = async (table: DeltaTable) => sortedBy(await table.readRows(), 'id').map(({ value }) => value);

/** Whether a commit marks replaced rows by a deletion vector, and leaves their file. */
const hasVector = async (table: string, version: number) => (await lake.text(commitFile(table, version))).includes('"deletionVector"');

test('a merge table that exists without deletion vectors stays so, and its files are written anew', async () => {
  await lake.create('as-it-is', COLUMNS);
  const create = { name: 'as-it-is', columns: COLUMNS, partitionBy: [], key: ['id'], deletionVectors: true };
  const table = await DeltaTable.open(lake.engine, lake.store, 'as-it-is', { create, addColumns: true });
  await table.append(block(rows(0, 4, 'old')));
  await table.merge(block(rows(1, 3, 'new')), key);
  assert.equal(await hasVector('as-it-is', 2), false);
  assert.deepEqual(table.summary().protocol, { minReaderVersion: 1, minWriterVersion: 2 });
  assert.deepEqual(await values(table), ['old', 'new', 'new', 'old']);
});

test('an upgrade turns deletion vectors on in one commit, and running writers go on with them', async () => {
  const table = await lake.create('upgraded', COLUMNS, { properties: { 'someone.else': 'kept' } });
  await table.append(block(rows(0, 4, 'old')));
  const other = await lake.open('upgraded');
  const planned = other.planUpgrade();
  assert.deepEqual(planned, {
    from: { minReaderVersion: 1, minWriterVersion: 2 },
    to: {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: ['deletionVectors'],
      writerFeatures: ['deletionVectors', 'appendOnly', 'invariants'],
    },
    readerFeatures: ['deletionVectors'],
    writerFeatures: ['deletionVectors'],
    properties: { 'delta.enableDeletionVectors': 'true' },
  });
  assert.deepEqual([await other.upgrade(), other.version], [planned, 2]);
  assert.deepEqual(other.summary().properties, { 'someone.else': 'kept', 'delta.enableDeletionVectors': 'true' });
  // The writer that knows nothing of it: an append loses once, a merge computes again.
  await assert.rejects(table.append(block(rows(4, 5, 'old'))), coded('PH_DELTA_CONFLICT'));
  await table.append(block(rows(4, 5, 'old')));
  await table.merge(block(rows(1, 3, 'new')), key);
  assert.equal(await hasVector('upgraded', 4), true);
  await table.checkpoint();
  assert.deepEqual(await values(await lake.open('upgraded')), ['old', 'new', 'new', 'old', 'old']);
  assert.deepEqual([table.planUpgrade(), await table.upgrade(), table.version], [null, null, 4]);
});

test('an upgrade keeps the features that a table has, and looks again where another writer changed it meanwhile', async () => {
  const made = await lake.create('featured', COLUMNS);
  const { version } = made;
  const lines = (await lake.text(commitFile('featured', 0))).split('\n').filter((line) => line.includes('"metaData"'));
  let raced = false;
  const store: ObjectStore = {
    ...boundStore(lake.store),
    putIfAbsent: async (path, body, options) => {
      const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['domainMetadata'] };
      if (!raced) await lake.write(commitFile('featured', 1), `${JSON.stringify({ protocol })}\n${lines.join('\n')}\n`);
      raced = true;
      return await lake.store.putIfAbsent(path, body, options);
    },
  };
  const table = await DeltaTable.open(lake.engine, store, 'featured');
  await table.upgrade();
  assert.equal(table.version, version + 2);
  assert.deepEqual(table.summary().protocol, {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: ['deletionVectors'],
    writerFeatures: ['domainMetadata', 'deletionVectors'],
  });
});

test('a table that we may not write, or whose rows have no positions, is not upgraded', async () => {
  await lake.create('foreign', COLUMNS);
  const metaData = (await lake.text(commitFile('foreign', 0))).split('\n').find((line) => line.includes('"metaData"'));
  const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['checkConstraints'] };
  await lake.write(commitFile('foreign', 1), `${JSON.stringify({ protocol })}\n${metaData}\n`);
  const foreign = await lake.open('foreign');
  assert.throws(() => foreign.planUpgrade(), coded('PH_DELTA_PROTOCOL'));
  await assert.rejects(foreign.upgrade(), coded('PH_DELTA_PROTOCOL'));
  const positionless = await lake.create('positionless', [...COLUMNS, column('file_row_number', 'long')]);
  assert.throws(() => positionless.planUpgrade(), coded('PH_DELTA_PROTOCOL'));
  assert.deepEqual([(await lake.open('foreign')).version, (await lake.open('positionless')).version], [1, 0]);
});
