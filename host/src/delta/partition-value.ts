import { identifier, type SchemaField, type SchemaType } from './column-type.ts';

/** SQL that makes a partition column ready for `PARTITION_BY`: the empty text means null to every reader (PROTOCOL.md "Partition Value Serialization"). */
export function partitionExpression(field: SchemaField): string {
  const column = identifier(field.name);
  return field.type === 'string' ? `nullif(${column}, '')` : column;
}

/** DuckDB's text of a partition value as the log writes it. */
export function encodePartitionValue(type: SchemaType | undefined, value: string | null): string | null {
  if (value === null || value === '') return null;
  if (type !== 'timestamp' && type !== 'timestamp_ntz') return value;
  // Kernel, delta-rs and polars cannot parse DuckDB's `2026-01-01 00:00:00.5+00`.
  const zone = type === 'timestamp' ? 'Z' : '';
  return value.replace(' ', 'T').replace(/\+00$/, '') + zone;
}
