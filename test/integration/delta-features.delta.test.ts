import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RowConversionError, type SchemaField, type SchemaType } from '../../host/src/delta/index.ts';
import { block, coded, openLake, sortedBy } from '../host/delta/delta-fixture.ts';
import { agrees, tablePath } from './foreign/agreement.ts';
import { ENGINE_NAMES, type ForeignEngine, openForeignEngines } from './foreign/engines.ts';

const lake = await openLake();
const engines = await openForeignEngines();
after(async () => {
  await engines[Symbol.asyncDispose]();
  await lake.close();
});

/** Asserts that no operation writes the table, each naming the feature, and that nothing of it reached the log. */
async function refusesEveryWrite(name: string, feature: RegExp): Promise<void> {
  const table = await lake.open(name);
  const { version } = table;
  const files = await lake.store.list(name);
  const row = block([{ id: 100, name: 'new' }]);
  const writes: Readonly<Record<string, () => Promise<unknown>>> = {
    append: () => table.append(row),
    merge: () => table.merge(row, { key: ['id'] }),
    optimize: () => table.optimize(),
    vacuum: () => table.vacuum({ retention: 0, allowShortRetention: true }),
    checkpoint: () => table.checkpoint(),
    cleanLog: () => table.cleanLog(),
  };
  for (const [what, write] of Object.entries(writes)) {
    await assert.rejects(write, (error: unknown) => {
      assert.ok(coded('PH_DELTA_PROTOCOL')(error), `${what}: ${String(error)}`);
      assert.match(String(error), feature, what);
      return true;
    });
  }
  assert.equal(await table.refresh(), version);
  assert.deepEqual(await lake.store.list(name), files);
}

async function refusesToOpen(name: string, feature: RegExp): Promise<void> {
  await assert.rejects(lake.open(name), (error: unknown) => {
    assert.ok(coded('PH_DELTA_PROTOCOL')(error), String(error));
    assert.match(String(error), feature);
    return true;
  });
}

/** What a table has that we do not know. `read`: whether we read it all the same, as it then can be. */
interface ForeignFeature {
  readonly refusal: RegExp;
  readonly read: 'exactly' | 'refused';
}
interface SparkFeature extends ForeignFeature {
  /** Spark's statements; `$T` is the table. */
  readonly made: readonly string[];
}

const field = (name: string, type: SchemaType, nullable = true): SchemaField => ({ name, type, nullable, metadata: {} });

/** A table of `id` and `name` with three rows; its folder. */
async function createByDeltaRs(engine: ForeignEngine, name: string, properties: Readonly<Record<string, string>> = {}): Promise<string> {
  const table = tablePath(lake, name);
  const rows = ['0', '1', '2'].map((id) => ({ id, name: `row ${id}` }));
  await engine.run('create', {
    table,
    rows,
    properties,
    schema: { type: 'struct', fields: [field('id', 'long'), field('name', 'string')] },
  });
  return table;
}

async function isRefused(engine: ForeignEngine, name: string, { refusal, read }: ForeignFeature): Promise<void> {
  if (read === 'refused') return await refusesToOpen(name, refusal);
  await agrees(lake, engine, name, { key: 'id' });
  await refusesEveryWrite(name, refusal);
}

const DELTA_RS_FEATURES: Readonly<Record<string, ForeignFeature>> = {
  CheckConstraints: { refusal: /checkConstraints/, read: 'exactly' },
  ChangeDataFeed: { refusal: /changeDataFeed/, read: 'exactly' },
  ColumnMapping: { refusal: /columnMapping/, read: 'refused' },
  GeneratedColumns: { refusal: /generatedColumns/, read: 'exactly' },
  IcebergCompatV1: { refusal: /icebergCompatV1/, read: 'exactly' },
  IdentityColumns: { refusal: /identityColumns/, read: 'exactly' },
  RowTracking: { refusal: /rowTracking/, read: 'exactly' },
  V2Checkpoint: { refusal: /v2Checkpoint/, read: 'refused' },
};

for (const [feature, foreign] of Object.entries(DELTA_RS_FEATURES)) {
  const outcome = foreign.read === 'exactly' ? 'is read and never written' : 'is not opened';
  test(`a table of delta-rs with the feature ${feature} ${outcome}`, { skip: engines.missing('delta-rs') }, async () => {
    const engine = engines.get('delta-rs');
    assert.ok(engine);
    const table = await createByDeltaRs(engine, `rs-${feature}`);
    await engine.run('add_feature', { table, feature });
    await isRefused(engine, `rs-${feature}`, foreign);
  });
}

test('a constraint of delta-rs is named, and no row passes it by', { skip: engines.missing('delta-rs') }, async () => {
  const engine = engines.get('delta-rs');
  assert.ok(engine);
  const table = await createByDeltaRs(engine, 'rs-constraint');
  await engine.run('add_constraint', { table, name: 'few', expression: 'id < 50' });
  await isRefused(engine, 'rs-constraint', { refusal: /checkConstraints \(few\)/, read: 'exactly' });
});

test('a table of delta-rs with a change data feed is read and never written', { skip: engines.missing('delta-rs') }, async () => {
  const engine = engines.get('delta-rs');
  assert.ok(engine);
  await createByDeltaRs(engine, 'rs-feed', { 'delta.enableChangeDataFeed': 'true' });
  await isRefused(engine, 'rs-feed', { refusal: /changeDataFeed/, read: 'exactly' });
});

test('a table of delta-rs that is append-only takes appends and compaction, and no merge', {
  skip: engines.missing('delta-rs'),
}, async () => {
  const engine = engines.get('delta-rs');
  assert.ok(engine);
  await createByDeltaRs(engine, 'rs-append-only', { 'delta.appendOnly': 'true' });
  const table = await lake.open('rs-append-only');
  await table.append(block([{ id: 100, name: 'ours' }]));
  await assert.rejects(table.merge(block([{ id: 1, name: 'merged' }]), { key: ['id'] }), coded('PH_DELTA_APPEND_ONLY'));
  await table.optimize();
  for (const reader of engines.all) await agrees(lake, reader, 'rs-append-only', { key: 'id' });
});

const SPARK_FEATURES: Readonly<Record<string, SparkFeature>> = {
  checkConstraints: {
    made: ['CREATE TABLE $T (id BIGINT, name STRING) USING delta', 'ALTER TABLE $T ADD CONSTRAINT few CHECK (id < 50)'],
    refusal: /checkConstraints \(few\)/,
    read: 'exactly',
  },
  changeDataFeed: {
    made: ["CREATE TABLE $T (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"],
    refusal: /changeDataFeed/,
    read: 'exactly',
  },
  generatedColumns: {
    made: ['CREATE TABLE $T (id BIGINT, name STRING, twice BIGINT GENERATED ALWAYS AS (id * 2)) USING delta'],
    refusal: /generatedColumns \(twice\)/,
    read: 'exactly',
  },
  identityColumns: {
    made: ['CREATE TABLE $T (id BIGINT, name STRING, n BIGINT GENERATED ALWAYS AS IDENTITY) USING delta'],
    refusal: /identityColumns \(n\)/,
    read: 'exactly',
  },
  allowColumnDefaults: {
    made: [
      "CREATE TABLE $T (id BIGINT, name STRING DEFAULT 'none') USING delta TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
    ],
    refusal: /allowColumnDefaults/,
    read: 'exactly',
  },
  rowTracking: {
    made: ["CREATE TABLE $T (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableRowTracking' = 'true')"],
    refusal: /rowTracking/,
    read: 'exactly',
  },
  inCommitTimestamp: {
    made: ["CREATE TABLE $T (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')"],
    refusal: /inCommitTimestamp/,
    read: 'exactly',
  },
  clustering: {
    made: ['CREATE TABLE $T (id BIGINT, name STRING) USING delta CLUSTER BY (id)'],
    refusal: /clustering/,
    read: 'exactly',
  },
  'columnMapping by name': {
    made: ["CREATE TABLE $T (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"],
    refusal: /columnMapping/,
    read: 'refused',
  },
  v2Checkpoint: {
    made: [
      "CREATE TABLE $T (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '1')",
    ],
    refusal: /v2Checkpoint/,
    read: 'refused',
  },
  typeWidening: {
    made: [
      "CREATE TABLE $T (id INT, name STRING) USING delta TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
      "INSERT INTO $T VALUES (7, 'narrow')",
      'ALTER TABLE $T ALTER COLUMN id TYPE BIGINT',
    ],
    refusal: /typeWidening/,
    read: 'refused',
  },
  variantType: {
    made: ['CREATE TABLE $T (id BIGINT, name STRING, any VARIANT) USING delta'],
    refusal: /variantType/,
    read: 'refused',
  },
};

for (const [feature, foreign] of Object.entries(SPARK_FEATURES)) {
  if (!ENGINE_NAMES.includes('Spark')) continue;
  const outcome = foreign.read === 'exactly' ? 'is read and never written' : 'is not opened';
  test(`a table of Spark with ${feature} ${outcome}`, { skip: engines.missing('Spark') }, async () => {
    const engine = engines.get('Spark');
    assert.ok(engine);
    const name = `spark-${feature.replaceAll(' ', '-')}`;
    const sql = (statement: string) => engine.run('run', { sql: statement.replace('$T', `delta.\`${tablePath(lake, name)}\``) });
    for (const statement of foreign.made) await sql(statement);
    await sql("INSERT INTO $T (id, name) VALUES (1, 'one'), (2, 'two')");
    await isRefused(engine, name, foreign);
  });
}

/** Every type that another engine may have made a column of, nested ones included. */
const EVERY_TYPE: readonly SchemaField[] = [
  field('id', 'long', false),
  field('name', 'string'),
  field('tiny', 'byte'),
  field('small', 'short'),
  field('single', 'float'),
  field('local', 'timestamp_ntz'),
  field('amount', 'decimal(38,10)'),
  field('one', {
    type: 'struct',
    fields: [
      field('must', 'integer', false),
      field('days', {
        type: 'array',
        elementType: { type: 'struct', fields: [field('day', 'date'), field('at', 'timestamp')] },
        containsNull: true,
      }),
    ],
  }),
  field('by_name', { type: 'map', keyType: 'string', valueType: 'decimal(10,2)', valueContainsNull: true }),
];
const everyType = (id: number) => ({
  id: String(id),
  name: id % 2 === 0 ? null : `it's row ${id}`,
  tiny: -128,
  small: 32767,
  single: 0.5,
  local: '1969-12-31T23:59:59.999999',
  amount: '-9999999999999999999999999999.9999999999',
  one: id % 3 === 0 ? null : { must: id, days: [null, { day: '0001-01-01', at: '9999-12-31T23:59:59.999999Z' }] },
  by_name: { [`key "${id}"`]: '12.50', none: null },
});

/** Both write every type in turn, and all read it. */
async function writeEveryType(engine: ForeignEngine, name: string): Promise<void> {
  const path = tablePath(lake, name);
  const table = await lake.open(name);
  const check = async (...ids: readonly number[]) => {
    for (const reader of engines.all)
      await agrees(lake, reader, name, { key: 'id', predicates: ['small > 0', 'tiny = -128', 'single < 1'] });
    assert.deepEqual(sortedBy(await (await lake.open(name)).readRows(), 'id'), sortedBy(ids.map(everyType), 'id'));
  };
  await table.append(block([everyType(3), everyType(4)]));
  await table.merge(block([{ id: 1, name: 'merged' }, everyType(5)]), { key: ['id'] });
  await table.merge(block([everyType(1), everyType(2)]), { key: ['id'] });
  await check(1, 2, 3, 4, 5);
  await engine.run('delete', { table: path, where: 'id = 3' });
  // Spark writes no null where a part of it must not be null, as row 6 has one.
  await engine.run('merge', { table: path, rows: [everyType(2), everyType(7)], key: ['id'] });
  await table.refresh();
  await table.optimize();
  await table.checkpoint();
  await check(1, 2, 4, 5, 7);
  await assert.rejects(table.append(block([{ name: 'no id' }, { id: 8, one: { days: [] } }])), (error: unknown) => {
    assert.ok(error instanceof RowConversionError);
    assert.deepEqual(
      error.rows.map(({ index, column }) => [index, column]),
      [
        [0, 'id'],
        [1, 'one'],
      ],
    );
    return true;
  });
}

test('delta-rs and we write a table of every type, nested ones and such that must not be null', {
  skip: engines.missing('delta-rs'),
}, async () => {
  const engine = engines.get('delta-rs');
  assert.ok(engine);
  const table = tablePath(lake, 'rs-types');
  await engine.run('create', { table, rows: [everyType(1), everyType(2)], schema: { type: 'struct', fields: EVERY_TYPE } });
  // Without it in the list Spark opens no table whose columns must not be null, and delta-rs leaves it out.
  await engine.run('add_feature', { table, feature: 'Invariants' });
  await writeEveryType(engine, 'rs-types');
});

if (ENGINE_NAMES.includes('Spark')) {
  test('Spark and we write a table of every type, nested ones and such that must not be null', {
    skip: engines.missing('Spark'),
  }, async () => {
    const engine = engines.get('Spark');
    assert.ok(engine);
    const table = tablePath(lake, 'spark-types');
    const columns = `id BIGINT NOT NULL, name STRING, tiny TINYINT, small SMALLINT, single FLOAT, local TIMESTAMP_NTZ, amount DECIMAL(38,10),
      one STRUCT<must: INT NOT NULL, days: ARRAY<STRUCT<day: DATE, at: TIMESTAMP>>>, by_name MAP<STRING, DECIMAL(10,2)>`;
    // Features that we honour.
    const properties = "'delta.enableDeletionVectors' = 'true', 'delta.feature.domainMetadata' = 'supported'";
    await engine.run('run', { sql: `CREATE TABLE delta.\`${table}\` (${columns}) USING delta TBLPROPERTIES (${properties})` });
    await engine.run('append', { table, rows: [everyType(1), everyType(2)] });
    await writeEveryType(engine, 'spark-types');
  });
}
