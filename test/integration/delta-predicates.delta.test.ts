import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { block, column, openLake } from '../host/delta/delta-fixture.ts';
import { agrees } from './foreign/agreement.ts';
import { ENGINE_NAMES, openForeignEngines } from './foreign/engines.ts';

const lake = await openLake();
const engines = await openForeignEngines();
after(async () => {
  await engines[Symbol.asyncDispose]();
  await lake.close();
});

/** Of each column: its type, and values near to one another, to limits, and to where statistics are cut. */
const VALUES = {
  word: [
    'string',
    ['a', 'B', 'ab', "it's", 'z'.repeat(32), 'z'.repeat(33), `${'z'.repeat(32)}\u{1F600}`, 'é'.repeat(200), '\uFFFD', '\u{1F600}', ' '],
  ],
  whole: ['integer', [-2147483648, -1, 0, 1, 7, 2147483647]],
  long: ['long', ['-9223372036854775807', '-9007199254740993', '-1', '9007199254740992', '9007199254740993', '9223372036854775807']],
  amount: ['decimal(20,4)', ['-9999999999999999.9999', '-0.0001', '0.0000', '12.5000', '12.5001', '9999999999999999.9999']],
  ratio: ['double', [-1.5e300, -1.25, 0.1, 5e-324, 1.7976931348623157e308, 'NaN', 'Infinity', '-Infinity']],
  day: ['date', ['0001-01-01', '1582-10-04', '1969-12-31', '2026-02-28', '2400-02-29', '9999-12-31']],
  seen: [
    'timestamp',
    [
      '0001-01-01T00:00:00.000000Z',
      '1969-12-31T23:59:59.999999Z',
      '2026-01-05T14:22:07.123456Z',
      '2026-01-05T14:22:07.123457Z',
      '2026-01-05T14:22:07.123999Z',
      '2262-04-12T00:00:00.000001Z',
      '9999-12-31T23:59:59.999999Z',
    ],
  ],
  place: ['string', ['x', 'x/y', 'a b', '100%', '\u{1F600}']],
} as const;
type ColumnName = keyof typeof VALUES;
const NAMES = Object.keys(VALUES) as readonly ColumnName[];

const quoted = (text: string | number): string => `'${String(text).replaceAll("'", "''")}'`;

/** A value as SQL that DuckDB, DataFusion and Spark take alike. */
function literalOf(name: ColumnName, value: string | number): string {
  switch (VALUES[name][0]) {
    case 'decimal(20,4)':
      return `CAST(${quoted(value)} AS DECIMAL(20,4))`;
    case 'double':
      return `CAST(${quoted(value)} AS DOUBLE)`;
    case 'date':
      return `DATE ${quoted(value)}`;
    case 'timestamp':
      return `TIMESTAMP ${quoted(value)}`;
    case 'string':
      return quoted(value);
    default:
      return `CAST(${quoted(value)} AS BIGINT)`;
  }
}

const comparison = fc.constantFrom(...NAMES).chain((name) => {
  const value = fc.constantFrom<string | number>(...VALUES[name][1]).map((one) => literalOf(name, one));
  return fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom('=', '<', '<=', '>', '>='), value).map(([sign, one]) => `${name} ${sign} ${one}`) },
    fc.constant(`${name} IS NULL`),
    fc.constant(`${name} IS NOT NULL`),
    value.map((one) => `${name} <> ${one}`),
    fc.array(value, { minLength: 1, maxLength: 3 }).map((list) => `${name} IN (${list.join(', ')})`),
    fc.tuple(value, value).map(([low, high]) => `${name} BETWEEN ${low} AND ${high}`),
  );
});
const predicate = fc.oneof(
  { weight: 3, arbitrary: comparison },
  fc
    .tuple(comparison, fc.constantFrom('AND', 'OR', 'AND NOT'), comparison)
    .map(([one, joined, other]) => (joined === 'AND NOT' ? `${one} AND NOT (${other})` : `${one} ${joined} ${other}`)),
);

const someValues = fc.record(
  Object.fromEntries(NAMES.map((name) => [name, fc.option(fc.constantFrom<string | number>(...VALUES[name][1]), { freq: 6 })])),
);
/** Files of few rows have narrow bounds, so that readers have something to skip. */
const files = fc.array(fc.array(someValues, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 });

let tables = 0;

for (const name of ENGINE_NAMES) {
  test(`${name} skips no file that holds a row under any of some hundred random conditions`, { skip: engines.missing(name) }, async () => {
    const engine = engines.get(name);
    assert.ok(engine);
    await fc.assert(
      fc.asyncProperty(files, fc.array(predicate, { minLength: 25, maxLength: 25 }), fc.boolean(), async (appended, predicates, merges) => {
        tables += 1;
        const table = `random-${tables}`;
        const columns = NAMES.map((one) => column(one, VALUES[one][0]));
        const writer = await lake.create(table, [column('id', 'long'), ...columns], { partitionBy: ['place'], deletionVectors: true });
        const withIds = appended.map((rows, file) => rows.map((row, at) => ({ id: file * 100 + at, ...row })));
        for (const rows of withIds) await writer.append(block(rows));
        // Every third row anew: its file keeps its bounds, which are wider than its rows from now on.
        const again = withIds.flat().filter(({ id }) => id % 3 === 0);
        if (merges) await writer.merge(block(again.map((row, at) => ({ ...again.at(at - 1), id: row.id }))), { key: ['id'] });
        await agrees(lake, engine, table, { key: 'id', predicates });
      }),
      { numRuns: name === 'Spark' ? 2 : 6, endOnFailure: true },
    );
  });
}
