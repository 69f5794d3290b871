import {
  DuckDBBlobValue,
  DuckDBMapValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValueConverter,
  type Json,
  JsonDuckDBValueConverter,
} from '@duckdb/node-api';

/**
 * A value as JSON can hold it without loss, inside structs, arrays and maps too: 64-bit whole numbers and decimals as text,
 * NaN, Infinity, -Infinity and -0.0 as text, times as ISO text with microseconds, dates as text, binary as base64; a map as
 * an object whose names are the keys as text.
 */
export const exactJson: DuckDBValueConverter<Json> = (value, type, nested) => {
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64');
  if (value instanceof DuckDBTimestampTZValue) return isoMicroseconds(value.micros, 'Z') ?? String(value);
  if (value instanceof DuckDBTimestampValue) return isoMicroseconds(value.micros, '') ?? String(value);
  if (Object.is(value, -0)) return '-0.0';
  const json = JsonDuckDBValueConverter(value, type, nested);
  return value instanceof DuckDBMapValue && Array.isArray(json) ? Object.fromEntries(json.map(mapEntry)) : json;
};

/** One of the pairs that DuckDB's own converter makes of a map. */
function mapEntry(pair: Json): readonly [string, Json] {
  if (pair === null || typeof pair !== 'object' || Array.isArray(pair)) throw new TypeError('DuckDB gave a map without pairs');
  const { key = null, value = null } = pair;
  return [typeof key === 'string' ? key : JSON.stringify(key), value];
}

/** Null beyond what a date can be: DuckDB's infinity. */
function isoMicroseconds(micros: bigint, zone: string): string | null {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const second = new Date(Number((micros - fraction) / 1000n));
  if (Number.isNaN(second.getTime())) return null;
  return `${second.toISOString().slice(0, -'.000Z'.length)}.${String(fraction).padStart(6, '0')}${zone}`;
}
