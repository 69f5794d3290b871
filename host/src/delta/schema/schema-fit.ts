import { deltaError } from '../delta-errors.ts';
import type { MetaData, Protocol } from '../log/actions.ts';
import { hasDeletionVectors } from '../log/protocol.ts';
import { type DeltaColumn, decimalOf, type SchemaField, type SchemaType, typeText } from './column-type.ts';
import { parseSchema, type TableSpec } from './schema.ts';
import { checkColumnNames } from './table-columns.ts';

/** In what a live table differs from its definition, where rows can be written all the same. */
export interface SchemaDifference {
  /** In words, with the column. */
  readonly text: string;
  /** Whether the live table refuses rows that the definition allows. */
  readonly refusesRows: boolean;
}

/** How the rows of a definition go into a live table. */
export interface SchemaFit {
  /** The definition's name of a live column, where it is another: by an alias. */
  readonly givenNames: ReadonlyMap<string, string>;
  /** Nullable columns that the live table lacks. */
  readonly missing: readonly DeltaColumn[];
  readonly differences: readonly SchemaDifference[];
}

/** What of a live table a definition is held against. */
export interface LiveTable {
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  /** Whether merges mark replaced rows by deletion vectors. */
  readonly deletionVectors: boolean;
}

/** Throws `PH_DELTA_SCHEMA` for columns that no query could tell from its own. */
export function liveTable(table: string, protocol: Protocol, metaData: MetaData): LiveTable {
  const fields = parseSchema(table, metaData.schemaString);
  checkColumnNames(table, fields);
  return {
    fields,
    partitionBy: metaData.partitionColumns,
    deletionVectors: hasDeletionVectors(protocol, metaData),
  };
}

/** The live column of a definition's: its own name, else the first alias that is there. */
export function liveColumn(fields: readonly SchemaField[], name: string, aliases: readonly string[] = []): SchemaField | undefined {
  return [name, ...aliases].flatMap((one) => fields.find((field) => field.name === one) ?? [])[0];
}

/**
 * Holds a live table against its definition. The live table wins wherever each row is either written exactly or refused
 * whole. Throws `PH_DELTA_SCHEMA` naming every column where that cannot be had; nullable columns that it lacks are among
 * them unless they are `wanted`.
 */
export function fitSchema(table: string, live: LiveTable, spec: TableSpec, missingColumns: 'refused' | 'wanted' = 'refused'): SchemaFit {
  const faults: string[] = [];
  const differences: SchemaDifference[] = [];
  const missing: DeltaColumn[] = [];
  const givenNames = new Map<string, string>();
  const used = new Set<SchemaField>();
  const differ = (text: string, refusesRows = false): number => differences.push({ text, refusesRows });
  for (const column of spec.columns) {
    const field = liveColumn(live.fields, column.name, column.aliases);
    if (field === undefined) {
      const other = live.fields.find(({ name }) => name.toLowerCase() === column.name.toLowerCase());
      if (other !== undefined) faults.push(`${column.name} is written ${other.name} there`);
      else if (!column.nullable) faults.push(`${column.name} is missing, and what must not be null cannot be added`);
      else if (missingColumns === 'refused') faults.push(`${column.name} is missing`);
      else missing.push(column);
      continue;
    }
    used.add(field);
    if (field.name !== column.name) {
      givenNames.set(field.name, column.name);
      differ(`${column.name} is written as ${field.name}`);
    }
    const values = valueFit(column.type, field.type, spec.key?.includes(column.name) === true);
    if (values === 'none') faults.push(`${column.name} is ${typeText(field.type)} there, not ${column.type}`);
    else if (values !== 'same')
      differ(
        `${column.name} is ${typeText(field.type)} there, not ${column.type}${values === 'some' ? ': values that do not fit are refused' : ''}`,
        values === 'some',
      );
    if (column.nullable && !field.nullable) differ(`${column.name} must not be null there: rows without it are refused`, true);
  }
  for (const field of live.fields) {
    if (used.has(field)) continue;
    if (!field.nullable) faults.push(`${field.name} must not be null there, and the definition has no such column`);
    else differ(`${field.name} is no column of the definition: it is kept, and null in new rows`);
  }
  if (faults.length > 0)
    throw deltaError('PH_DELTA_SCHEMA', table, `the live table ${table} does not fit its definition: ${faults.join('; ')}`);
  const partitionBy = live.partitionBy.map((name) => givenNames.get(name) ?? name);
  if (partitionBy.join('\0') !== spec.partitionBy.join('\0'))
    differ(`it is partitioned by ${partitionText(live.partitionBy)}, not by ${partitionText(spec.partitionBy)}`);
  if (spec.deletionVectors === true && !live.deletionVectors)
    differ('it has no deletion vectors: merges write files anew ("tables upgrade" would turn them on)');
  return { givenNames, missing, differences };
}

function partitionText(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}

/** Which values of a type a column of another holds exactly. */
type ValueFit = 'same' | 'every' | 'some' | 'none';

/** Types that a text may stand for. A text has more digits than `float` keeps, and means no bytes. */
const WRITTEN_AS_TEXT: ReadonlySet<string> = new Set(['long', 'integer', 'short', 'byte', 'double', 'boolean', 'date', 'timestamp']);

/** A merge key finds its row by the live column's value: there two values must never become one, as the texts `7` and `07` would. */
function valueFit(wanted: string, live: SchemaType, isKey: boolean): ValueFit {
  if (typeof live !== 'string') return 'none';
  const given = digitsOf(wanted);
  const held = digitsOf(live);
  if (given !== null && held !== null) {
    if (given.whole === held.whole && given.scale === held.scale && given.isDecimal === held.isDecimal) return 'same';
    if (given.scale > 0 && !held.isDecimal) return 'none';
    // The greatest `long` has 19 digits, and not each number of 19 digits is one.
    const holdsWhole = given.isDecimal && !held.isDecimal ? held.whole > given.whole : held.whole >= given.whole;
    return holdsWhole && held.scale >= given.scale ? 'every' : 'some';
  }
  if (wanted === live) return 'same';
  if (isKey) return 'none';
  if (wanted === 'string') return WRITTEN_AS_TEXT.has(live) || held !== null ? 'some' : 'none';
  if (wanted === 'integer' && live === 'double') return 'every';
  return wanted === 'date' && live === 'timestamp' ? 'every' : 'none';
}

/** Digits of the greatest number. */
const WHOLE_DIGITS: Readonly<Record<string, number>> = { byte: 3, short: 5, integer: 10, long: 19 };

function digitsOf(type: string): { readonly whole: number; readonly scale: number; readonly isDecimal: boolean } | null {
  const decimal = decimalOf(type);
  if (decimal !== null) return { whole: decimal.precision - decimal.scale, scale: decimal.scale, isDecimal: true };
  const whole = Object.hasOwn(WHOLE_DIGITS, type) ? WHOLE_DIGITS[type] : undefined;
  return whole === undefined ? null : { whole, scale: 0, isDecimal: false };
}
