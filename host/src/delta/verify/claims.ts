import { duckType, identifier, literal, type SchemaField, typeText } from '../schema/column-type.ts';
import type { Check } from './findings.ts';
import { type LoggedStatistics, statisticAt } from './logged-statistics.ts';

/** Something that the log says of the rows of a file. */
export interface Claim {
  readonly check: Check;
  readonly column: string;
  /** SQL over the file's rows that gives what is true where the claim is not, else null. */
  readonly sql: string;
  readonly is: string;
  readonly should: (truth: string) => string;
}

interface Leaf {
  readonly names: readonly string[];
  readonly expression: string;
  /** Null for one whose bounds are not kept. */
  readonly type: string | null;
}

/** The alias of the relation that the claims are about. */
export const ROWS = '__ph_rows';

const UNBOUNDED: ReadonlySet<unknown> = new Set(['boolean', 'binary']);

/** What the schema and the statistics say of the rows that are in a file and not deleted. */
export function claimsOf(fields: readonly SchemaField[], statistics: LoggedStatistics): readonly Claim[] {
  const required = fields.filter((field) => !field.nullable).map(requiredClaim);
  return [...required, ...leavesOf(fields).flatMap((leaf) => [...statisticsClaims(leaf, statistics)])];
}

function requiredClaim({ name }: SchemaField): Claim {
  return {
    check: 'schema',
    column: name,
    sql: nullsUnless(`${ROWS}.${identifier(name)}`, 0),
    is: 'no column for null',
    should: (nulls) => `without null, and ${nulls} are`,
  };
}

function* statisticsClaims(leaf: Leaf, statistics: LoggedStatistics): Generator<Claim> {
  const column = leaf.names.join('.');
  const nulls = statisticAt(statistics.nullCount, leaf.names);
  // Without tight bounds only "none" and "all" say something (PROTOCOL.md "Per-file Statistics").
  const isTight = statistics.tightBounds !== false;
  const count = `count(${leaf.expression})`;
  if (nulls !== null && (isTight || nulls === '0'))
    yield claim(column, `nullCount ${nulls}`, nullsUnless(leaf.expression, Number(nulls)), (truth) => truth);
  else if (nulls !== null && nulls === statistics.numRecords)
    yield claim(
      column,
      'nullCount of all rows',
      `CASE WHEN ${count} > 0 THEN CAST(${count} AS VARCHAR) END`,
      (values) => `less: ${values} have a value`,
    );
  if (leaf.type === null || UNBOUNDED.has(leaf.type)) return;
  const minimum = statisticAt(statistics.minValues, leaf.names);
  const maximum = statisticAt(statistics.maxValues, leaf.names);
  const [least, greatest] = [`min(${leaf.expression})`, `max(${leaf.expression})`];
  if (minimum !== null) {
    yield readable(leaf.type, column, minimum);
    const broken = `${least} < ${bound(leaf.type, minimum)}`;
    yield claim(column, `minimum ${JSON.stringify(minimum)}`, textIf(broken, least), (truth) => `at most ${JSON.stringify(truth)}`);
  }
  if (maximum !== null) {
    yield readable(leaf.type, column, maximum);
    // Other writers cut times to milliseconds, maximums too, and every reader knows.
    const cut = leaf.type.startsWith('timestamp') ? `date_trunc('millisecond', ${greatest})` : greatest;
    const broken = `${cut} > ${bound(leaf.type, maximum)}`;
    yield claim(column, `maximum ${JSON.stringify(maximum)}`, textIf(broken, greatest), (truth) => `at least ${JSON.stringify(truth)}`);
  }
}

function claim(column: string, is: string, sql: string, should: Claim['should']): Claim {
  return { check: 'statistics', column, is, sql, should };
}

function readable(type: string, column: string, text: string): Claim {
  const sql = `CASE WHEN ${bound(type, text)} IS NULL THEN '' END`;
  return claim(column, `bound ${JSON.stringify(text)}`, sql, () => `a ${typeText(type)}`);
}

/** Texts compare by their UTF-8 bytes in DuckDB, as in statistics. */
function bound(type: string, text: string): string {
  return `TRY_CAST(${literal(text)} AS ${duckType(type)})`;
}

function nullsUnless(expression: string, expected: number): string {
  const nulls = `(count(*) - count(${expression}))`;
  return textIf(`${nulls} <> ${expected}`, nulls);
}

function textIf(condition: string, value: string): string {
  return `CASE WHEN ${condition} THEN CAST(${value} AS VARCHAR) END`;
}

/** Columns, and the fields of structs at any depth. */
function leavesOf(fields: readonly SchemaField[], parent: Leaf = { names: [], expression: ROWS, type: null }): readonly Leaf[] {
  return fields.flatMap(({ name, type }) => {
    const leaf = { names: [...parent.names, name], expression: `${parent.expression}.${identifier(name)}`, type: null };
    if (typeof type === 'string') return [{ ...leaf, type }];
    return type.type === 'struct' ? leavesOf(type.fields, leaf) : [leaf];
  });
}
