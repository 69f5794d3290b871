import { deltaError } from '../delta-errors.ts';
import { isTooLongForFolders } from '../rows/partition-text.ts';
import { type SchemaField, type SchemaType, unknownTypes } from './column-type.ts';

/** Names of the columns that queries add begin so, without regard to case. */
export function isReservedName(column: string): boolean {
  return column.toLowerCase().startsWith('__ph_');
}

/** Throws `PH_DELTA_SCHEMA`, naming each column of a live table that hides one which queries add. */
export function checkColumnNames(table: string, fields: readonly SchemaField[]): void {
  const reserved = fields.filter(({ name }) => isReservedName(name)).map(({ name }) => name);
  if (reserved.length > 0)
    throw deltaError(
      'PH_DELTA_SCHEMA',
      table,
      `the table ${table} cannot be opened: names that begin with __ph_ (${reserved.join(', ')}) are those of columns that queries add`,
      {
        hint: 'rename the columns with the engine that made the table',
      },
    );
}

/** Throws `PH_DELTA_SCHEMA`, naming each column of a live table into which no row can be written. */
export function checkWritableColumns(table: string, fields: readonly SchemaField[], partitionBy: readonly string[]): void {
  const faults = fields.flatMap(({ name, type }) => {
    const unknown = [...new Set(unknownTypes(type))];
    return unknown.length === 0 ? [] : [`column ${name} has the unknown type ${unknown.join(', ')}`];
  });
  for (const name of partitionBy) {
    const type = fields.find((field) => field.name === name)?.type;
    const fault = type === undefined ? 'is no column' : (partitionFault(name, partitionBy) ?? unfitForPartition(type));
    if (fault !== null) faults.push(`partition column ${name} ${fault}`);
  }
  if (faults.length > 0)
    throw deltaError('PH_DELTA_SCHEMA', table, `the table ${table} cannot be written: ${faults.join('; ')}`, {
      hint: 'write it with the engine that made it, or leave these columns out of the table',
    });
}

/** Why no table can be partitioned by a column of the name, or null. */
export function partitionFault(name: string, partitionBy: readonly string[]): string | null {
  if (isTooLongForFolders(name)) return 'has a name that is too long for a folder';
  return name === '*' && partitionBy.length === 1 ? 'is all columns to DuckDB' : null;
}

/** The log has a text for binary values that is not DuckDB's. */
function unfitForPartition(type: SchemaType): string | null {
  if (typeof type !== 'string') return `is a ${type.type}`;
  return type === 'binary' ? 'is binary' : null;
}
