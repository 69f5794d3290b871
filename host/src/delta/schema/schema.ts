import { deltaError } from '../delta-errors.ts';
import { type DeltaColumn, decimalOf, type SchemaField } from './column-type.ts';
import { isReservedName, partitionFault } from './table-columns.ts';

/** What a table is to be when it is created, and what it must offer when it is there already. */
export interface TableSpec {
  readonly name: string;
  readonly columns: readonly DeltaColumn[];
  readonly partitionBy: readonly string[];
  /** Of a merge table. In one that exists its columns have the types of the definition. */
  readonly key?: readonly string[];
  /** Merges mark replaced rows instead of writing their files anew. Only for a new table; readers must know the feature. Default false. */
  readonly deletionVectors?: boolean;
  readonly properties?: Readonly<Record<string, string>>;
  readonly description?: string;
}

/** The `schemaString` of a table's metadata: of columns, behind those that are there. */
export function schemaText(columns: readonly DeltaColumn[], before: readonly SchemaField[] = []): string {
  const fields = columns.map(({ name, type, nullable }) => ({ name, type, nullable, metadata: {} }));
  return JSON.stringify({ type: 'struct', fields: [...before, ...fields] });
}

/** The columns of a live table. Throws `PH_DELTA_LOG_DAMAGED` for text that is no schema. */
export function parseSchema(table: string, text: string): readonly SchemaField[] {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    throw deltaError('PH_DELTA_LOG_DAMAGED', table, `the schema of ${table} is no JSON`, { cause: error });
  }
  if (typeof schema === 'object' && schema !== null && 'fields' in schema && Array.isArray(schema.fields))
    return schema.fields as readonly SchemaField[];
  throw deltaError('PH_DELTA_LOG_DAMAGED', table, `the schema of ${table} is no struct`);
}

/** Throws `PH_DELTA_SCHEMA` for a definition that no table could have. */
export function checkSpec(spec: TableSpec): void {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const column of spec.columns) {
    const lower = column.name.toLowerCase();
    if (seen.has(lower)) faults.push(`column ${column.name} twice (names are compared without case)`);
    seen.add(lower);
    if (column.name === '') faults.push('a column without a name');
    if (column.name.includes('\0')) faults.push(`column ${JSON.stringify(column.name)}, whose name holds U+0000`);
    if (isReservedName(column.name)) faults.push(`column ${column.name}, whose name begins as the columns that queries add`);
    // Without column mapping these characters cannot stand in a Parquet column name (PROTOCOL.md "Reader Requirements for Column Mapping").
    if (/[ ,;{}()\n\t=]/.test(column.name)) faults.push(`column ${JSON.stringify(column.name)} has one of the characters " ,;{}()\\n\\t="`);
    const decimal = decimalOf(column.type);
    if (decimal !== null && (decimal.precision < 1 || decimal.precision > 38 || decimal.scale > decimal.precision))
      faults.push(`column ${column.name}: ${column.type} is out of range`);
  }
  for (const name of spec.partitionBy) {
    const column = spec.columns.find((one) => one.name === name);
    const fault = partitionFault(name, spec.partitionBy);
    if (fault !== null) faults.push(`partition column ${name} ${fault}`);
    if (column === undefined) faults.push(`partition column ${name} is no column`);
    else if (column.type === 'binary' || column.type === 'double')
      faults.push(`partition column ${name} is ${column.type}; choose a string, date or whole number`);
  }
  if (spec.columns.length > 0 && spec.columns.length === spec.partitionBy.length) faults.push('every column is a partition column');
  if (spec.columns.length === 0) faults.push('no columns');
  if (faults.length > 0)
    throw deltaError('PH_DELTA_SCHEMA', spec.name, `table ${spec.name} cannot be made: ${faults.join('; ')}`, {
      hint: "mend the table's definition",
    });
}
