import { DELTA_TYPE, type DeltaType, PermanentError, type TableDefinition } from '@pipeline-host/sdk';
import { type TObject, Type } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import type { DeltaColumn, TableSpec } from '../../delta/index.ts';

/** Turns rows into lines of JSON for one table, checked before anything is written. */
export interface RowEncoder {
  /** One line, without a line feed. @throws PermanentError `PH_ROW_INVALID` */
  encode(row: object): string;
}

/** The Delta columns of a row schema, in its order. A column that may be null is nullable in the table. */
function deltaColumns({ row, options }: TableDefinition): DeltaColumn[] {
  return Object.entries(row.properties).map(([name, schema]) => {
    const aliases = options.aliases?.[name] ?? [];
    const own = schema[DELTA_TYPE] as DeltaType | undefined;
    if (own !== undefined) return { name, type: own, nullable: false, aliases };
    const members = (schema['anyOf'] as readonly (typeof schema)[] | undefined) ?? [];
    const typed = members.find((member) => member[DELTA_TYPE] !== undefined);
    return { name, type: typed?.[DELTA_TYPE] as DeltaType, nullable: true, aliases };
  });
}

/** What the host makes of a definition where there is no table yet, and holds one against that is there. */
export function tableSpec(table: TableDefinition): TableSpec {
  const { options } = table;
  return {
    name: table.name,
    columns: deltaColumns(table),
    partitionBy: options.partitionBy ?? [],
    ...(options.mode === 'merge' && { key: options.key }),
    deletionVectors: options.mode === 'merge' && (options.deletionVectors ?? true),
  };
}

export function createRowEncoder(table: TableDefinition): RowEncoder {
  const columns = deltaColumns(table);
  const check = compileRowCheck(table.row, new Set(columns.filter((column) => column.nullable).map((column) => column.name)));
  const wide = columns.filter((column) => column.type === 'long').map((column) => column.name);
  return {
    encode(row) {
      const plain = withoutBigints(row, wide);
      if (!check.Check(plain)) {
        const fault = check.Errors(plain).First();
        throw new PermanentError(
          'PH_ROW_INVALID',
          `row of ${table.name}: ${fault === undefined ? 'does not fit' : `column ${fault.path.slice(1)}: ${fault.message}`}`,
          {
            place: `table ${table.name}`,
          },
        );
      }
      return JSON.stringify(plain);
    },
  };
}

/** The row schema as writers give it: nullable columns may be absent, unknown columns may not be there. */
function compileRowCheck(row: TObject, nullable: ReadonlySet<string>): TypeCheck<TObject> {
  const properties = Object.fromEntries(
    Object.entries(row.properties).map(([name, schema]) => [name, nullable.has(name) ? Type.Optional(schema) : schema]),
  );
  return TypeCompiler.Compile(Type.Object(properties, { additionalProperties: false }));
}

/** JSON has no bigint: a wide column goes as digits in text. */
function withoutBigints(row: object, wide: readonly string[]): object {
  let copy: Record<string, unknown> | null = null;
  for (const name of wide) {
    const value = (row as Readonly<Record<string, unknown>>)[name];
    if (typeof value === 'bigint') {
      copy ??= { ...row };
      copy[name] = String(value);
    }
  }
  return copy ?? row;
}
