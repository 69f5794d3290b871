import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable, verifyTable } from '../../../host/src/delta/index.ts';
import type { ObjectStore } from '../../../host/src/storage/index.ts';
import { block, boundStore, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const COLUMNS = [column('id'), column('n', 'long')];
const logFile = (table: string, name: string) => join(lake.folder, 'tables', table, '_delta_log', name);
const version = (number: number) => String(number).padStart(20, '0');

test('a table that is not there is an error without a definition, and never made by reading', async () => {
  await assert.rejects(lake.open('nowhere'), coded('PH_DELTA_ABSENT'));
  assert.deepEqual(await lake.store.list('nowhere'), []);
});

test('a folder with files but no log is never written over', async () => {
  await lake.store.put('taken/part-0.parquet', Buffer.from('PAR1'));
  await assert.rejects(lake.create('taken', COLUMNS), coded('PH_DELTA_FOLDER_TAKEN'));
  assert.deepEqual(
    (await lake.store.list('taken')).map(({ path }) => path),
    ['taken/part-0.parquet'],
  );
});

test('a log that cannot be listed or read is an error, not an absent table', async () => {
  await lake.create('unreadable', COLUMNS);
  const refusing: ObjectStore = {
    ...boundStore(lake.store),
    names: () => Promise.reject(Object.assign(new Error('down'), { code: 'PH_STORAGE_FAILED' })),
  };
  await assert.rejects(
    DeltaTable.open(lake.engine, refusing, 'unreadable', { create: { name: 'x', columns: COLUMNS, partitionBy: [] } }),
    coded('PH_STORAGE_FAILED'),
  );
});

test('two processes that create a table at once both have it', async () => {
  const tables = await Promise.all(Array.from({ length: 5 }, () => lake.create('created-at-once', COLUMNS)));
  assert.deepEqual(
    tables.map((table) => table.version),
    [0, 0, 0, 0, 0],
  );
});

test('a log with a hole, a torn or empty commit or no beginning is damaged, and nothing is written', async () => {
  for (const [name, damage] of [
    ['hole', () => rm(logFile('hole', `${version(2)}.json`))],
    ['headless', () => rm(logFile('headless', `${version(0)}.json`))],
    ['emptied', () => writeFile(logFile('emptied', `${version(3)}.json`), '')],
    ['torn', () => writeFile(logFile('torn', `${version(2)}.json`), '{"add":{"path":"x')],
  ] as const) {
    const table = await lake.create(name, COLUMNS);
    for (let n = 0; n < 3; n += 1) await table.append(block([{ id: String(n) }]));
    await damage();
    await assert.rejects(lake.open(name), coded('PH_DELTA_LOG_DAMAGED'), name);
    await assert.rejects(lake.create(name, COLUMNS), coded('PH_DELTA_LOG_DAMAGED'), name);
  }
});

test('checkpoints carry the whole state, and older commits may go', async () => {
  const table = await lake.create('checkpointed', [...COLUMNS, column('day', 'date')], {
    partitionBy: ['day'],
    properties: { 'delta.checkpointInterval': '4' },
  });
  for (let n = 1; n <= 9; n += 1)
    await table.append(block([{ id: String(n), n, day: n % 2 === 0 ? '2026-01-01' : null }]), {
      txns: [{ appId: `p/${n % 3}`, version: (BigInt(n) * 4611686018427387904n) / 8n }],
    });
  await table.merge(block([{ id: '3', n: 33 }]), { key: ['id'] });
  await table.close();
  assert.equal(table.checkpointFailure, null);
  const names = (await lake.store.list('checkpointed/_delta_log')).map(({ path }) => path.split('/').at(-1));
  assert.ok(names.includes(`${version(4)}.checkpoint.parquet`) && names.includes(`${version(8)}.checkpoint.parquet`));
  assert.equal(JSON.parse(await lake.text('checkpointed/_delta_log/_last_checkpoint')).version, 8);
  for (let n = 0; n < 8; n += 1) await rm(logFile('checkpointed', `${version(n)}.json`));
  const cold = await lake.open('checkpointed');
  assert.deepEqual({ ...cold.summary(), lastCommit: null }, { ...table.summary(), lastCommit: null });
  assert.deepEqual(await cold.query((relation) => `SELECT sum(n), count(*), count(day) FROM ${relation}`), [['75', '9', '4']]);
});

test('a _last_checkpoint that lies is not believed', async () => {
  const table = await lake.create('liar', COLUMNS);
  for (let n = 0; n < 3; n += 1) await table.append(block([{ id: String(n) }]));
  await lake.write('liar/_delta_log/_last_checkpoint', '{"version":99,"size":1}');
  assert.equal((await lake.open('liar')).version, 3);
  await lake.write('liar/_delta_log/_last_checkpoint', 'garbage');
  assert.equal(await (await lake.open('liar')).count(), 3);
});

test('a checkpoint of which a part is missing is passed over', async () => {
  const table = await lake.create('parts', COLUMNS);
  await table.append(block([{ id: 'a' }]));
  await lake.write(`parts/_delta_log/${version(1)}.checkpoint.0000000001.0000000002.parquet`, 'half');
  assert.equal(await (await lake.open('parts')).count(), 1);
});

test('a damaged checkpoint is passed over where an older one, or the first commit, leads to the same state', async () => {
  const table = await lake.create('damaged-checkpoint', COLUMNS);
  const write = (name: string) => lake.write(`damaged-checkpoint/_delta_log/${name}`, 'no Parquet');
  for (const id of [1, 2, 3]) {
    await table.append(block([{ id }]));
    if (id < 3) await table.checkpoint();
  }
  const opened = async () => {
    const again = await lake.open('damaged-checkpoint');
    return [again.version, await again.count()];
  };
  await write(`${version(2)}.checkpoint.parquet`);
  assert.deepEqual(await opened(), [3, 3]);
  const old = await DeltaTable.openVersion(lake.engine, lake.store, 'damaged-checkpoint', 2);
  assert.deepEqual([old.version, await old.count()], [2, 2]);
  for (const gone of [0, 1]) await rm(logFile('damaged-checkpoint', `${version(gone)}.json`));
  assert.deepEqual(await opened(), [3, 3]);
  await write(`${version(1)}.checkpoint.parquet`);
  const named = { code: 'PH_DELTA_LOG_DAMAGED', message: /0002\.checkpoint\.parquet cannot be read/ };
  await assert.rejects(lake.open('damaged-checkpoint'), named);
});

test('a removal takes out the file that its path names in another encoding', async () => {
  const table = await lake.create('encoded', [...COLUMNS, column('place')], { partitionBy: ['place'] });
  await table.append(block([{ id: 1, place: 'ä b' }]));
  await table.append(block([{ id: 2, place: 'ä b' }]));
  const [line = ''] = (await lake.text(`encoded/_delta_log/${version(1)}.json`)).split('\n').filter((one) => one.startsWith('{"add"'));
  const { add } = JSON.parse(line) as { readonly add: { readonly path: string } };
  const path = add.path.replaceAll('=', '%3D').replaceAll('-', '%2D');
  assert.notEqual(path, add.path);
  const remove = { ...add, path, deletionTimestamp: Date.now(), dataChange: true };
  await lake.write(`encoded/_delta_log/${version(3)}.json`, `${JSON.stringify({ remove })}\n`);
  for (const read of [table, await lake.open('encoded')]) {
    await read.refresh();
    assert.deepEqual(
      (await read.readRows()).map(({ id }) => id),
      ['2'],
    );
  }
});

/** Writes the checkpoint of a version anew, with a column for sidecars as delta-rs and v2 checkpoints have it. */
async function withSidecars(name: string, at: number, sidecar: string): Promise<void> {
  const file = logFile(name, `${version(at)}.checkpoint.parquet`);
  await lake.engine.withConnection(async (connection) => {
    await connection.run(`COPY (SELECT *, ${sidecar} AS sidecar FROM read_parquet('${file}')) TO '${file}.new' (FORMAT parquet)`);
  });
  await rename(`${file}.new`, file);
}

test('a checkpoint with an empty column for sidecars is a classic one, and one with a sidecar is refused by its name', async () => {
  const table = await lake.create('sidecars', COLUMNS);
  await table.append(block([{ id: 'a', n: 1 }]));
  await table.checkpoint();
  await withSidecars('sidecars', 1, 'NULL::STRUCT(path VARCHAR)');
  assert.equal(await (await lake.open('sidecars')).count(), 1);
  await table.checkpoint();
  await withSidecars('sidecars', 1, "{'path': 'part.parquet'}");
  await assert.rejects(lake.open('sidecars'), (error: unknown) => coded('PH_DELTA_PROTOCOL')(error) && /v2Checkpoint/.test(String(error)));
});

test('a checkpoint whose statistics are columns too, infinite ones among them, is read', async () => {
  const table = await lake.create('parsed', [...COLUMNS, column('ratio', 'double')]);
  await table.append(block([{ id: 'a', n: 1, ratio: '-Infinity' }]));
  const { bytes } = table.summary();
  await table.checkpoint();
  const file = logFile('parsed', `${version(1)}.checkpoint.parquet`);
  const struct = (stats: string) =>
    `struct_pack(path := add.path, partitionValues := add.partitionValues, size := add.size, modificationTime := add.modificationTime, dataChange := false, stats := ${stats}, stats_parsed := {'numRecords': 1, 'minValues': {'ratio': '-inf'::DOUBLE}}, partitionValues_parsed := {'x': 'nan'::DOUBLE})`;
  for (const stats of ['add.stats', 'NULL::VARCHAR']) {
    await lake.engine.withConnection(async (connection) => {
      const replaced = `SELECT * REPLACE (CASE WHEN add IS NULL THEN NULL ELSE ${struct(stats)} END AS add) FROM read_parquet('${file}')`;
      await connection.run(`COPY (${replaced}) TO '${file}.new' (FORMAT parquet)`);
    });
    await rename(`${file}.new`, file);
    await rm(logFile('parsed', `${version(0)}.json`), { force: true });
    const cold = await lake.open('parsed');
    assert.deepEqual([cold.summary().rows, cold.summary().bytes, await cold.count("id = 'a'")], [1, bytes, 1]);
  }
});

test('null in a field that may be absent is its absence', async () => {
  const table = await lake.create('nulls', COLUMNS);
  await table.append(block([{ id: 'a', n: 1 }]), { txns: [{ appId: 'me/0', version: 1n }] });
  const commit = `nulls/_delta_log/${version(1)}.json`;
  const lines = (await lake.text(commit))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const nulls = { tags: null, baseRowId: null, deletionVector: null, clusteringProvider: null };
  const withNulls = lines.map((action) => (action.add === undefined ? action : { add: { ...action.add, ...nulls } }));
  await lake.write(commit, withNulls.map((action) => `${JSON.stringify(action)}\n`).join(''));
  const read = await lake.open('nulls');
  await read.merge(block([{ id: 'a', n: 2 }]), { key: ['id'] });
  await read.checkpoint();
  assert.deepEqual(await (await lake.open('nulls')).readRows(), [{ id: 'a', n: '2' }]);
  assert.deepEqual((await verifyTable(lake.engine, lake.store, 'nulls')).faults, []);
});

test('features that we do not honour are refused by name, for reading and for writing', async () => {
  const cases: readonly (readonly [
    name: string,
    protocol: object,
    configuration: Record<string, string>,
    named: string,
    readable: boolean,
  ])[] = [
    [
      'widened',
      { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['typeWidening'], writerFeatures: ['typeWidening'] },
      {},
      'typeWidening',
      false,
    ],
    ['too-new', { minReaderVersion: 4, minWriterVersion: 8 }, {}, 'reader version 4', false],
    ['mapped', { minReaderVersion: 2, minWriterVersion: 5 }, { 'delta.columnMapping.mode': 'name' }, 'columnMapping', false],
    ['old-writer', { minReaderVersion: 1, minWriterVersion: 4 }, {}, 'writer version 4', true],
    [
      'commit-times',
      { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['inCommitTimestamp'] },
      { 'delta.enableInCommitTimestamps': 'true' },
      'inCommitTimestamp',
      true,
    ],
    [
      'checked',
      { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['checkConstraints'] },
      { 'delta.constraints.positive': 'n > 0' },
      'checkConstraints',
      true,
    ],
    ['unknown', { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['someFutureThing'] }, {}, 'someFutureThing', true],
  ];
  for (const [name, protocol, configuration, named, readable] of cases) {
    await handMade(name, protocol, configuration);
    const refused = (error: unknown) => coded('PH_DELTA_PROTOCOL')(error) && String(error).includes(named);
    await assert.rejects(lake.create(name, COLUMNS), refused, name);
    if (!readable) {
      await assert.rejects(lake.open(name), refused, name);
      continue;
    }
    const table = await lake.open(name);
    assert.equal(await table.count(), 0, name);
    await assert.rejects(table.append(block([{ id: 'a' }])), refused, name);
    await assert.rejects(table.merge(block([{ id: 'a' }]), { key: ['id'] }), refused, name);
  }
});

test('generated columns and invariants are refused for writing by the name of the column', async () => {
  for (const [name, metadata] of [
    ['generated', { 'delta.generationExpression': 'n + 1' }],
    ['invariant', { 'delta.invariants': '{"expression":{"expression":"n > 0"}}' }],
  ] as const) {
    await handMade(name, { minReaderVersion: 1, minWriterVersion: 2 }, {}, metadata);
    const table = await lake.open(name);
    await assert.rejects(
      table.append(block([{ id: 'a' }])),
      (error: unknown) => coded('PH_DELTA_PROTOCOL')(error) && /column n|\(n\)/.test(String(error)),
      name,
    );
  }
});

test('a live table that lacks columns of its definition is refused with each of them named', async () => {
  await lake.create('live', [column('id'), column('n', 'string'), column('extra')]);
  await assert.rejects(
    lake.create('live', [...COLUMNS, column('missing'), column('EXTRA')]),
    (error: unknown) =>
      coded('PH_DELTA_SCHEMA')(error) &&
      /n is string there, not long; missing is missing; EXTRA is written extra there/.test(String(error)),
  );
  const table = await lake.create('live', [column('id')]);
  await table.append(block([{ id: 'a' }]));
  assert.deepEqual(await table.readRows(), [{ id: 'a', n: null, extra: null }]);
});

test('a schema change by another writer is seen: the append is tried again on the new schema', async () => {
  const table = await lake.create('evolved', COLUMNS);
  await table.append(block([{ id: 'a', n: 1 }]));
  const [metaLine = ''] = (await lake.text(`evolved/_delta_log/${version(0)}.json`))
    .split('\n')
    .filter((line) => line.includes('metaData'));
  const { metaData } = JSON.parse(metaLine);
  const schema = JSON.parse(metaData.schemaString);
  schema.fields.push({ name: 'added', type: 'decimal(10,2)', nullable: true, metadata: {} });
  await lake.write(
    `evolved/_delta_log/${version(2)}.json`,
    `${JSON.stringify({ metaData: { ...metaData, schemaString: JSON.stringify(schema) } })}\n`,
  );
  await assert.rejects(table.append(block([{ id: 'b', added: '1.50' }])), coded('PH_DELTA_CONFLICT'));
  await table.append(block([{ id: 'b', added: '1.50' }]));
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
    { id: 'a', n: '1', added: null },
    { id: 'b', n: null, added: '1.50' },
  ]);
});

test('a commit whose answer was lost is recognised as ours, not as a conflict', async () => {
  const table = await lake.create('lost-answer', COLUMNS);
  let mode: 'exists' | 'throws' | 'plain' = 'plain';
  const flaky: ObjectStore = {
    ...boundStore(lake.store),
    putIfAbsent: async (path, body) => {
      const result = await lake.store.putIfAbsent(path, body);
      if (mode === 'exists') return 'exists'; // a retried request meets its own success
      if (mode === 'throws') throw new Error('the answer was lost');
      return result;
    },
  };
  const writer = await DeltaTable.open(lake.engine, flaky, 'lost-answer');
  for (const next of ['exists', 'throws', 'plain'] as const) {
    mode = next;
    await writer.append(block([{ id: next }]), { txns: [{ appId: 'p/0', version: BigInt(writer.version) }] });
  }
  await table.refresh();
  assert.deepEqual([table.version, await table.count(), table.lastTxn('p/0')], [3, 3, 2n]);
});

test('a store without local files is written and read through copies', async () => {
  const { local: _, ...remote } = boundStore(lake.store);
  const table = await DeltaTable.open(lake.engine, remote, 'remote', { create: { name: 'remote', columns: COLUMNS, partitionBy: ['id'] } });
  await table.append(
    block([
      { id: 'a/b', n: 1 },
      { id: 'c', n: 2 },
    ]),
  );
  await table.merge(
    block([
      { id: 'c', n: 3 },
      { id: 'd', n: 4 },
    ]),
    { key: ['id'] },
  );
  await table.checkpoint();
  const again = await DeltaTable.open(lake.engine, remote, 'remote');
  assert.deepEqual(await again.query((relation) => `SELECT id, n FROM ${relation} ORDER BY id`), [
    ['a/b', '1'],
    ['c', '3'],
    ['d', '4'],
  ]);
});

async function handMade(name: string, protocol: object, configuration: Record<string, string>, metadata: object = {}): Promise<void> {
  const fields = [
    { name: 'id', type: 'string', nullable: true, metadata: {} },
    { name: 'n', type: 'long', nullable: true, metadata },
  ];
  const metaData = {
    id: name,
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify({ type: 'struct', fields }),
    partitionColumns: [],
    configuration,
  };
  await mkdir(join(lake.folder, 'tables', name, '_delta_log'), { recursive: true });
  await lake.write(`${name}/_delta_log/${version(0)}.json`, `${JSON.stringify({ protocol })}\n${JSON.stringify({ metaData })}\n`);
}

test('a data file that is gone is named', async () => {
  const table = await lake.create('lost-file', COLUMNS);
  await table.append(block([{ id: 'a' }]));
  const [file] = (await lake.store.list('lost-file')).filter(({ path }) => path.endsWith('.parquet'));
  await lake.store.delete(file?.path ?? '');
  await assert.rejects(
    table.count(),
    (error: unknown) => coded('PH_DELTA_FILE_MISSING')(error) && String(error).includes(file?.path ?? '?'),
  );
});
