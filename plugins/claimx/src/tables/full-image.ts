import type { ColumnPolicy, Type } from '@pipeline-host/sdk';

type Columns = Parameters<typeof Type.Object>[0];

/**
 * The policies of a table whose rows are images of what the API holds: null clears, but in the columns named otherwise. A
 * column that a row leaves out keeps its value all the same.
 */
export function fullImage<Given extends Columns, const Key extends keyof Given & string>(
  columns: Given,
  key: readonly Key[],
  others: Readonly<Partial<Record<Exclude<keyof Given & string, Key>, ColumnPolicy>>>,
): Readonly<Record<Exclude<keyof Given & string, Key>, ColumnPolicy>> {
  const isKey = (column: string): boolean => (key as readonly string[]).includes(column);
  const policies = Object.keys(columns)
    .filter((column) => !isKey(column))
    .map((column) => [column, (others as Readonly<Record<string, ColumnPolicy>>)[column] ?? 'always']);
  return Object.fromEntries(policies) as Record<Exclude<keyof Given & string, Key>, ColumnPolicy>;
}
