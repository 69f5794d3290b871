import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import {
  type DeltaColumn,
  DeltaTable,
  type OpenOptions,
  RowConversionError,
  type TableSpec,
  verifyTable,
} from '../../../host/src/delta/index.ts';
import { fitSchema } from '../../../host/src/delta/schema/schema-fit.ts';
import type { ObjectStore } from '../../../host/src/storage/index.ts';
import { block, boundStore, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const commitFile = (table: string, version: number) => `${table}/_delta_log/${String(version).padStart(20, '0')}.json`;

interface LoggedMetaData {
  id: string;
  schemaString: string;
  configuration: Record<string, string>;
}

/** The actions of one kind in a version. */
async function logged<Kind extends 'metaData' | 'commitInfo'>(table: string, version: number, kind: Kind): Promise<LoggedMetaData> {
  const lines = (await lake.text(commitFile(table, version))).trim().split('\n');
  return lines.flatMap((line) => (JSON.parse(line) as Record<Kind, LoggedMetaData>)[kind] ?? [])[0] ?? assert.fail(`no ${kind}`);
}

/** Another writer's commit of new metadata: `change` is done to the fields of the schema. */
async function changeSchema(table: string, version: number, change: (fields: Record<string, unknown>[]) => void): Promise<void> {
  const metaData = await logged(table, 0, 'metaData');
  const schema = JSON.parse(metaData.schemaString) as { fields: Record<string, unknown>[] };
  change(schema.fields);
  await lake.write(commitFile(table, version), `${JSON.stringify({ metaData: { ...metaData, schemaString: JSON.stringify(schema) } })}\n`);
}

function open(name: string, columns: readonly DeltaColumn[], more: Partial<TableSpec> = {}, options: OpenOptions = {}, store = lake.store) {
  const create = { name, columns, partitionBy: [], ...more };
  return DeltaTable.open(lake.engine, store, name, { create, addColumns: true, ...options });
}

const texts = (table: DeltaTable): readonly string[] => table.differences.map(({ text }) => text);

suite('columns that a table lacks', () => {
  test('are added in one commit behind those that are there, and null in older rows', async () => {
    const made = await lake.create('added', [column('id'), column('day', 'date')], {
      partitionBy: ['day'],
      properties: { 'delta.checkpointInterval': '2', 'someone.else': 'kept' },
    });
    await made.append(block([{ id: 'a', day: '2026-01-05' }]));
    const columns = [column('amount', 'decimal(12,2)'), column('id'), column('day', 'date'), column('note')];
    const table = await open('added', columns, { partitionBy: ['day'] });
    assert.deepEqual([table.addedColumns, table.version, table.differences], [['amount', 'note'], 2, []]);
    const [before, now] = [await logged('added', 0, 'metaData'), await logged('added', 2, 'metaData')];
    assert.deepEqual({ ...now, schemaString: null }, { ...before, schemaString: null });
    assert.deepEqual(
      table.columns.map(({ name, type, nullable }) => [name, type, nullable]),
      [
        ['id', 'string', true],
        ['day', 'date', true],
        ['amount', 'decimal(12,2)', true],
        ['note', 'string', true],
      ],
    );
    await table.append(block([{ id: 'b', day: '2026-01-05', amount: '1.50', note: 'x' }]));
    await table.merge(block([{ id: 'a', note: 'merged' }]), { key: ['id'] });
    await table.checkpoint();
    for (const one of [table, await lake.open('added')])
      assert.deepEqual(sortedBy(await one.readRows(), 'id'), [
        { id: 'a', day: '2026-01-05', amount: null, note: 'merged' },
        { id: 'b', day: '2026-01-05', amount: '1.50', note: 'x' },
      ]);
    assert.deepEqual((await open('added', columns, { partitionBy: ['day'] })).addedColumns, []);
    assert.deepEqual((await verifyTable(lake.engine, lake.store, 'added', { mergeKey: ['id'] })).faults, []);
  });

  test('are added once by writers that start at once', async () => {
    await lake.create('at-once', [column('id')]);
    const tables = await Promise.all(Array.from({ length: 4 }, () => open('at-once', [column('id'), column('n', 'long')])));
    assert.equal(tables.flatMap(({ addedColumns }) => addedColumns).length, 1);
    for (const table of tables) await table.append(block([{ id: 'a', n: 1 }]));
    const newest = await lake.open('at-once');
    assert.deepEqual([newest.version, await newest.count('n = 1')], [5, 4]);
  });

  test('are looked at again where another writer changes the table between the look and the commit', async () => {
    for (const [name, change, outcome] of [
      ['same', (fields) => fields.push({ name: 'n', type: 'long', nullable: true, metadata: {} }), []],
      ['other', (fields) => fields.push({ name: 'theirs', type: 'long', nullable: true, metadata: {} }), ['n']],
      ['clash', (fields) => fields.push({ name: 'n', type: 'string', nullable: true, metadata: {} }), 'PH_DELTA_SCHEMA'],
    ] as const satisfies readonly (readonly [string, (fields: Record<string, unknown>[]) => void, unknown])[]) {
      const table = `raced-${name}`;
      await lake.create(table, [column('id')]);
      let raced = false;
      const store: ObjectStore = {
        ...boundStore(lake.store),
        putIfAbsent: async (path, body, options) => {
          if (!raced) await changeSchema(table, 1, change);
          raced = true;
          return await lake.store.putIfAbsent(path, body, options);
        },
      };
      const opening = open(table, [column('id'), column('n', 'long')], {}, {}, store);
      if (typeof outcome === 'string') await assert.rejects(opening, coded(outcome), name);
      else assert.deepEqual((await opening).addedColumns, outcome, name);
      assert.equal((await lake.open(table)).columns.length, name === 'other' ? 3 : 2);
    }
  });

  test('go on top of rows that others append meanwhile', async () => {
    const made = await lake.create('appended-meanwhile', [column('id')]);
    let raced = false;
    const store: ObjectStore = {
      ...boundStore(lake.store),
      putIfAbsent: async (path, body, options) => {
        if (!raced) {
          raced = true;
          await made.append(block([{ id: 'a' }]));
        }
        return await lake.store.putIfAbsent(path, body, options);
      },
    };
    const table = await open('appended-meanwhile', [column('id'), column('n', 'long')], {}, {}, store);
    assert.deepEqual([table.addedColumns, table.version], [['n'], 2]);
    assert.deepEqual(await table.readRows(), [{ id: 'a', n: null }]);
  });

  test('are not added where they must not be null, where something else does not fit, and where we may not write', async () => {
    await lake.create('refused', [column('id'), column('n', 'long')]);
    for (const [columns, reason] of [
      [[column('id'), column('must', 'long', false), column('may')], /must is missing, and what must not be null cannot be added/],
      [[column('id'), column('n', 'date'), column('may')], /n is long there, not date/],
      [[column('ID'), column('may')], /ID is written id there/],
    ] as const)
      await assert.rejects(open('refused', columns), (error: unknown) => coded('PH_DELTA_SCHEMA')(error) && reason.test(String(error)));
    const metaData = await logged('refused', 0, 'metaData');
    const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['someFutureThing'] };
    await lake.write(commitFile('refused', 1), `${JSON.stringify({ protocol })}\n${JSON.stringify({ metaData })}\n`);
    await assert.rejects(open('refused', [column('id'), column('may')]), coded('PH_DELTA_PROTOCOL'));
    assert.equal((await lake.open('refused')).version, 1);
  });
});

suite('a live table that is another than its definition', () => {
  test('is told of in words, and wins', async () => {
    await lake.create('told', [column('trace'), column('n', 'integer'), column('must', 'string', false), column('extra', 'date')], {
      partitionBy: ['extra'],
    });
    const columns = [{ ...column('id'), aliases: ['event', 'trace'] }, column('n', 'long'), column('must')];
    const table = await open('told', columns, { partitionBy: ['n'], key: ['id'], deletionVectors: true });
    assert.deepEqual(texts(table), [
      'id is written as trace',
      'n is integer there, not long: values that do not fit are refused',
      'must must not be null there: rows without it are refused',
      'extra is no column of the definition: it is kept, and null in new rows',
      'it is partitioned by extra, not by n',
      'it has no deletion vectors: merges write files anew ("tables upgrade" would turn them on)',
    ]);
    assert.deepEqual(
      table.differences.map(({ refusesRows }) => refusesRows),
      [false, true, true, false, false, false],
    );
    await assert.rejects(
      table.append(
        block([
          { id: 'a', n: 1, must: 'x' },
          { id: 'b', n: 2 ** 31, must: 'x' },
          { id: 'c', n: 1 },
        ]),
      ),
      (error: unknown) =>
        error instanceof RowConversionError && error.rows.map(({ index, column: name }) => `${index} ${name}`).join() === '1 n,2 must',
    );
    await table.append(block([{ id: 'a', n: 1, must: 'x' }]));
    assert.deepEqual(await table.readRows(), [{ trace: 'a', n: 1, must: 'x', extra: null }]);
    assert.equal((await table.query((relation) => `SELECT count(*) FROM ${relation} WHERE extra IS NULL`))[0]?.[0], '1');
  });

  for (const deletionVectors of [true, false]) {
    test(`takes merges by the names of its own columns, ${deletionVectors ? 'with' : 'without'} deletion vectors`, async () => {
      const name = `aliased-${deletionVectors}`;
      await lake.create(name, [column('trace', 'long'), column('at', 'long'), column('first'), column('told')], { deletionVectors });
      const columns = [
        { ...column('id', 'long'), aliases: ['trace'] },
        { ...column('seen', 'long'), aliases: ['at'] },
        { ...column('kept'), aliases: ['first'] },
        { ...column('note'), aliases: ['told'] },
      ];
      const table = await open(name, columns, { key: ['id'] });
      const merge = { key: ['id'], policies: { kept: 'preserve', note: 'always' }, updateWhen: { notOlder: 'seen' } } as const;
      await table.merge(
        block([
          { id: 1, seen: 5, kept: 'a', note: 'a' },
          { id: 2, seen: 5, kept: 'b', note: 'b' },
        ]),
        merge,
      );
      await table.merge(
        block([
          { id: 1, seen: 6, kept: 'x', note: null },
          { id: 2, seen: 4, note: 'old' },
          { id: 3, seen: 1 },
        ]),
        merge,
      );
      assert.deepEqual(sortedBy(await table.readRows(), 'trace'), [
        { trace: '1', at: '6', first: 'a', told: null },
        { trace: '2', at: '5', first: 'b', told: 'b' },
        { trace: '3', at: '1', first: null, told: null },
      ]);
      assert.deepEqual((await verifyTable(lake.engine, lake.store, name, { mergeKey: [['id', 'trace']] })).faults, []);
      await assert.rejects(
        table.merge(block([{ id: 4 }, { seen: 1 }]), merge),
        (error: unknown) => error instanceof RowConversionError && error.rows[0]?.column === 'trace',
      );
    });
  }

  test('takes projected columns by the names of its own, and names the rows that do not fit', async () => {
    await lake.create('projected', [column('trace'), column('n', 'integer')]);
    const table = await open('projected', [{ ...column('id'), aliases: ['trace'] }, column('n', 'long')]);
    const projection = { message: { a: 'VARCHAR', b: 'VARCHAR' }, columns: { id: 'message.a', n: 'message.b' }, form: 'text' } as const;
    await table.append({ ...block([{ a: 'x', b: 7 }]), projection });
    await assert.rejects(
      table.append({
        ...block([
          { a: 'y', b: '1' },
          { a: 'z', b: 2 ** 40 },
        ]),
        projection,
      }),
      (error: unknown) =>
        error instanceof RowConversionError && error.rows.map(({ index, column: name }) => `${index} ${name}`).join() === '1 n',
    );
    assert.deepEqual(await table.readRows(), [{ trace: 'x', n: 7 }]);
  });

  test('keeps its own name for a column before an alias, and the alias is another column then', async () => {
    await lake.create('both', [column('trace'), column('id')]);
    const table = await open('both', [{ ...column('id'), aliases: ['trace'] }]);
    await table.append(block([{ id: 'a' }]));
    assert.deepEqual(await table.readRows(), [{ trace: null, id: 'a' }]);
  });

  test('has merge keys of the types of the definition: two values never become one', async () => {
    await lake.create('keyed', [column('id', 'long'), column('n', 'integer')]);
    await assert.rejects(open('keyed', [column('id')], { key: ['id'] }), coded('PH_DELTA_SCHEMA'));
    assert.deepEqual(texts(await open('keyed', [column('id'), column('n', 'long')], { key: ['n'] })).length, 2);
  });

  test('is written, written but for values that do not fit, or refused, by its types', () => {
    const fitOf = (wanted: DeltaColumn['type'], type: string): string => {
      const live = { fields: [{ name: 'v', type, nullable: true, metadata: {} }], partitionBy: [], deletionVectors: false };
      try {
        const { differences } = fitSchema('t', live, { name: 't', columns: [column('v', wanted)], partitionBy: [] });
        return differences.length === 0 ? 'same' : differences.some(({ refusesRows }) => refusesRows) ? 'some' : 'every';
      } catch (error) {
        assert.ok(coded('PH_DELTA_SCHEMA')(error), String(error));
        return 'none';
      }
    };
    for (const [wanted, live, expected] of [
      ['long', 'long', 'same'],
      ['long', 'integer', 'some'],
      ['integer', 'long', 'every'],
      ['integer', 'double', 'every'],
      ['long', 'double', 'none'],
      ['long', 'decimal(19,0)', 'every'],
      ['long', 'decimal(18,0)', 'some'],
      ['decimal(19,0)', 'long', 'some'],
      ['decimal(18,0)', 'long', 'every'],
      ['decimal(5,2)', 'long', 'none'],
      ['decimal(12,2)', 'decimal(12,2)', 'same'],
      ['decimal(12,2)', 'decimal(14,4)', 'every'],
      ['decimal(12,2)', 'decimal(12,4)', 'some'],
      ['decimal(12,2)', 'decimal(12,1)', 'some'],
      ['double', 'decimal(38,10)', 'none'],
      ['double', 'float', 'none'],
      ['string', 'timestamp', 'some'],
      ['string', 'float', 'none'],
      ['string', 'binary', 'none'],
      ['timestamp', 'string', 'none'],
      ['date', 'timestamp', 'every'],
      ['timestamp', 'date', 'none'],
      ['timestamp', 'timestamp_ntz', 'none'],
      ['boolean', 'integer', 'none'],
    ] as const)
      assert.equal(fitOf(wanted, live), expected, `${wanted} into ${live}`);
  });

  test('has each row exactly or refuses it whole, whatever its types are', async () => {
    const whole = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const decimal = (precision: number, scale: number) =>
      fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }).map((unscaled) => {
        const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
        const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
        return unscaled < 0n ? `-${text}` : text;
      });
    const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    const small = fc.bigInt({ min: -200n, max: 200n }).map(String);
    const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
      integer: fc.oneof(small, fc.integer().map(String)),
      long: fc.oneof(small, whole.map(String)),
      'decimal(4,1)': decimal(4, 1),
      'decimal(19,0)': fc.oneof(small, decimal(19, 0)),
      'decimal(38,10)': fc.oneof(small, decimal(38, 10)),
      double: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      boolean: fc.boolean().map(String),
      date: day.map((date) => date.toISOString().slice(0, 10)),
      timestamp: day.map((date) => date.toISOString()),
      string: fc.oneof(small, fc.constantFrom('true', '2026-01-05', '1.50', '', 'x', '2026-01-05T10:00:00Z', '1e3')),
    };
    const types = Object.keys(values) as DeltaColumn['type'][];
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc
          .constantFrom(...types)
          .chain((wanted) =>
            fc.tuple(fc.constant(wanted), fc.array(values[wanted] as fc.Arbitrary<string>, { minLength: 1, maxLength: 4 })),
          ),
        fc.constantFrom(...types, 'short' as const, 'float' as const, 'binary' as const),
        async ([wanted, given], live) => {
          run += 1;
          const name = `typed-${run}`;
          await lake.create(name, [column('at', 'long'), column('value', live as DeltaColumn['type'])]);
          let table: DeltaTable;
          try {
            table = await open(name, [column('at', 'long'), column('value', wanted)]);
          } catch (error) {
            if (coded('PH_DELTA_SCHEMA')(error) && wanted !== live) return;
            throw error;
          }
          const isRefused = new Set<number>();
          const rows = given.map((value, at) => ({ at, value }));
          await table.append(block(rows)).catch(async (error: unknown) => {
            if (!(error instanceof RowConversionError)) throw error;
            for (const { index } of error.rows) isRefused.add(index);
            await table.append(block(rows.filter(({ at }) => !isRefused.has(at))));
          });
          assert.ok(table.differences.some(({ refusesRows }) => refusesRows) || isRefused.size === 0, `${wanted} ${live} ${given.join()}`);
          for (const { at, value } of await table.readRows())
            assert.equal(plain(value, live), plain(given[Number(at)], live), `${wanted} in ${live}`);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** A value as the type means it: numbers without needless zeros, days and times as instants. */
function plain(value: unknown, type: string): unknown {
  const text = String(value);
  if (type === 'double') return Number(text);
  if (type === 'date' || type === 'timestamp') return new Date(text.length === 10 ? `${text}T00:00:00Z` : text).getTime();
  if (type === 'string' || type === 'boolean') return text;
  const [whole = '', fraction = ''] = text.replace(/^(-?)0+(?=\d)/, '$1').split('.');
  const digits = fraction.replace(/0+$/, '');
  return digits === '' ? whole.replace(/^-0$/, '0') : `${whole}.${digits}`;
}
