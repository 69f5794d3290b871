import type { SqlValue } from '../duckdb/engine.ts';
import { decimalOf, type SchemaField, type SchemaType } from '../schema/column-type.ts';

/** Delta's default length of text in statistics, in code points. DuckDB cuts its own at 256 bytes. */
const TEXT_LENGTH = 32;
const DIGITS = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * The `stats` text of an `add` with the bounds of the fields, from what DuckDB's `RETURN_STATS` gives for a file (a list of column and properties). The
 * text is put together by hand, so that the digits of 64-bit numbers and decimals never pass through a JS number.
 * Readers skip files by it: a bound may be wider than the data, never narrower.
 */
export function statisticsText(fields: readonly SchemaField[], rows: number, columns: SqlValue | undefined): string {
  const types = new Map(fields.map((field) => [field.name, field.type]));
  const minimums: string[] = [];
  const maximums: string[] = [];
  const nulls: string[] = [];
  for (const { name, properties } of columnProperties(columns)) {
    const type = types.get(name);
    if (type === undefined) continue;
    const key = JSON.stringify(name);
    const nullCount = properties.get('null_count');
    if (nullCount !== undefined) nulls.push(`${key}:${nullCount}`);
    const bounds = properties.get('has_nan') === 'true' ? null : boundsOf(type, properties.get('min'), properties.get('max'));
    if (bounds === null) continue;
    minimums.push(`${key}:${bounds.min}`);
    // Beyond year 9999 the rounded-up maximum is no ISO text, and a file without it is only never skipped.
    if (bounds.max !== null) maximums.push(`${key}:${bounds.max}`);
  }
  return `{"numRecords":${rows},"minValues":{${minimums.join()}},"maxValues":{${maximums.join()}},"nullCount":{${nulls.join()}}}`;
}

/**
 * The statistics of a file some of whose rows are taken out: its bounds are those of all rows. The text stays what it was,
 * for its digits; where it cannot simply be marked, only the number of rows is left of it.
 */
export function looseStatistics(text: string | undefined, rows: number): string {
  const parsed = text === undefined ? null : parsedObject(text);
  if (text !== undefined && parsed !== null && parsed['numRecords'] === rows) {
    if (parsed['tightBounds'] === false) return text;
    if (parsed['tightBounds'] === undefined) return text.trim().replace(/^\{/, '{"tightBounds":false,');
    if (TIGHT_AT_END.test(text)) return text.replace(TIGHT_AT_END, '"tightBounds":false}');
  }
  return `{"numRecords":${rows},"tightBounds":false}`;
}

/** As Spark writes it. */
const TIGHT_AT_END = /"tightBounds"\s*:\s*true\s*\}\s*$/;

function parsedObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null; // another writer's, and only a help to readers
  }
}

interface Bounds {
  readonly min: string;
  readonly max: string | null;
}

function boundsOf(type: SchemaType, min: string | undefined, max: string | undefined): Bounds | null {
  if (min === undefined || max === undefined) return null;
  switch (type) {
    case 'string': {
      const greatest = greatestText(max);
      return { min: JSON.stringify(leastText(min)), max: greatest === null ? null : JSON.stringify(greatest) };
    }
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(min) && /^\d{4}-\d\d-\d\d$/.test(max) ? { min: `"${min}"`, max: `"${max}"` } : null;
    case 'timestamp': {
      const [low, high] = [isoMilliseconds(min, 'down'), isoMilliseconds(max, 'up')];
      return low === null ? null : { min: `"${low}"`, max: high === null ? null : `"${high}"` };
    }
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
    case 'float':
    case 'double':
      return DIGITS.test(min) && DIGITS.test(max) ? { min, max } : null;
    default:
      return decimalOf(type) !== null && DIGITS.test(min) && DIGITS.test(max) ? { min, max } : null;
  }
}

function leastText(text: string): string {
  return [...text].slice(0, TEXT_LENGTH).join('');
}

const GREATEST_POINT = '\u{10FFFF}';

/** Cut text is followed by the greatest code point, so that it is greater than whatever was cut; null where that begins with it. */
function greatestText(text: string): string | null {
  const points = [...text];
  if (points.length <= TEXT_LENGTH) return text;
  return points[TEXT_LENGTH] === GREATEST_POINT ? null : points.slice(0, TEXT_LENGTH).join('') + GREATEST_POINT;
}

/** DuckDB's `2026-01-01 00:00:00.123456+00` as ISO text with milliseconds (PROTOCOL.md "Per-file Statistics"), rounded outwards. */
function isoMilliseconds(text: string, round: 'down' | 'up'): string | null {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text);
  if (match === null) return null;
  const micros = (match[3] ?? '').padEnd(6, '0');
  const millis = Date.parse(`${match[1]}T${match[2]}.${micros.slice(0, 3)}Z`) + (round === 'up' && micros.slice(3) !== '000' ? 1 : 0);
  const iso = new Date(millis).toISOString();
  return iso.length === 24 ? iso : null;
}

/** Top-level columns with their properties; keys are quoted paths such as `"a"."b"`, and nested ones are left out. */
function* columnProperties(
  columns: SqlValue | undefined,
): Generator<{ readonly name: string; readonly properties: ReadonlyMap<string, string> }> {
  for (const [path, properties] of mapEntries(columns)) {
    const names = [...path.matchAll(/"((?:[^"]|"")*)"/g)];
    const name = names[0]?.[1];
    if (names.length === 1 && name !== undefined) yield { name: name.replaceAll('""', '"'), properties: new Map(textEntries(properties)) };
  }
}

/** The entries of a MAP in DuckDB's JSON: `[{ key, value }, …]`. */
export function* mapEntries(map: SqlValue | undefined): Generator<readonly [key: string, value: SqlValue]> {
  if (!Array.isArray(map)) return;
  for (const entry of map) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) continue;
    const key = entry['key'];
    if (typeof key === 'string') yield [key, entry['value'] ?? null];
  }
}

function* textEntries(map: SqlValue): Generator<readonly [key: string, value: string]> {
  for (const [key, value] of mapEntries(map)) if (typeof value === 'string') yield [key, value];
}
