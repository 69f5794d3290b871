import assert from 'node:assert/strict';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Verified, type VerifyFault, verifyTable } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake({ deletionVectors: true });
});
after(() => lake.close());

const COLUMNS = [column('id', 'long'), column('name'), column('at', 'timestamp'), column('price', 'decimal(20,4)'), column('day', 'date')];
const key = { key: ['id'] as const };
const row = (id: number) => ({
  id: String(9_007_199_254_740_993n + BigInt(id)),
  // Longer than statistics are, cut within letters outside the BMP, which UTF-16 orders otherwise than UTF-8.
  name: id % 4 === 0 ? null : `${id % 2 === 0 ? '\uFFFD' : '\u{1F600}'}${'é'.repeat(40)}${id}`,
  at: `2026-01-0${1 + (id % 3)}T10:00:00.123456Z`,
  price: `${id}.1234`,
  day: id % 5 === 0 ? null : `2026-01-0${1 + (id % 3)}`,
});
const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => row(from + at));

const verify = (name: string, mergeKey?: readonly string[]): Promise<Verified> =>
  verifyTable(lake.engine, lake.store, name, mergeKey === undefined ? {} : { mergeKey });
const looked = ({ checks }: Verified): Readonly<Record<string, number>> => Object.fromEntries(checks.map((one) => [one.check, one.looked]));

interface LoggedFile {
  path: string;
  size: number;
  stats: string;
  partitionValues: Record<string, string | null>;
  deletionVector?: { cardinality: number; pathOrInlineDv: string };
}
const commit = (name: string, version: number): string => `${name}/_delta_log/${String(version).padStart(20, '0')}.json`;

/** Changes the files that a commit adds; gives the path of the last. */
async function tamper(name: string, version: number, change: (file: LoggedFile) => void): Promise<string> {
  let path = '';
  const lines = (await lake.text(commit(name, version)))
    .trim()
    .split('\n')
    .map((line) => {
      const action = JSON.parse(line) as { add?: LoggedFile };
      if (action.add === undefined) return line;
      change(action.add);
      ({ path } = action.add);
      return JSON.stringify(action);
    });
  await lake.write(commit(name, version), `${lines.join('\n')}\n`);
  return path;
}

/** A table of one file of 20 rows. */
async function table(name: string) {
  const made = await lake.create(name, COLUMNS);
  await made.append(block(rows(0, 20)));
  return made;
}

/** The only fault of a table that was broken on purpose. */
async function onlyFault(name: string, mergeKey?: readonly string[]): Promise<Omit<VerifyFault, 'code'>> {
  const { faults } = await verify(name, mergeKey);
  assert.equal(faults.length, 1, JSON.stringify(faults, null, 2));
  const [{ code, ...fault } = assert.fail()] = faults;
  assert.equal(code, 'PH_DELTA_VERIFY');
  return fault;
}

describe('a table that was written by us verifies clean', () => {
  test('appended, merged by deletion vectors, checkpointed and optimized', async () => {
    const made = await table('lived');
    for (let at = 0; at < 3; at += 1) await made.merge(block(rows(10 + at * 5, 25 + at * 5)), key);
    await made.checkpoint();
    await made.merge(block(rows(0, 3)), key);
    const merged = await verify('lived', ['id']);
    assert.deepEqual(merged.faults, []);
    const { versions = 0, checkpoints, 'deletion vectors': vectors = 0, 'merge key': keys } = looked(merged);
    assert.deepEqual([versions, checkpoints, keys, merged.unnamed.files], [6, 2, 35, []]);
    assert.ok(vectors > 0);
    assert.ok((await made.optimize()).filesRemoved > 1);
    await made.checkpoint();
    const optimized = await verify('lived', ['id']);
    assert.deepEqual([optimized.faults, optimized.version, looked(optimized)['checkpoints']], [[], made.version, 3]);
  });

  test('with partitions, null ones too, and by copy-on-write', async () => {
    const made = await lake.create('parted', COLUMNS, { partitionBy: ['day', 'at'], deletionVectors: false });
    await made.append(block(rows(0, 30)));
    await made.merge(block(rows(25, 35)), key);
    const verified = await verify('parted', ['id']);
    assert.deepEqual(verified.faults, []);
    assert.equal(looked(verified)['partitions'], 2 * (looked(verified)['files'] ?? 0));
  });

  test('with bounds that hold U+0000, and that end with it', async () => {
    const table = await lake.create('nul', [column('id'), column('place')], { partitionBy: ['place'] });
    for (const id of ['a\0b', '\0', `${'a'.repeat(31)}\0${'b'.repeat(9)}`, "\0'\0\\", '\u{10FFFF}\0'])
      await table.append(
        block([
          { id, place: id },
          { id: `${id}z`, place: id },
        ]),
      );
    assert.deepEqual((await verifyTable(lake.engine, lake.store, 'nul', { mergeKey: ['id'] })).faults, []);
    const log = 'nul/_delta_log/00000000000000000001.json';
    await lake.write(
      log,
      (await lake.text(log)).replace('"minValues\\":{\\"id\\":\\"a\\\\u0000b', '"minValues\\":{\\"id\\":\\"a\\\\u0000c'),
    );
    const [fault] = (await verifyTable(lake.engine, lake.store, 'nul')).faults;
    assert.deepEqual([fault?.is, fault?.should], [`minimum ${JSON.stringify('a\0c')}`, `at most ${JSON.stringify('a\0b')}`]);
  });

  test('whose checkpoints forget what was removed long ago, and whose maximum is cut to milliseconds as by other writers', async () => {
    const properties = { 'delta.deletedFileRetentionDuration': 'interval 0 seconds' };
    const made = await lake.create('forgetful', COLUMNS, { properties });
    await made.append(block(rows(0, 20)));
    await tamper('forgetful', 1, (file) => {
      assert.match(file.stats, /2026-01-03T10:00:00.124Z/);
      file.stats = file.stats.replace('2026-01-03T10:00:00.124Z', '2026-01-03T10:00:00.123Z');
    });
    const again = await lake.open('forgetful');
    await again.merge(block(rows(0, 3)), key);
    await again.checkpoint();
    const verified = await verify('forgetful', ['id']);
    assert.deepEqual([verified.faults, looked(verified)['checkpoints']], [[], 2]);
  });

  test('whose old versions were cleaned up, with files of a killed writer beside it', async () => {
    const made = await table('cleaned');
    await made.checkpoint();
    for (let at = 20; at < 30; at += 5) await made.append(block(rows(at, at + 5)));
    await made.checkpoint();
    // The older checkpoint stays where another reader's hint names it.
    for (const version of [0, 1, 2]) await rm(join(lake.folder, 'tables', commit('cleaned', version)));
    await lake.write('cleaned/part-of-a-killed-writer.parquet', 'four');
    await lake.write('cleaned/_delta_log/.00000000000000000004.json.tmp', '');
    const { faults, unnamed, unfinishedCommits } = await verify('cleaned');
    assert.deepEqual(faults, []);
    assert.deepEqual(unnamed, { files: ['part-of-a-killed-writer.parquet'], bytes: 4 });
    assert.deepEqual(unfinishedCommits, ['_delta_log/.00000000000000000004.json.tmp']);
  });
});

describe('a table that was broken is told where', () => {
  test('a data file that is gone', async () => {
    await table('gone');
    const path = await tamper('gone', 1, () => {});
    await rm(join(lake.folder, 'tables/gone', path));
    const { is, ...fault } = await onlyFault('gone');
    assert.deepEqual([fault.check, fault.file, is], ['files', path, 'not there']);
  });

  test('a data file that was cut', async () => {
    await table('cut');
    const path = await tamper('cut', 1, () => {});
    await truncate(join(lake.folder, 'tables/cut', path), 500);
    const { faults } = await verify('cut');
    assert.deepEqual(
      faults.map(({ check, file, should }) => [check, file, should.replace(/\d+/, 'N')]),
      [
        ['files', path, 'N bytes by the log'],
        ['files', path, 'a Parquet file that can be read'],
      ],
    );
  });

  test('a path that is none', async () => {
    await table('escaped');
    const path = await tamper('escaped', 1, (file) => {
      file.path = '%zz';
    });
    const { check, file, is } = await onlyFault('escaped');
    assert.deepEqual([check, file, is], ['files', path, 'no percent-encoded path']);
  });

  test('a wrong size in the log', async () => {
    await table('sized');
    const path = await tamper('sized', 1, (file) => {
      file.size += 1;
    });
    const { check, file, should } = await onlyFault('sized');
    assert.deepEqual([check, file], ['files', path]);
    assert.match(should, /^\d+ bytes by the log$/);
  });

  const STATISTICS: readonly [name: string, pattern: RegExp, replacement: string, column: string | null, is: RegExp, should: RegExp][] = [
    [
      'minimum of a 64-bit number, by its last digit',
      /9007199254740993/,
      '9007199254740994',
      'id',
      /^minimum "9007199254740994"$/,
      /"9007199254740993"/,
    ],
    ['maximum of text that is greater by UTF-16 alone', /("maxValues":.*?"name":)"[^"]*"/, '$1"\uFFFE"', 'name', /^maximum/, /^at least/],
    ['maximum of a decimal', /19\.1234/, '19.1233', 'price', /^maximum "19.1233"$/, /^at least "19.1234"$/],
    ['maximum of a time', /2026-01-03T10:00:00.124Z/, '2026-01-03T10:00:00.122Z', 'at', /^maximum/, /10:00:00.123456/],
    ['bound that is no value', /("minValues":.*?"day":)"[^"]*"/, '$1"soon"', 'day', /^bound "soon"$/, /^a date$/],
    ['null count', /("nullCount":.*?"name":)5/, '$14', 'name', /^nullCount 4$/, /^5$/],
    ['number of rows', /"numRecords":20/, '"numRecords":21', null, /^numRecords "21"$/, /^20$/],
  ];
  for (const [at, [name, pattern, replacement, where, is, should]] of STATISTICS.entries()) {
    test(`statistics with a false ${name}`, async () => {
      await table(`stats${at}`);
      const path = await tamper(`stats${at}`, 1, (file) => {
        assert.match(file.stats, pattern);
        file.stats = file.stats.replace(pattern, replacement);
      });
      const fault = await onlyFault(`stats${at}`);
      assert.deepEqual([fault.check, fault.file, fault.column], ['statistics', path, where]);
      assert.match(fault.is, is);
      assert.match(fault.should, should);
    });
  }

  test('null counts beside a deletion vector, which say something only as none and as all', async () => {
    const made = await table('loose');
    await made.merge(block(rows(5, 8)), key);
    const counted = async (nulls: number): Promise<Verified> => {
      await tamper('loose', 2, (file) => {
        if (file.deletionVector !== undefined) file.stats = file.stats.replace(/("nullCount":.*?"name":)\d+/, `$1${nulls}`);
      });
      return await verify('loose');
    };
    const told = async (nulls: number) => (await counted(nulls)).faults.map(({ column: where, is, should }) => [where, is, should]);
    assert.deepEqual(await told(17), []);
    assert.deepEqual(await told(0), [['name', 'nullCount 0', '5']]);
    assert.deepEqual(await told(20), [['name', 'nullCount of all rows', 'less: 12 have a value']]);
  });

  test('a schema that the files do not have', async () => {
    await table('typed');
    const log = await lake.text(commit('typed', 0));
    const nullable = '\\"name\\":\\"name\\",\\"type\\":\\"string\\",\\"nullable\\":true';
    assert.ok(log.includes(nullable));
    const changed = log
      .replace(nullable, nullable.replace('true', 'false'))
      .replace('\\"type\\":\\"decimal(20,4)\\"', '\\"type\\":\\"double\\"');
    await lake.write(commit('typed', 0), changed);
    const mistyped = await onlyFault('typed');
    assert.deepEqual([mistyped.check, mistyped.column, mistyped.is, mistyped.should], ['schema', 'price', 'decimal(20,4)', 'double']);
    await lake.write(commit('typed', 0), log.replace(nullable, nullable.replace('true', 'false')));
    const nulls = await onlyFault('typed');
    assert.deepEqual([nulls.check, nulls.column, nulls.should], ['schema', 'name', 'without null, and 5 are']);
  });

  test('a deletion vector with a wrong cardinality, and one that is gone', async () => {
    const made = await table('marked');
    await made.merge(block(rows(5, 8)), key);
    const marked = async (change: (vector: NonNullable<LoggedFile['deletionVector']>) => void): Promise<void> => {
      await tamper('marked', 2, ({ deletionVector }) => {
        if (deletionVector !== undefined) change(deletionVector);
      });
      const { check, is } = await onlyFault('marked');
      assert.equal(check, 'deletion vectors');
      assert.match(is, /damaged: it holds 3 positions and the log says 4|is gone|^Z85 has no/);
    };
    await marked((vector) => {
      vector.cardinality = 4;
    });
    let name = '';
    await marked((vector) => {
      vector.cardinality = 3;
      name = vector.pathOrInlineDv;
      vector.pathOrInlineDv = `"${name.slice(1)}`;
    });
    for (const file of await readdir(join(lake.folder, 'tables/marked')))
      if (file.endsWith('.bin')) await rm(join(lake.folder, 'tables/marked', file));
    await marked((vector) => {
      vector.pathOrInlineDv = name;
    });
  });

  test('a deletion vector that takes out more rows than the file has', async () => {
    const made = await table('beyond');
    await made.append(block(rows(20, 22)));
    await made.merge(block(rows(15, 16)), key);
    let vector: LoggedFile['deletionVector'];
    await tamper('beyond', 3, (file) => {
      vector = file.deletionVector ?? vector;
    });
    const path = await tamper('beyond', 2, (file) => {
      if (vector !== undefined) file.deletionVector = vector;
    });
    const { check, file, is } = await onlyFault('beyond');
    assert.deepEqual([check, file, is], ['deletion vectors', path, 'row 15 deleted']);
  });

  test('a partition value that is none of its column', async () => {
    const made = await lake.create('valued', COLUMNS, { partitionBy: ['at'] });
    await made.append(block([row(1)]));
    const path = await tamper('valued', 1, (file) => {
      file.partitionValues = { at: '2026-01-02 10:00:00.123456+00' };
    });
    const { check, file, column: where, is } = await onlyFault('valued');
    assert.deepEqual([check, file, where, is], ['partitions', path, 'at', '"2026-01-02 10:00:00.123456+00"']);
  });

  test('a key with two rows, and one that is null', async () => {
    const made = await table('keyed');
    await made.append(block([row(7), { ...row(1), id: null }]));
    const { faults } = await verify('keyed', ['id']);
    assert.deepEqual(
      faults.map(({ check, column: where, is, should }) => [check, where, is, should]),
      [
        ['merge key', 'id', '["9007199254741000"] in 2 rows', 'in one row'],
        ['merge key', 'id', '[null]', 'a key without null'],
      ],
    );
    assert.deepEqual((await verify('keyed')).faults, [], 'without a merge key rows may be alike');
  });

  test('a checkpoint that is not what the commits make', async () => {
    const made = await table('other');
    await made.checkpoint();
    const path = await tamper('other', 1, (file) => {
      file.stats = file.stats.replace('"numRecords":20', '"numRecords":19');
    });
    const { check, file, is, should } = await onlyFault('other');
    assert.deepEqual([check, file], ['checkpoints', '_delta_log/00000000000000000001.checkpoint.parquet']);
    assert.ok(is.includes(path) && is.includes('"numRecords":20') && should.includes('"numRecords":19'), is);
    const lines = (await lake.text(commit('other', 1))).split('\n').filter((line) => !line.startsWith('{"add"'));
    await lake.write(commit('other', 1), lines.join('\n'));
    const extra = await onlyFault('other');
    assert.deepEqual([extra.is, extra.should], [`file ${path}`, 'not there']);
  });

  test('a hint to a checkpoint that is not there', async () => {
    const made = await table('hinted');
    await made.checkpoint();
    await lake.write('hinted/_delta_log/_last_checkpoint', '{"version":7,"size":3}');
    const { check, file, is } = await onlyFault('hinted');
    assert.deepEqual([check, file, is], ['checkpoints', '_delta_log/_last_checkpoint', 'version 7, of which there is no whole checkpoint']);
  });

  test('a version that is missing, before a checkpoint and after it', async () => {
    const made = await table('holed');
    for (let at = 0; at < 3; at += 1) await made.append(block([row(20 + at)]));
    await made.checkpoint();
    await rm(join(lake.folder, 'tables', commit('holed', 2)));
    const before_ = await onlyFault('holed');
    assert.deepEqual([before_.check, before_.file, before_.is], ['versions', '_delta_log/00000000000000000002.json', 'missing']);
    await rm(join(lake.folder, 'tables/holed/_delta_log/00000000000000000004.checkpoint.parquet'));
    await rm(join(lake.folder, 'tables/holed/_delta_log/_last_checkpoint'));
    assert.deepEqual([(await onlyFault('holed')).check, (await verify('holed')).version], ['versions', null]);
  });
});

test('a folder without a table is refused', async () => {
  await assert.rejects(verify('nowhere'), coded('PH_DELTA_ABSENT'));
});
