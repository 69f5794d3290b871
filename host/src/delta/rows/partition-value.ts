import type { SchemaType } from '../schema/column-type.ts';

/** DuckDB's text of each partition column's value. */
export type Partition = ReadonlyMap<string, string | null>;

/** The partition's folder below the table's, named as `PARTITION_BY` names it: `day=2026-01-01`. */
export function partitionFolder(partitionBy: readonly string[], partition: Partition): string {
  const segment = (name: string) => `${encodeSegment(name)}=${encodeSegment(partition.get(name) ?? '__HIVE_DEFAULT_PARTITION__')}`;
  return partitionBy.map(segment).join('/');
}

/** A name or value as it stands in a partition's folder: all but letters, digits and `-._~` as the hexadecimal of its bytes. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The text that {@link encodeSegment}, or another writer of Delta, has encoded; the segment itself where it holds what is no escape. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return segment;
    throw error;
  }
}

/** DuckDB's text of a partition value as the log writes it. */
export function encodePartitionValue(type: SchemaType | undefined, value: string | null): string | null {
  if (value === null || value === '') return null;
  if (type !== 'timestamp' && type !== 'timestamp_ntz') return value;
  // Kernel, delta-rs and polars cannot parse DuckDB's `2026-01-01 00:00:00.5+00`.
  const zone = type === 'timestamp' ? 'Z' : '';
  return value.replace(' ', 'T').replace(/\+00$/, '') + zone;
}
