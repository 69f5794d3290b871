import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { decodePositions, encodePositions, mergedPositions } from '../../../host/src/delta/deletion-vectors/position-bitmap.ts';
import { decodeZ85, encodeZ85 } from '../../../host/src/delta/deletion-vectors/z85.ts';
import type { DeltaTable } from '../../../host/src/delta/index.ts';
import { looseStatistics } from '../../../host/src/delta/rows/statistics.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

const COLUMNS = [column('id', 'long'), column('value')];
const key = { key: ['id'] as const };
const rows = (from: number, to: number, value: string) => Array.from({ length: to - from }, (_, at) => ({ id: from + at, value }));

interface LoggedVector {
  storageType: string;
  pathOrInlineDv: string;
  offset?: number;
  sizeInBytes: number;
  cardinality: number;
}
interface LoggedFile {
  path: string;
  stats?: string;
  deletionVector?: LoggedVector;
}

/** The files that a commit adds or removes. */
async function committed(name: string, version: number, kind: 'add' | 'remove'): Promise<readonly LoggedFile[]> {
  const lines = (await lake.text(`${name}/_delta_log/${String(version).padStart(20, '0')}.json`)).trim().split('\n');
  return lines.flatMap((line) => (JSON.parse(line) as { add?: LoggedFile; remove?: LoggedFile })[kind] ?? []);
}

/** Rewrites the lines of a commit. */
async function tamper(name: string, version: number, change: (vector: LoggedVector) => void): Promise<void> {
  const path = `${name}/_delta_log/${String(version).padStart(20, '0')}.json`;
  const lines = (await lake.text(path)).trim().split('\n');
  const changed = lines.map((line) => {
    const action = JSON.parse(line) as { add?: LoggedFile };
    if (action.add?.deletionVector !== undefined) change(action.add.deletionVector);
    return JSON.stringify(action);
  });
  await lake.write(path, `${changed.join('\n')}\n`);
}

/** A table of 100 rows of which 10 have been replaced. */
async function tableWithVector(name: string): Promise<DeltaTable> {
  const table = await lake.create(name, COLUMNS);
  await table.append(block(rows(0, 100, 'old')));
  await table.merge(block(rows(10, 20, 'new')), key);
  return table;
}

async function vectorFiles(name: string): Promise<readonly string[]> {
  return (await readdir(join(lake.folder, 'tables', name))).filter((file) => file.endsWith('.bin'));
}

test('positions survive their encoding, sparse and dense and beyond 32 bits', () => {
  const sparse = fc.uniqueArray(fc.nat({ max: 300_000 }), { maxLength: 300 });
  const far = fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 5 }).map((all) => all.map((one) => one * 0x4000_0000));
  const dense = fc
    .record({ from: fc.nat({ max: 200_000 }), length: fc.integer({ min: 4090, max: 9000 }), step: fc.integer({ min: 1, max: 3 }) })
    .map(({ from, length, step }) => Array.from({ length }, (_, at) => from + at * step));
  fc.assert(
    fc.property(sparse, far, fc.option(dense, { nil: [] }), (...lists) => {
      const positions = [...new Set(lists.flat())].sort((a, b) => a - b);
      assert.deepEqual([...decodePositions(encodePositions(Float64Array.from(positions)))], positions);
    }),
    { numRuns: 60 },
  );
});

test('run containers, which Spark writes, are understood', () => {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(1681511377, 0);
  head.writeBigUInt64LE(1n, 4);
  const cookie = Buffer.alloc(4);
  cookie.writeUInt16LE(12347, 0);
  cookie.writeUInt16LE(0, 2); // one container
  const body = Buffer.from([1, /* key */ 0, 0, /* values - 1 */ 6, 0, /* runs */ 2, 0, /* 3..5 */ 3, 0, 2, 0, /* 10..13 */ 10, 0, 3, 0]);
  assert.deepEqual([...decodePositions(Buffer.concat([head, cookie, body]))], [3, 4, 5, 10, 11, 12, 13]);
});

test('a container that holds more or fewer positions than it says is refused', () => {
  const dense = encodePositions(Float64Array.from({ length: 5_000 }, (_, at) => at * 2));
  assert.equal(decodePositions(dense).length, 5_000);
  for (const says of [4_999, 5_001]) {
    const other = Buffer.from(dense);
    other.writeUInt16LE(says - 1, 26);
    assert.throws(() => decodePositions(other), /holds 5000 positions and says/);
  }
});

test('two lists of a million positions become one', () => {
  const even = Float64Array.from({ length: 1_000_000 }, (_, at) => at * 2);
  const odd = even.map((position) => position + 1);
  const all = mergedPositions(even, odd);
  assert.ok(all.length === 2_000_000 && all.every((position, at) => position === at));
  assert.deepEqual(mergedPositions(even, new Float64Array()), even);
  assert.deepEqual(decodePositions(encodePositions(all)), all);
});

test('bytes that are no vector are refused, wherever they are cut', () => {
  const data = encodePositions(Float64Array.of(1, 70_000, ...Array.from({ length: 5000 }, (_, at) => 200_000 + at)));
  for (let length = 0; length < data.length; length += 97) assert.throws(() => decodePositions(data.subarray(0, length)), RangeError);
  assert.throws(() => decodePositions(Buffer.concat([data, Buffer.from([0])])), RangeError);
  assert.throws(() => decodePositions(Buffer.from([...data.subarray(0, 3), 0, ...data.subarray(4)])), RangeError);
});

test('Z85 is that of the specification', () => {
  const hello = Buffer.from('864fd26fb559f75b', 'hex');
  assert.equal(encodeZ85(hello), 'HelloWorld');
  assert.deepEqual(decodeZ85('HelloWorld'), hello);
  assert.throws(() => decodeZ85('Hello"orld'), RangeError);
  assert.throws(() => decodeZ85('Hell'), RangeError);
});

test('a merge leaves the data file where it is and marks the replaced rows', async () => {
  const table = await tableWithVector('marked');
  const [before] = await committed('marked', 1, 'add');
  const [kept, fresh, ...others] = await committed('marked', 2, 'add');
  assert.deepEqual([kept?.path, kept?.deletionVector?.cardinality, others.length], [before?.path, 10, 0]);
  assert.notEqual(fresh?.path, before?.path);
  assert.equal((JSON.parse(kept?.stats ?? '') as { tightBounds: boolean }).tightBounds, false);
  assert.deepEqual([await table.count(), await table.count("value = 'new'"), table.summary().rows], [100, 10, 100]);
});

test('a second merge into the same file replaces its vector, and names the old one when it takes it away', async () => {
  const table = await tableWithVector('again');
  await table.merge(block(rows(15, 30, 'newer')), key);
  const [first] = await committed('again', 2, 'add');
  const removed = await committed('again', 3, 'remove');
  assert.deepEqual(removed.find(({ path }) => path === first?.path)?.deletionVector, first?.deletionVector);
  const cardinalities = (await committed('again', 3, 'add')).map((file) => file.deletionVector?.cardinality);
  assert.deepEqual(new Set(cardinalities), new Set([20, 5, undefined])); // the table's first file, that of the first merge, the new one
  const reopened = await lake.open('again');
  const counts = await Promise.all(['new', 'newer', 'old'].map((value) => reopened.count(`value = '${value}'`)));
  assert.deepEqual(counts, [5, 15, 80]);
});

test('a file all of whose rows are replaced leaves the table', async () => {
  const table = await tableWithVector('all-gone');
  await table.merge(block(rows(0, 100, 'newest')), key);
  assert.equal(table.summary().files, 1);
  assert.deepEqual([await table.count(), await table.count("value = 'newest'")], [100, 100]);
});

test('vectors survive a checkpoint', async () => {
  const table = await tableWithVector('checkpointed');
  await table.checkpoint();
  await table.append(block(rows(100, 101, 'after')));
  const reopened = await lake.open('checkpointed');
  assert.deepEqual([await reopened.count(), await reopened.count("value = 'old'")], [101, 90]);
  await reopened.merge(block(rows(0, 5, 'new')), key);
  assert.deepEqual([await reopened.count(), await reopened.count("value = 'new'")], [101, 15]);
});

test('a vector that stands in the log itself is read', async () => {
  await tableWithVector('inline');
  const data = encodePositions(Float64Array.of(0, 1, 99));
  const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
  await tamper('inline', 2, (vector) => {
    delete vector.offset;
    Object.assign(vector, { storageType: 'i', pathOrInlineDv: encodeZ85(padded), sizeInBytes: data.length, cardinality: 3 });
  });
  assert.equal(await (await lake.open('inline')).count("value = 'old'"), 97);
});

test('a damaged vector is named, and no row that it takes out comes back', async () => {
  const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    'a flipped bit': (bytes) => Buffer.from(bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))),
    'another size': (bytes) => Buffer.from(bytes.map((byte, at) => (at === 4 ? byte + 1 : byte))),
    'a cut': (bytes) => bytes.subarray(0, bytes.length - 3),
  };
  for (const [name, damage] of Object.entries(damages)) {
    await tableWithVector(name);
    const [file = ''] = await vectorFiles(name);
    const path = join(lake.folder, 'tables', name, file);
    await writeFile(path, damage(await readFile(path)));
    const table = await lake.open(name);
    await assert.rejects(table.count(), coded('PH_DELTA_VECTOR_DAMAGED'), name);
    await assert.rejects(table.merge(block(rows(0, 1, 'x')), key), coded('PH_DELTA_VECTOR_DAMAGED'), name);
  }
});

test('a vector of another cardinality than the log says is refused', async () => {
  await tableWithVector('miscounted');
  await tamper('miscounted', 2, (vector) => {
    vector.cardinality = 11;
  });
  await assert.rejects((await lake.open('miscounted')).count(), coded('PH_DELTA_VECTOR_DAMAGED'));
});

test('a vector at an absolute path is refused by name', async () => {
  await tableWithVector('absolute');
  await tamper('absolute', 2, (vector) => {
    Object.assign(vector, { storageType: 'p', pathOrInlineDv: 'file:///elsewhere/deletion_vector.bin' });
  });
  await assert.rejects(
    (await lake.open('absolute')).count(),
    (error: unknown) => coded('PH_DELTA_PROTOCOL')(error) && String(error).includes('absolute paths'),
  );
});

test('a table whose property was switched off keeps its vectors and is written anew from then on', async () => {
  const name = 'switched-off';
  await tableWithVector(name);
  const [metaLine = ''] = (await lake.text(`${name}/_delta_log/00000000000000000000.json`))
    .split('\n')
    .filter((line) => line.includes('metaData'));
  const { metaData } = JSON.parse(metaLine) as { metaData: { configuration: Record<string, string> } };
  metaData.configuration['delta.enableDeletionVectors'] = 'false';
  await lake.write(`${name}/_delta_log/00000000000000000003.json`, `${JSON.stringify({ metaData })}\n`);
  const table = await lake.open(name);
  await table.merge(block(rows(50, 51, 'rewritten')), key);
  const [written] = await committed(name, 4, 'add');
  assert.equal(written?.deletionVector, undefined);
  const removed = await committed(name, 4, 'remove');
  assert.equal(removed[0]?.deletionVector?.cardinality, 10);
  assert.deepEqual([await table.count(), await table.count("value = 'old'")], [100, 89]);
});

test('a merge that loses to another one leaves no file behind', async () => {
  const table = await tableWithVector('lost-race');
  const other = await lake.open('lost-race');
  await Promise.all([table.merge(block(rows(0, 5, 'one')), key), other.merge(block(rows(3, 8, 'two')), key)]);
  await table.refresh();
  assert.deepEqual([await table.count(), await table.countDistinct('id')], [100, 100]);
  assert.equal((await vectorFiles('lost-race')).length, 3); // one a merge, and none of the attempt that was computed again
});

test('a column named as the position of a row is kept: such a table is written anew', async () => {
  const table = await lake.create('position-column', [column('id', 'long'), column('file_row_number', 'long'), column('filename')]);
  await table.append(block([{ id: 1, file_row_number: 7, filename: 'a' }]));
  await table.merge(block([{ id: 1, file_row_number: 8 }, { id: 2 }]), key);
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
    { id: '1', file_row_number: '8', filename: 'a' },
    { id: '2', file_row_number: null, filename: null },
  ]);
});

test('statistics of a file with a vector keep their digits and say that bounds are loose', () => {
  const wide = '{"numRecords":2,"minValues":{"id":9007199254740993},"maxValues":{"id":9007199254740995},"nullCount":{"id":0}}';
  assert.equal(looseStatistics(wide, 2), wide.replace('{"num', '{"tightBounds":false,"num'));
  assert.equal(looseStatistics(looseStatistics(wide, 2), 2), looseStatistics(wide, 2));
  assert.equal(looseStatistics(wide.replace(/\}$/, ',"tightBounds":true}'), 2), wide.replace(/\}$/, ',"tightBounds":false}'));
  assert.equal(looseStatistics(undefined, 2), '{"numRecords":2,"tightBounds":false}');
  assert.equal(looseStatistics('{"tightBounds":true,"numRecords":2}', 2), '{"numRecords":2,"tightBounds":false}');
});
