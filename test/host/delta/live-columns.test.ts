import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { type DeltaColumn, type DeltaEngine, DeltaTable, type SchemaType, verifyTable } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

interface Made {
  readonly columns?: readonly DeltaColumn[];
  readonly partitionBy?: readonly string[];
  readonly deletionVectors?: boolean;
}

const FIRST = '_delta_log/00000000000000000000.json';
const field = (name: string, type: SchemaType) => ({ name, type, nullable: true, metadata: {} });

/** A table that another engine made with more columns. */
async function makeForeign(name: string, more: readonly ReturnType<typeof field>[], made: Made = {}): Promise<void> {
  const { columns = [column('id')], ...options } = made;
  const table = await lake.create(name, columns, { ...options, partitionBy: [] });
  await table.close();
  const lines = (await lake.text(`${name}/${FIRST}`)).trim().split('\n');
  await lake.write(
    `${name}/${FIRST}`,
    lines.map((line) => `${JSON.stringify(withFields(JSON.parse(line), more, made.partitionBy))}\n`).join(''),
  );
}

function withFields(
  action: { metaData?: { schemaString: string; partitionColumns: readonly string[] } },
  more: readonly object[],
  partitionColumns: readonly string[] = [],
) {
  if (action.metaData === undefined) return action;
  const schema = JSON.parse(action.metaData.schemaString) as { readonly fields: readonly object[] };
  const schemaString = JSON.stringify({ ...schema, fields: [...schema.fields, ...more] });
  return { metaData: { ...action.metaData, schemaString, partitionColumns } };
}

const merge = { key: ['id'] as const };
const rows = block([{ id: '1' }]);

suite('a live column of a type that we do not know', () => {
  const inList: SchemaType = { type: 'array', elementType: { type: 'struct', fields: [field('n', 'interval day')] }, containsNull: true };
  const named = {
    code: 'PH_DELTA_SCHEMA',
    message: /column nothing has the unknown type void; column list has the unknown type interval day$/,
  };

  test('is refused by name when the table is opened for its writer', async () => {
    await makeForeign('void', [field('nothing', 'void'), field('list', inList)], { deletionVectors: true });
    const create = { name: 'void', columns: [column('id')], partitionBy: [], key: ['id'] };
    await assert.rejects(DeltaTable.open(lake.engine, lake.store, 'void', { create }), named);
  });

  for (const write of ['append', 'merge'] as const)
    test(`is refused by name where rows are written, and no row is blamed: ${write}`, async () => {
      await makeForeign(`void-${write}`, [field('nothing', 'void'), field('list', inList)], { deletionVectors: write === 'merge' });
      const table = await lake.open(`void-${write}`);
      await assert.rejects(write === 'append' ? table.append(rows) : table.merge(rows, merge), named);
      assert.equal(table.version, 0);
    });

  test('stops a writer that it comes upon, and keeps no other work from the table', async () => {
    await makeForeign('void-later', [], { deletionVectors: true });
    const create = { name: 'void-later', columns: [column('id')], partitionBy: [], key: ['id'] };
    const table = await DeltaTable.open(lake.engine, lake.store, 'void-later', { create });
    await table.merge(rows, merge);
    const lines = (await lake.text(`void-later/${FIRST}`)).trim().split('\n');
    const changed = lines.map((line) => JSON.parse(line)).filter(({ metaData }) => metaData !== undefined);
    const metaData = changed.map((action) => JSON.stringify(withFields(action, [field('nothing', 'void')])));
    await lake.write('void-later/_delta_log/00000000000000000002.json', `${metaData.join('\n')}\n`);
    await assert.rejects(table.merge(rows, merge), { code: 'PH_DELTA_SCHEMA', message: /column nothing has the unknown type void$/ });
    await table.checkpoint();
    assert.deepEqual((await table.vacuum()).files, []);
  });
});

for (const write of ['append', 'merge'] as const)
  test(`no row is blamed for a file that went away: ${write}`, async () => {
    const { scratch } = lake.engine;
    const engine: DeltaEngine = {
      scratch: {
        withFile: (bytes, use) =>
          scratch.withFile(bytes, async (file) => {
            await rm(file);
            return await use(file);
          }),
        withDiskFile: (use) => scratch.withDiskFile(use),
        withFolder: (use) => scratch.withFolder(use),
        spillFolder: scratch.spillFolder,
        close: () => scratch.close(),
      },
      withConnection: (work) => lake.engine.withConnection(work),
      releaseMemory: () => lake.engine.releaseMemory(),
      close: () => lake.engine.close(),
      [Symbol.asyncDispose]: () => lake.engine.close(),
    };
    const create = { name: write, columns: [column('id')], partitionBy: [], key: ['id'] };
    const table = await DeltaTable.open(engine, lake.store, `away-${write}`, { create });
    await assert.rejects(write === 'append' ? table.append(rows) : table.merge(rows, merge), coded('PH_DELTA_ENGINE'));
  });

suite('names of columns', () => {
  test('that queries add are refused in live tables when they are opened', async () => {
    await makeForeign('reserved', [field('__ph_file', 'long'), field('__PH_row', 'string')]);
    const named = { code: 'PH_DELTA_SCHEMA', message: /\(__ph_file, __PH_row\)/ };
    await assert.rejects(lake.open('reserved'), named);
    const create = { name: 'reserved', columns: [column('id')], partitionBy: [] };
    await assert.rejects(DeltaTable.open(lake.engine, lake.store, 'reserved', { create, addColumns: true }), named);
  });

  for (const partitionBy of [['*'], ['*', 'day']])
    test(`are whatever JSON and Delta allow, in partitions by ${partitionBy.join(' and ')} ${partitionBy.length === 1 ? 'refused' : 'written'}`, async () => {
      const name = `star-${partitionBy.length}`;
      const create = () => lake.create(name, [column('id'), column('*'), column('day', 'date')], { partitionBy });
      if (partitionBy.length === 1) await assert.rejects(create(), coded('PH_DELTA_SCHEMA'));
      else {
        const table = await create();
        const written = [
          { id: '1', '*': 'a', day: '2026-01-01' },
          { id: '2', '*': null, day: null },
        ];
        await table.append(block(written));
        assert.deepEqual(
          (await table.readRows()).toSorted((a, b) => Number(a['id']) - Number(b['id'])),
          written,
        );
      }
    });

  for (const deletionVectors of [true, false])
    test(`may be __proto__ or constructor: ${deletionVectors ? 'by deletion vectors' : 'copy on write'}`, async () => {
      const names = ['__proto__', 'constructor', 'toString'];
      for (const partitionBy of [[], ['__proto__']]) {
        const name = `proto-${deletionVectors}-${partitionBy.length}`;
        const table = await lake.create(name, [column('id'), ...names.map((one) => column(one))], { partitionBy, deletionVectors });
        const line = (id: string, value: string | null) => JSON.stringify({ id, ...Object.fromEntries(names.map((one) => [one, value])) });
        const lines = (...texts: readonly string[]) => ({ ndjson: Buffer.from(`${texts.join('\n')}\n`), rows: texts.length });
        const policies = Object.fromEntries([
          ['__proto__', 'preserve'],
          ['constructor', 'always'],
        ] as const);
        await table.merge(lines(line('1', 'a'), line('2', 'a')), { ...merge, policies });
        await table.merge(lines(line('1', 'b'), line('2', null)), { ...merge, policies });
        const read = await (await lake.open(name)).readRows();
        assert.deepEqual(read.map((row) => JSON.stringify(row)).toSorted(), [
          '{"id":"1","__proto__":"a","constructor":"b","toString":"b"}',
          '{"id":"2","__proto__":"a","constructor":null,"toString":"a"}',
        ]);
        const condition = { updateWhen: { distinct: ['__proto__'] as const } };
        await assert.rejects(
          table.merge(lines(line('1', 'c')), { ...merge, policies, ...condition }),
          /depend on __proto__, which never changes/,
        );
        const unpreserved = { updateWhen: { distinct: ['constructor'] as const } };
        const merged = await table.merge(lines(line('1', 'b')), { ...merge, policies, ...unpreserved });
        assert.equal(!merged.skipped && merged.updated, 0);
        await table.append(lines(line('3', 'a')));
        await table.optimize();
        await table.checkpoint();
        const again = await lake.open(name);
        assert.deepEqual([await again.count(`"__proto__" = 'a'`), again.summary().files], [3, 1]);
        assert.deepEqual((await verifyTable(lake.engine, lake.store, name, { mergeKey: ['id'] })).faults, []);
      }
    });
});

test('partitions by a live binary column are refused, whose values the log writes in another way than DuckDB', async () => {
  await makeForeign('binary', [field('bytes', 'binary')], { partitionBy: ['bytes'] });
  const table = await lake.open('binary');
  await assert.rejects(table.append(rows), { code: 'PH_DELTA_SCHEMA', message: /partition column bytes is binary$/ });
});
