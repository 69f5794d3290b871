import { type DeltaType, PermanentError } from '@pipeline-host/sdk';

export type { DeltaType } from '@pipeline-host/sdk';

export interface DeltaColumn {
  readonly name: string;
  readonly type: DeltaType;
  readonly nullable: boolean;
  /** Names under which a table that exists may have the column. A new one has its own. */
  readonly aliases?: readonly string[];
}

/** A type as the schema of a live table may hold it; tables of others also have nested and narrow types. */
export type SchemaType =
  | string
  | { readonly type: 'struct'; readonly fields: readonly SchemaField[] }
  | { readonly type: 'array'; readonly elementType: SchemaType; readonly containsNull: boolean }
  | { readonly type: 'map'; readonly keyType: SchemaType; readonly valueType: SchemaType; readonly valueContainsNull: boolean };

export interface SchemaField {
  readonly name: string;
  readonly type: SchemaType;
  readonly nullable: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const DECIMAL = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/;

const DUCK_TYPES: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  short: 'SMALLINT',
  byte: 'TINYINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  timestamp_ntz: 'TIMESTAMP',
};

/** Precision and scale of a decimal type, null for another type. */
export function decimalOf(type: SchemaType): { readonly precision: number; readonly scale: number } | null {
  const match = typeof type === 'string' ? DECIMAL.exec(type) : null;
  return match === null ? null : { precision: Number(match[1]), scale: Number(match[2]) };
}

/** The DuckDB type that holds a Delta type exactly. Throws `PH_DELTA_SCHEMA` for one that we do not know. */
export function duckType(type: SchemaType): string {
  if (typeof type === 'string') {
    const simple = simpleType(type);
    if (simple === null) throw new PermanentError('PH_DELTA_SCHEMA', `the column type ${type} is not supported`);
    return simple;
  }
  switch (type.type) {
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `${identifier(field.name)} ${duckType(field.type)}`).join(', ')})`;
    case 'array':
      return `${duckType(type.elementType)}[]`;
    case 'map':
      return `MAP(${duckType(type.keyType)}, ${duckType(type.valueType)})`;
  }
}

/** The types within a type for which {@link duckType} has none. */
export function* unknownTypes(type: SchemaType): Generator<string> {
  if (typeof type === 'string') {
    if (simpleType(type) === null) yield type;
  } else if (type.type === 'struct') for (const field of type.fields) yield* unknownTypes(field.type);
  else if (type.type === 'array') yield* unknownTypes(type.elementType);
  else {
    yield* unknownTypes(type.keyType);
    yield* unknownTypes(type.valueType);
  }
}

function simpleType(type: string): string | null {
  const decimal = decimalOf(type);
  if (decimal !== null && decimal.precision >= 1 && decimal.precision <= 38 && decimal.scale <= decimal.precision)
    return `DECIMAL(${decimal.precision},${decimal.scale})`;
  return (Object.hasOwn(DUCK_TYPES, type) ? DUCK_TYPES[type] : undefined) ?? null;
}

/** A type in words, for messages. */
export function typeText(type: SchemaType): string {
  return typeof type === 'string' ? type : duckType(type).toLowerCase();
}

/** A quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A quoted SQL string. U+0000 would end the statement for DuckDB's parser, so that it is put in between. */
export function literal(text: string): string {
  const quoted = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return quoted.length === 1 ? quoted.join('') : `(${quoted.join(' || chr(0) || ')})`;
}
