import type { MetaData } from '../log/actions.ts';
import type { SchemaField, SchemaType } from '../schema/column-type.ts';

/** Delta's default of `delta.dataSkippingNumIndexedCols`. */
const INDEXED_COLUMNS = 32;

/**
 * The columns whose bounds stand in the log, by the table's properties: those that `delta.dataSkippingStatsColumns` names,
 * else the first `delta.dataSkippingNumIndexedCols` (32; -1 for all), partition columns left out and nested fields counted
 * one by one. A table that wants none of a column, for the size of the log or for what it holds, gets none.
 */
export function statisticsColumns(metaData: MetaData, fields: readonly SchemaField[]): ReadonlySet<string> {
  const configuration = metaData.configuration ?? {};
  const stored = fields.filter((field) => !metaData.partitionColumns.includes(field.name));
  const named = configuration['delta.dataSkippingStatsColumns'];
  if (named !== undefined) {
    const names = new Set(columnNames(named));
    return new Set(stored.filter(({ name }) => names.has(name.toLowerCase())).map(({ name }) => name));
  }
  const configured = Number(configuration['delta.dataSkippingNumIndexedCols'] ?? INDEXED_COLUMNS);
  const most = configured === -1 ? Number.POSITIVE_INFINITY : Number.isSafeInteger(configured) ? configured : INDEXED_COLUMNS;
  const indexed = new Set<string>();
  let leaves = 0;
  for (const { name, type } of stored) {
    leaves += leavesOf(type);
    if (leaves <= most) indexed.add(name);
  }
  return indexed;
}

/** `a, b.c, `d,e``: names of columns, those with odd characters in backticks. Nested fields have no bounds of ours. */
function columnNames(text: string): readonly string[] {
  return [...text.matchAll(/`((?:[^`]|``)*)`|[^,\s`]+/g)].map(([whole, quoted]) => (quoted?.replaceAll('``', '`') ?? whole).toLowerCase());
}

function leavesOf(type: SchemaType): number {
  if (typeof type === 'string' || type.type !== 'struct') return 1;
  return type.fields.reduce((sum, field) => sum + leavesOf(field.type), 0);
}
