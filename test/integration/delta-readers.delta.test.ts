import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { DeltaTable } from '../../host/src/delta/index.ts';
import { block, column, type Lake, openLake, sortedBy } from '../host/delta/delta-fixture.ts';
import { openPythonReaders, type PythonReaders } from './python-readers.ts';

let lake: Lake;
let readers: PythonReaders | null;
before(async () => {
  lake = await openLake();
  readers = await openPythonReaders();
});
after(() => lake.close());

/** Both readers see our rows, and as many of them under each condition. */
async function checkForeignReads(
  context: TestContext,
  table: DeltaTable,
  name: string,
  key: string,
  predicates: readonly string[],
): Promise<void> {
  if (readers === null) return context.skip('no Python readers');
  const path = join(lake.folder, 'tables', name);
  const rows = sortedBy(await table.readRows(), key);
  const matches = await Promise.all(predicates.map((predicate) => table.count(predicate)));
  for (const read of [readers.readWithDeltaRs, readers.readWithDuckDb]) {
    const foreign = await read(path, { predicates });
    assert.equal(foreign.count, rows.length);
    assert.deepEqual(sortedBy(foreign.rows, key), rows);
    assert.deepEqual(foreign.matches, matches);
  }
}

test('delta-rs and DuckDB read every type at its limits', async (context) => {
  const columns = [
    column('id', 'string', false),
    column('whole', 'integer'),
    column('long', 'long'),
    column('amount', 'decimal(38,10)'),
    column('small', 'decimal(5,2)'),
    column('ratio', 'double'),
    column('flag', 'boolean'),
    column('day', 'date'),
    column('seen', 'timestamp'),
    column('bytes', 'binary'),
  ];
  const table = await lake.create('types', columns);
  await table.append(
    block([
      {
        id: 'low',
        whole: -2147483648,
        long: '-9223372036854775808',
        amount: '-9999999999999999999999999999.9999999999',
        small: '-999.99',
        ratio: -1.5e-300,
        flag: false,
        day: '0001-01-01',
        seen: '0001-01-01T00:00:00Z',
        bytes: '',
      },
      {
        id: 'high',
        whole: 2147483647,
        long: '9223372036854775807',
        amount: '9999999999999999999999999999.9999999999',
        small: '999.99',
        ratio: 1.7976931348623157e308,
        flag: true,
        day: '9999-12-31',
        seen: '9999-12-31T23:59:59.999999Z',
        bytes: '/wAB',
      },
      { id: `long \u{1F600} ${'é'.repeat(300)}`, ratio: 'NaN', seen: '2026-01-05T14:22:07.123456Z' },
    ]),
  );
  await table.append(
    block([
      {
        id: 'second file',
        long: '9007199254740993',
        ratio: 'Infinity',
        small: '0.01',
        seen: '1969-12-31T23:59:59.999999Z',
        day: '2026-02-28',
      },
    ]),
  );
  await checkForeignReads(context, table, 'types', 'id', [
    "id = 'low'",
    `id >= 'long' AND id < 'lonh'`,
    'whole = 2147483647',
    'long = 9007199254740993',
    'long = 9223372036854775807',
    'small = 0.01',
    'ratio > 1e300',
    "day = DATE '2026-02-28'",
    "seen = TIMESTAMP '2026-01-05T14:22:07.123456Z'",
    "seen >= TIMESTAMP '2026-01-05T14:22:07.123456Z' AND seen < TIMESTAMP '2027-01-01T00:00:00Z'",
    'flag IS NULL',
    'bytes IS NOT NULL',
  ]);
});

test('delta-rs and DuckDB read partitions, txns and a table that lives on its checkpoint', async (context) => {
  const columns = [column('id'), column('day', 'date'), column('place'), column('number', 'integer'), column('n', 'long')];
  const table = await lake.create('partitioned', columns, {
    partitionBy: ['day', 'place', 'number'],
    properties: { 'delta.checkpointInterval': '5' },
  });
  const places = ['plain', 'a b', 'x/y', '100%', 'ü', `it's "q"`, 'k=v', '#?&:', null, ''];
  for (let n = 0; n < 12; n += 1) {
    const rows = places.map((place, at) => ({
      id: `${n}-${at}`,
      day: n % 3 === 0 ? null : `2026-01-${String((n % 3) + 1).padStart(2, '0')}`,
      place,
      number: n % 2,
      n,
    }));
    await table.append(block(rows), { txns: [{ appId: 'cluster/writer/topic/0', version: BigInt(n) }] });
  }
  await table.close();
  await checkForeignReads(context, table, 'partitioned', 'id', [
    "place = 'x/y'",
    "place = '100%'",
    'place IS NULL',
    "day = DATE '2026-01-02'",
    'day IS NULL',
    'number = 1',
    'n = 7',
    "place = 'ü' AND n > 5",
  ]);
});

for (const deletionVectors of [true, false]) {
  const name = deletionVectors ? 'merged-by-vectors' : 'rewritten';
  test(`delta-rs and DuckDB read a table ${name}, before and after its checkpoint`, async (context) => {
    const columns = [column('id', 'long'), column('name'), column('amount', 'decimal(12,2)'), column('day', 'date')];
    const table = await lake.create(name, columns, { partitionBy: ['day'], deletionVectors });
    const day = (id: number) => `2026-01-0${(id % 3) + 1}`;
    await table.merge(block(Array.from({ length: 300 }, (_, id) => ({ id, name: `name ${id}`, amount: `${id}.25`, day: day(id) }))), {
      key: ['id'],
    });
    for (let round = 1; round <= 4; round += 1) {
      const rows = Array.from({ length: 80 }, (_, at) => ({
        id: at * round,
        name: at % 2 === 0 ? null : `round ${round}`,
        amount: `${round}.50`,
        ...(at % 5 === 0 && { day: day(at * round + 1) }),
      }));
      await table.merge(block(rows), {
        key: ['id'],
        policies: { name: 'keepOldWhenNull', amount: 'always' },
        txns: [{ appId: 'merger', version: BigInt(round) }],
      });
      if (round === 2) await table.checkpoint();
    }
    await checkForeignReads(context, table, name, 'id', [
      'id = 0',
      'id >= 290',
      "name = 'round 4'",
      'amount = 4.50',
      "day = DATE '2026-01-03'",
      "day = DATE '2026-01-01' AND amount > 100",
    ]);
    await table.checkpoint();
    await checkForeignReads(context, table, name, 'id', ['amount = 4.50']);
  });
}

test('delta-rs and DuckDB read a table that was put together, vacuumed, and cut down to its checkpoint', async (context) => {
  const name = 'maintained';
  const columns = [column('id', 'long'), column('name'), column('amount', 'decimal(12,2)'), column('day', 'date')];
  const table = await lake.create(name, columns, {
    partitionBy: ['day'],
    deletionVectors: true,
    properties: { 'delta.logRetentionDuration': 'interval 0 days' },
  });
  const row = (id: number, round: number) => ({
    id,
    name: `round ${round}`,
    amount: `${id}.25`,
    day: id % 3 === 0 ? null : `2026-01-0${id % 3}`,
  });
  for (let round = 0; round < 6; round += 1) {
    await table.merge(block(Array.from({ length: 60 }, (_, at) => row((at * 7 + round * 40) % 200, round))), { key: ['id'] });
    if (round === 3) await table.optimize();
  }
  await table.checkpoint();
  const { filesAdded } = await table.optimize();
  const { files } = await table.vacuum({ retention: 0, allowShortRetention: true });
  assert.deepEqual([filesAdded, table.summary().files, files.some((file) => file.endsWith('.bin'))], [3, 3, true]);
  await table.checkpoint();
  assert.ok((await table.cleanLog()).files.length > 8);
  const predicates = ['id = 7', "name = 'round 5'", 'day IS NULL', "day = DATE '2026-01-02' AND amount > 100"];
  await checkForeignReads(context, table, name, 'id', predicates);
  // And goes on from there.
  await table.merge(block([row(1, 9), row(500, 9)]), { key: ['id'] });
  await checkForeignReads(context, table, name, 'id', [...predicates, "name = 'round 9'"]);
});

test('delta-rs and DuckDB read a table without rows', async (context) => {
  const table = await lake.create('empty', [column('id'), column('n', 'long')]);
  await checkForeignReads(context, table, 'empty', 'id', ["id = 'x'"]);
});

test('delta-rs and DuckDB read a table after columns were added and its protocol was raised', async (context) => {
  const name = 'evolved';
  const first = [column('id', 'long'), column('day', 'date')];
  await (await lake.create(name, first, { partitionBy: ['day'] })).append(block([{ id: 1, day: '2026-01-01' }, { id: 2 }, { id: 5 }]));
  const columns = [...first, column('amount', 'decimal(12,2)'), column('seen', 'timestamp'), column('note')];
  const create = { name, columns, partitionBy: ['day'], key: ['id'], deletionVectors: true };
  const table = await DeltaTable.open(lake.engine, lake.store, name, { create, addColumns: true });
  assert.deepEqual(table.addedColumns, ['amount', 'seen', 'note']);
  await table.append(block([{ id: 3, day: '2026-01-02', amount: '1.50', seen: '2026-01-05T10:00:00Z', note: 'new' }]));
  const predicates = ['amount = 1.50', 'amount IS NULL', "note = 'new'", 'id = 1', "seen > TIMESTAMP '2026-01-01T00:00:00Z'"];
  await checkForeignReads(context, table, name, 'id', predicates);
  // A file from before the columns were there is written anew, another one gets a deletion vector.
  await table.merge(block([{ id: 1, note: 'copied' }]), { key: ['id'] });
  await table.upgrade();
  await table.merge(block([{ id: 2, amount: '7.25' }, { id: 4 }]), { key: ['id'], updateWhen: { distinct: ['amount'] } });
  assert.match(await lake.text(`${name}/_delta_log/00000000000000000006.json`), /"deletionVector"/);
  await table.checkpoint();
  await checkForeignReads(context, table, name, 'id', [...predicates, "note = 'copied'", 'amount = 7.25']);
});

test('a table that delta-rs made takes our rows without a change of its schema, and goes on with both', async (context) => {
  if (readers === null) return context.skip('no Python');
  const name = 'made-by-delta-rs';
  const path = join(lake.folder, 'tables', name);
  const columns = [
    ['version', 'long'],
    ['trace_id', 'string'],
    ['ingested_at', 'timestamp'],
    ['event_date', 'date'],
    ['theirs', 'double'],
  ] as const;
  const row = { version: 1, trace_id: 'theirs', ingested_at: '2026-01-05T10:00:00+00:00', event_date: '2026-01-05', theirs: 0.5 };
  await readers.writeWithDeltaRs(path, { columns, rows: [row], partitionBy: ['event_date'] });
  const create = {
    name,
    columns: [
      column('version'),
      { ...column('id'), aliases: ['trace_id'] },
      column('ingested_at', 'timestamp', false),
      column('event_date', 'date', false),
    ],
    partitionBy: [],
  };
  const table = await DeltaTable.open(lake.engine, lake.store, name, { create, addColumns: true });
  assert.deepEqual([table.version, table.addedColumns], [0, []]);
  await table.append(block([{ version: '2', id: 'ours', ingested_at: '2026-01-06T10:00:00Z', event_date: '2026-01-06' }]));
  await assert.rejects(
    table.append(block([{ version: 'two', id: 'ours', ingested_at: '2026-01-06T10:00:00Z', event_date: '2026-01-06' }])),
    { code: 'PH_DELTA_ROW_CONVERSION' },
  );
  await readers.writeWithDeltaRs(path, { columns, rows: [{ ...row, trace_id: 'again' }] });
  await table.refresh();
  await table.merge(block([{ version: 3, id: 'theirs' }]), { key: ['id'], updateWhen: { newer: 'version' } });
  assert.deepEqual(
    sortedBy(await table.readRows({ columns: ['trace_id', 'version', 'theirs'] }), 'trace_id').map((one) => Object.values(one)),
    [
      ['again', '1', 0.5],
      ['ours', '2', null],
      ['theirs', '3', 0.5],
    ],
  );
  await checkForeignReads(context, table, name, 'trace_id', ['version = 3', 'theirs IS NULL', "event_date = DATE '2026-01-05'"]);
});
