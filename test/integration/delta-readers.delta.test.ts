import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DeltaTable } from '../../host/src/delta/index.ts';
import { block, column, openLake, sortedBy } from '../host/delta/delta-fixture.ts';
import { everyoneAgrees, tablePath } from './foreign/agreement.ts';
import { openForeignEngines } from './foreign/engines.ts';

const lake = await openLake();
const engines = await openForeignEngines();
after(async () => {
  await engines[Symbol.asyncDispose]();
  await lake.close();
});

test('others read every type at its limits', async (context) => {
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
      { id: 'early', ratio: '-Infinity', seen: '1600-02-29T12:00:00.000001Z', day: '1582-10-04', amount: '-0.0000000001', long: '-1' },
      { id: 'late', ratio: '-0.0', seen: '2262-04-12T00:00:00.000001Z', day: '2400-02-29' },
    ]),
  );
  await table.append(block([{ id: 'all null' }]));
  await everyoneAgrees(context, lake, engines, 'types', {
    key: 'id',
    predicates: [
      "id = 'low'",
      `id >= 'long' AND id < 'lonh'`,
      'whole = 2147483647',
      'long = 9007199254740993',
      'long = 9223372036854775807',
      'small = 0.01',
      'ratio > 1e300',
      "day = DATE '2026-02-28'",
      "day < DATE '1582-10-05'",
      "seen > TIMESTAMP '2262-04-12T00:00:00Z'",
      "seen < TIMESTAMP '1970-01-01T00:00:00Z' AND seen > TIMESTAMP '1600-02-29T12:00:00Z'",
      'amount < 0 AND amount > -1',
      'ratio < -1e300',
      "seen = TIMESTAMP '2026-01-05T14:22:07.123456Z'",
      "seen >= TIMESTAMP '2026-01-05T14:22:07.123456Z' AND seen < TIMESTAMP '2027-01-01T00:00:00Z'",
      'flag IS NULL',
      'bytes IS NOT NULL',
    ],
    versions: [1, 2],
  });
});

test('others read partitions, txns and a table that lives on its checkpoint', async (context) => {
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
  await everyoneAgrees(context, lake, engines, 'partitioned', {
    key: 'id',
    predicates: [
      "place = 'x/y'",
      "place = '100%'",
      'place IS NULL',
      "day = DATE '2026-01-02'",
      'day IS NULL',
      'number = 1',
      'n = 7',
      "place = 'ü' AND n > 5",
    ],
    versions: [0, 4, 7],
  });
});

test('others read partitions of every type', async (context) => {
  const types = {
    by_text: ["it's", '\u{1F600} ü/%:?#', '', null],
    by_integer: [-2147483648, 0, 2147483647, null],
    by_long: ['-9223372036854775808', '9007199254740993', '1', null],
    by_flag: [true, false, true, null],
    by_decimal: ['-99999999.99', '0.10', '12.50', null],
    by_day: ['0001-01-01', '1969-12-31', '9999-12-31', null],
    by_time: ['1600-01-01T00:00:00.000001Z', '1969-12-31T23:59:59.999999Z', '2262-04-12T00:00:00.5Z', null],
  } as const;
  const kinds = {
    by_text: 'string',
    by_integer: 'integer',
    by_long: 'long',
    by_flag: 'boolean',
    by_decimal: 'decimal(10,2)',
    by_day: 'date',
    by_time: 'timestamp',
  } as const;
  const partitions = Object.entries(kinds).map(([name, type]) => column(name, type));
  await lake.create('by-every-type', [column('id', 'long'), column('name'), ...partitions], {
    partitionBy: Object.keys(kinds),
    deletionVectors: true,
  });
  const table = await lake.open('by-every-type');
  const row = (id: number) => ({
    id,
    name: `row ${id}`,
    ...Object.fromEntries(Object.entries(types).map(([name, values], at) => [name, values[(id + (id >> 2) * at) % 4]])),
  });
  await table.append(block(Array.from({ length: 16 }, (_, id) => row(id))));
  await table.merge(
    block([
      { id: 3, name: 'merged' },
      { id: 5, name: 'merged' },
      { ...row(40), name: 'merged' },
    ]),
    { key: ['id'] },
  );
  await everyoneAgrees(context, lake, engines, 'by-every-type', {
    key: 'id',
    predicates: [
      "by_text = 'it''s'",
      'by_text IS NULL',
      'by_integer < 0',
      'by_long = 9007199254740993',
      'by_flag = true',
      'by_decimal < 0.11',
      "by_day = DATE '1969-12-31'",
      "by_day > DATE '9000-01-01'",
      "by_time = TIMESTAMP '1969-12-31T23:59:59.999999Z'",
      "by_time > TIMESTAMP '2262-04-12T00:00:00Z'",
      'by_time IS NULL AND by_flag IS NULL',
    ],
    versions: [1],
  });
});

for (const deletionVectors of [true, false]) {
  const name = deletionVectors ? 'merged-by-vectors' : 'rewritten';
  test(`others read a table ${name}, before and after its checkpoint`, async (context) => {
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
    await everyoneAgrees(context, lake, engines, name, {
      key: 'id',
      predicates: [
        'id = 0',
        'id >= 290',
        "name = 'round 4'",
        'amount = 4.50',
        "day = DATE '2026-01-03'",
        "day = DATE '2026-01-01' AND amount > 100",
      ],
    });
    await table.checkpoint();
    await everyoneAgrees(context, lake, engines, name, { key: 'id', predicates: ['amount = 4.50'] });
  });
}

test('others read a table that was put together, vacuumed, and cut down to its checkpoint', async (context) => {
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
  await everyoneAgrees(context, lake, engines, name, { key: 'id', predicates });
  // And goes on from there.
  await table.merge(block([row(1, 9), row(500, 9)]), { key: ['id'] });
  await everyoneAgrees(context, lake, engines, name, { key: 'id', predicates: [...predicates, "name = 'round 9'"] });
});

test('others read a table without rows', async (context) => {
  await lake.create('empty', [column('id'), column('n', 'long')]);
  await everyoneAgrees(context, lake, engines, 'empty', { key: 'id', predicates: ["id = 'x'"] });
});

test('others read a table after columns were added and its protocol was raised', async (context) => {
  const name = 'evolved';
  const first = [column('id', 'long'), column('day', 'date')];
  await (await lake.create(name, first, { partitionBy: ['day'] })).append(block([{ id: 1, day: '2026-01-01' }, { id: 2 }, { id: 5 }]));
  const columns = [...first, column('amount', 'decimal(12,2)'), column('seen', 'timestamp'), column('note')];
  const create = { name, columns, partitionBy: ['day'], key: ['id'], deletionVectors: true };
  const table = await DeltaTable.open(lake.engine, lake.store, name, { create, addColumns: true });
  assert.deepEqual(table.addedColumns, ['amount', 'seen', 'note']);
  await table.append(block([{ id: 3, day: '2026-01-02', amount: '1.50', seen: '2026-01-05T10:00:00Z', note: 'new' }]));
  const predicates = ['amount = 1.50', 'amount IS NULL', "note = 'new'", 'id = 1', "seen > TIMESTAMP '2026-01-01T00:00:00Z'"];
  await everyoneAgrees(context, lake, engines, name, { key: 'id', predicates: predicates });
  // A file from before the columns were there is written anew, another one gets a deletion vector.
  await table.merge(block([{ id: 1, note: 'copied' }]), { key: ['id'] });
  await table.upgrade();
  await table.merge(block([{ id: 2, amount: '7.25' }, { id: 4 }]), { key: ['id'], updateWhen: { distinct: ['amount'] } });
  assert.match(await lake.text(`${name}/_delta_log/00000000000000000006.json`), /"deletionVector"/);
  await table.checkpoint();
  await everyoneAgrees(context, lake, engines, name, { key: 'id', predicates: [...predicates, "note = 'copied'", 'amount = 7.25'] });
});

test('a table that delta-rs made takes our rows without a change of its schema, and goes on with both', async (context) => {
  const deltaRs = engines.get('delta-rs');
  if (deltaRs === undefined) return context.skip('delta-rs cannot be had');
  const name = 'made-by-delta-rs';
  const path = tablePath(lake, name);
  const columns = { version: 'long', trace_id: 'string', ingested_at: 'timestamp', event_date: 'date', theirs: 'double' };
  const fields = Object.entries(columns).map(([column, type]) => ({ name: column, type, nullable: true, metadata: {} }));
  const row = { version: 1, trace_id: 'theirs', ingested_at: '2026-01-05T10:00:00+00:00', event_date: '2026-01-05', theirs: 0.5 };
  await deltaRs.run('create', { table: path, schema: { type: 'struct', fields }, rows: [row], partitionBy: ['event_date'] });
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
  assert.deepEqual([table.version, table.addedColumns], [1, []]);
  await table.append(block([{ version: '2', id: 'ours', ingested_at: '2026-01-06T10:00:00Z', event_date: '2026-01-06' }]));
  await assert.rejects(
    table.append(block([{ version: 'two', id: 'ours', ingested_at: '2026-01-06T10:00:00Z', event_date: '2026-01-06' }])),
    { code: 'PH_DELTA_ROW_CONVERSION' },
  );
  await deltaRs.run('append', { table: path, rows: [{ ...row, trace_id: 'again' }] });
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
  await everyoneAgrees(context, lake, engines, name, {
    key: 'trace_id',
    predicates: ['version = 3', 'theirs IS NULL', "event_date = DATE '2026-01-05'"],
  });
});
