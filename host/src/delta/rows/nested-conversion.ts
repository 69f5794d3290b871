import { identifier, literal, type SchemaField, type SchemaType } from '../schema/column-type.ts';

/** A type that is no simple one. */
export type NestedType = Exclude<SchemaType, string>;

/** SQL that turns the text of one value into the field's type. */
type Convert = (field: Pick<SchemaField, 'type' | 'nullable'>, value: string, depth: number) => string;

/** SQL that is true for the JSON text of an object, or of a list, as the type wants it. */
export function nestedAcceptance(type: NestedType, value: string): string {
  const kind = type.type === 'array' ? 'ARRAY' : 'OBJECT';
  return `(CASE WHEN json_valid(${value}) THEN json_type(${value}) = '${kind}' ELSE false END)`;
}

/**
 * SQL that turns accepted JSON text into a struct, list or map, each value in it by `convert`. DuckDB's own cast of text
 * reads its own notation: it keeps JSON's escapes as they stand, rounds fractions to whole numbers, and takes base64 for bytes.
 */
export function nestedConversion(type: NestedType, value: string, depth: number, convert: Convert): string {
  const name = `ph${depth}`;
  switch (type.type) {
    case 'struct': {
      const structure = Object.fromEntries(type.fields.map((field) => [field.name, 'VARCHAR']));
      const members = type.fields.map((field) => {
        const column = identifier(field.name);
        return `${column} := ${convert(field, `${name}.${column}`, depth + 1)}`;
      });
      // A list of one, so that the text is parsed once.
      return `list_transform([${parsed(value, structure)}], lambda ${name}: struct_pack(${members.join(', ')}))[1]`;
    }
    case 'array': {
      const element = convert({ type: type.elementType, nullable: type.containsNull }, name, depth + 1);
      return `list_transform(${parsed(value, ['VARCHAR'])}, lambda ${name}: ${element})`;
    }
    case 'map': {
      const key = convert({ type: type.keyType, nullable: false }, `${name}.key`, depth + 1);
      const item = convert({ type: type.valueType, nullable: type.valueContainsNull }, `${name}.value`, depth + 1);
      const entries = `map_entries(${parsed(value, 'MAP(VARCHAR, VARCHAR)')})`;
      return `map_from_entries(list_transform(${entries}, lambda ${name}: struct_pack(k := ${key}, v := ${item})))`;
    }
  }
}

function parsed(value: string, structure: unknown): string {
  return `from_json(${value}, ${literal(JSON.stringify(structure))})`;
}
