import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DeltaTable, RowConversionError, TxnConflictError } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const ALL_TYPES = [
  column('id', 'string', false),
  column('whole', 'integer'),
  column('long', 'long'),
  column('amount', 'decimal(38,10)'),
  column('ratio', 'double'),
  column('flag', 'boolean'),
  column('day', 'date'),
  column('at', 'timestamp'),
  column('bytes', 'binary'),
];

test('every type is read back exactly, at its limits', async () => {
  const table = await lake.create('types', ALL_TYPES);
  const rows = [
    {
      id: 'low',
      whole: -2147483648,
      long: '-9223372036854775808',
      amount: '-9999999999999999999999999999.9999999999',
      ratio: -0.1,
      flag: false,
      day: '0001-01-01',
      at: '0001-01-01T00:00:00.000000Z',
      bytes: '',
    },
    {
      id: 'high',
      whole: 2147483647,
      long: '9223372036854775807',
      amount: '9999999999999999999999999999.9999999999',
      ratio: 1.7976931348623157e308,
      flag: true,
      day: '9999-12-31',
      at: '9999-12-31T23:59:59.999999Z',
      bytes: 'AAECAwQ=',
    },
    {
      id: 'odd \u0000 "quoted" \n \u{1F600}',
      whole: 0,
      long: '9007199254740993',
      amount: '0.0000000001',
      ratio: 'NaN',
      flag: null,
      day: '2026-02-28',
      at: '2026-01-05T16:22:07.123456+02:00',
      bytes: '/w==',
    },
    { id: 'nulls' },
  ];
  await table.append(block(rows));
  const expected = rows.map((row) => ({
    whole: null,
    long: null,
    amount: null,
    ratio: null,
    flag: null,
    day: null,
    at: null,
    bytes: null,
    ...row,
  }));
  for (const row of expected) if (row.at?.endsWith('+02:00')) row.at = '2026-01-05T14:22:07.123456Z';
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), sortedBy(expected, 'id'));
});

test('numbers are taken as JSON numbers too, and longer fractions of seconds are cut', async () => {
  const table = await lake.create('numbers', ALL_TYPES);
  await table.append(block([{ id: 'a', long: 12, amount: 12.5, at: '2026-01-05T14:22:07.1234567Z', whole: '7' }]));
  const [row] = await table.readRows({ columns: ['long', 'amount', 'at', 'whole'] });
  assert.deepEqual(row, { long: '12', amount: '12.5000000000', at: '2026-01-05T14:22:07.123456Z', whole: 7 });
});

test('rows that do not fit are all named before anything is committed, and the rest goes through', async () => {
  const table = await lake.create('refused', ALL_TYPES);
  const bad: readonly object[] = [
    { id: null },
    { id: 'x', whole: 1.5 },
    { id: 'x', whole: 2147483648 },
    { id: 'x', long: '9223372036854775808' },
    { id: 'x', amount: '0.00000000001' },
    { id: 'x', ratio: 'wide' },
    { id: 'x', flag: 'yes' },
    { id: 'x', day: '2026-02-30' },
    { id: 'x', day: '2026-02-03T00:00:00Z' },
    { id: 'x', at: 'infinity' },
    { id: 'x', at: '10000-01-01T00:00:00Z' },
    { id: 'x', bytes: 'not base64' },
    { id: 'half \ud800' },
  ];
  const lines = [...bad.map((row) => JSON.stringify(row)), '{"id":', '[1]', '"text"', '{"id":"a","id":"b"}'];
  const good = ['{"id":"good 1"}', '{"id":"good 2","whole":1}'];
  const all = [...lines, ...good].map((line) => `${line}\n`).join('');
  const broken = Buffer.concat([Buffer.from(all), Buffer.from('{"id":"'), Buffer.from([0xff]), Buffer.from('"}\n')]);
  const failure = await table.append({ ndjson: broken, rows: lines.length + 3 }).then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(failure instanceof RowConversionError);
  assert.equal(failure.code, 'PH_DELTA_ROW_CONVERSION');
  const named = [...new Set(failure.rows.map((row) => row.index))];
  assert.deepEqual(named, [...lines.map((_, index) => index), lines.length + 2]);
  assert.deepEqual(
    failure.rows.filter((row) => row.index === 1),
    [{ index: 1, column: 'whole', reason: '"1.5" is no integer' }],
  );
  assert.equal(table.version, 0);
  await table.append({ ndjson: Buffer.from(good.map((line) => `${line}\n`).join('')), rows: 2 });
  assert.equal(await table.count(), 2);
});

test('a block that holds another number of rows than it says is refused and leaves nothing', async () => {
  const table = await lake.create('miscounted', [column('id')]);
  await assert.rejects(table.append({ ndjson: Buffer.from('{"id":"a"}\n{"id":"b"}\n'), rows: 3 }), coded('PH_DELTA_ROW_COUNT'));
  assert.deepEqual(
    (await lake.store.list('miscounted')).map(({ path }) => path),
    ['miscounted/_delta_log/00000000000000000000.json'],
  );
});

test('partitions are split by value, with null and odd text, and read back', async () => {
  const table = await lake.create('partitioned', [column('id'), column('day', 'date'), column('place')], { partitionBy: ['day', 'place'] });
  const rows = [
    { id: 'a', day: '2026-01-01', place: 'x/y z=1 %25 ü \'" : # ? & *[a]' },
    { id: 'b', day: '2026-01-01', place: null },
    { id: 'c', day: null, place: 'plain' },
  ];
  await table.append(block([...rows, { id: 'd', day: '2026-01-02', place: '' }]));
  const read = await (await lake.open('partitioned')).readRows();
  // An empty text means null in a partition, to every reader.
  assert.deepEqual(sortedBy(read, 'id'), [...rows, { id: 'd', day: '2026-01-02', place: null }]);
  assert.equal(table.summary().files, 4);
});

test('a txn that is in the table already is skipped, also by a process that did not write it', async () => {
  const table = await lake.create('exactly-once', [column('id')]);
  const txns = [{ appId: 'writer/0', version: 9007199254740995n }];
  const first = await table.append(block([{ id: 'a' }]), { txns });
  assert.deepEqual([first.skipped, first.version], [false, 1]);
  assert.deepEqual(await table.append(block([{ id: 'a' }]), { txns }), { skipped: true, version: 1 });
  const other = await lake.open('exactly-once');
  assert.equal(other.lastTxn('writer/0'), 9007199254740995n);
  assert.equal((await other.append(block([{ id: 'a' }]), { txns })).skipped, true);
  assert.equal(await other.count(), 1);
  assert.equal(other.lastTxn('writer/1'), null);
});

test('a competing writer of the same app id is fenced, and its files are deleted', async () => {
  const one = await lake.create('fenced', [column('id')]);
  const zombie = await lake.open('fenced');
  await one.append(block([{ id: 'a' }]), {
    txns: [
      { appId: 'p/0', version: 10n },
      { appId: 'p/1', version: 10n },
    ],
  });
  const files = (await lake.store.list('fenced')).length;
  await assert.rejects(
    zombie.append(block([{ id: 'a' }, { id: 'b' }]), {
      txns: [
        { appId: 'p/0', version: 11n },
        { appId: 'p/2', version: 5n },
      ],
    }),
    (error: unknown) => error instanceof TxnConflictError && error.code === 'PH_DELTA_TXN_CONFLICT' && error.appIds.join() === 'p/0',
  );
  assert.equal((await lake.store.list('fenced')).length, files);
  assert.equal(zombie.lastTxn('p/0'), 10n);
  await zombie.append(block([{ id: 'b' }]), { txns: [{ appId: 'p/2', version: 5n }] });
  assert.equal(await zombie.count(), 2);
});

test('txns that name an app id twice are written as one, with the greatest version', async () => {
  const table = await lake.create('twice', [column('id')], { key: ['id'] });
  const txns = (...versions: readonly bigint[]) => versions.map((version) => ({ appId: 'p/0', version }));
  await table.append(block([{ id: 'a' }]), { txns: txns(3n, 9n, 5n) });
  await table.merge(block([{ id: 'b' }]), { key: ['id'], txns: txns(12n, 10n) });
  for (const [version, last] of [
    [1, 9],
    [2, 12],
  ] as const) {
    const commit = await lake.text(`twice/_delta_log/0000000000000000000${version}.json`);
    const written = commit.split('\n').filter((line) => line.startsWith('{"txn"'));
    assert.deepEqual(
      written.map((line) => JSON.parse(line).txn.version),
      [last],
    );
  }
  assert.equal((await lake.open('twice')).lastTxn('p/0'), 12n);
  await assert.rejects(table.append(block([{ id: 'c' }]), { txns: txns(11n, 15n) }), coded('PH_DELTA_TXN_CONFLICT'));
});

test('a batch of which one partition is written already is refused by name, not written twice', async () => {
  const table = await lake.create('half-written', [column('id')]);
  await table.append(block([{ id: 'a' }]), { txns: [{ appId: 'p/0', version: 3n }] });
  await assert.rejects(
    table.append(block([{ id: 'a' }, { id: 'b' }]), {
      txns: [
        { appId: 'p/0', version: 3n },
        { appId: 'p/1', version: 0n },
      ],
    }),
    (error: unknown) => error instanceof TxnConflictError && error.appIds.join() === 'p/0',
  );
  assert.equal(await table.count(), 1);
});

test('appends at once are committed in the order of the calls', async () => {
  const table = await lake.create('ordered', [column('id')]);
  const results = await Promise.all(
    Array.from({ length: 12 }, (_, n) => table.append(block([{ id: String(n) }]), { txns: [{ appId: 'p/0', version: BigInt(n) }] })),
  );
  assert.deepEqual(
    results.map(({ version }) => version),
    Array.from({ length: 12 }, (_, n) => n + 1),
  );
  assert.equal(await table.count(), 12);
});

test('an append behind a failed one of the same app id fails too, one of another app id does not', async () => {
  const table = await lake.create('broken-order', [column('id', 'string', false)]);
  const outcomes = await Promise.allSettled([
    table.append(block([{ id: null }]), { txns: [{ appId: 'p/0', version: 1n }] }),
    table.append(block([{ id: 'later' }]), { txns: [{ appId: 'p/0', version: 2n }] }),
    table.append(block([{ id: 'other' }]), { txns: [{ appId: 'p/1', version: 1n }] }),
  ]);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'written')),
    ['PH_DELTA_ROW_CONVERSION', 'PH_DELTA_ORDER', 'written'],
  );
  assert.equal(table.lastTxn('p/0'), null);
  assert.deepEqual(await table.readRows(), [{ id: 'other' }]);
});

test('an empty block moves the txn only', async () => {
  const table = await lake.create('empty', [column('id')]);
  await table.append({ ndjson: Buffer.alloc(0), rows: 0 }, { txns: [{ appId: 'p/0', version: 7n }] });
  assert.equal(table.lastTxn('p/0'), 7n);
  assert.equal(table.summary().files, 0);
  assert.deepEqual(await table.readRows(), []);
});

test('a projection makes rows of foreign JSON, and a row that it cannot convert is named', async () => {
  const table = await lake.create('projected', [column('id'), column('amount', 'decimal(9,2)'), column('unused')]);
  const projection = {
    message: { data: { id: 'VARCHAR', sum: 'VARCHAR' } },
    columns: { id: 'message.data.id', amount: 'message.data.sum' },
    form: 'typed',
  } as const;
  const lines = [{ data: { id: 'a', sum: '1.25' } }, { data: { id: 'b', sum: 'much' } }, { data: { id: 'c' } }];
  await assert.rejects(
    table.append({ ...block(lines), projection }),
    (error: unknown) => error instanceof RowConversionError && error.rows.map((row) => row.index).join() === '1',
  );
  await table.append({ ...block(lines.toSpliced(1, 1)), projection });
  assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
    { id: 'a', amount: '1.25', unused: null },
    { id: 'c', amount: null, unused: null },
  ]);
});

test('a row of many megabytes and deep nesting is text like any other', async () => {
  const table = await lake.create('large', [column('id')]);
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  const ndjson = Buffer.from(`${JSON.stringify({ id: 'x'.repeat(20_000_000) })}\n{"id":${deep}}\n`);
  await table.append({ ndjson, rows: 2 });
  const lengths = (await table.query((relation) => `SELECT length(id) FROM ${relation} ORDER BY 1`)).map(([length]) => Number(length));
  assert.deepEqual(lengths, [40_000, 20_000_000]);
});

test('a table in a folder whose name has pattern characters is read', async () => {
  const table = await DeltaTable.open(lake.engine, lake.store, 'odd [a]* name', {
    create: { name: 'odd', columns: [column('id'), column('p')], partitionBy: ['p'] },
  });
  await table.append(
    block([
      { id: 'a', p: 'x' },
      { id: 'b', p: "it's" },
    ]),
  );
  assert.equal(await (await lake.open('odd [a]* name')).count(), 2);
});

test('a write whose rows were chosen before another writer moved its txn on is refused', async () => {
  const table = await lake.create('moved-on', [column('id')]);
  const other = await DeltaTable.open(lake.engine, lake.store, 'moved-on');
  await table.append(block([{ id: 'a' }]), { txns: [{ appId: 'p/0', version: 1n, after: null }] });
  await other.refresh();
  await table.append(block([{ id: 'b' }]), { txns: [{ appId: 'p/0', version: 2n, after: 1n }] });
  await other.refresh();
  // Rows b and c were chosen when 1 was the last version known; b is there now.
  const chosen = { txns: [{ appId: 'p/0', version: 3n, after: 1n }] };
  await assert.rejects(other.append(block([{ id: 'b' }, { id: 'c' }]), chosen), TxnConflictError);
  await assert.rejects(other.merge(block([{ id: 'b' }, { id: 'c' }]), { key: ['id'], ...chosen }), TxnConflictError);
  await other.append(block([{ id: 'c' }]), { txns: [{ appId: 'p/0', version: 3n, after: 2n }] });
  assert.equal(await other.count(), 3);
});
