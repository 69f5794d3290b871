import { decimalOf, duckType, literal, type SchemaField, typeText } from '../schema/column-type.ts';
import { nestedAcceptance, nestedConversion } from './nested-conversion.ts';

/** `text`: the value comes as JSON's text of it. `typed`: it comes out of a SQL projection. */
export type ValueForm = 'text' | 'typed';

/** What DuckDB's error holds where {@link convertExpression} refused a value. */
const CONVERSION_MARK = 'ph-row-refused';

/** What a value becomes: a column, or what is nested in one, `depth` levels below. */
type ValueField = Pick<SchemaField, 'type' | 'nullable'>;

/**
 * SQL that turns a value into the column's exact type, or fails with {@link CONVERSION_MARK}. DuckDB's own casts round
 * `12.5` to a whole number and a decimal to its scale, and take `infinity` for a time; these are refused here.
 */
export function convertExpression(field: ValueField, value: string, form: ValueForm, depth = 0): string {
  const accepted = form === 'text' ? acceptance(field, value) : null;
  const converted = form === 'typed' ? `CAST(${value} AS ${duckType(field.type)})` : conversion(field, value, depth);
  const refusal = `CAST(error(${literal(CONVERSION_MARK)}) AS ${duckType(field.type)})`;
  const whenNull = field.nullable ? '' : ` WHEN ${value} IS NULL THEN ${refusal}`;
  if (accepted === null) return whenNull === '' ? converted : `CASE${whenNull} ELSE ${converted} END`;
  return `CASE${whenNull} WHEN ${value} IS NULL THEN NULL WHEN ${accepted} THEN ${converted} ELSE ${refusal} END`;
}

/** SQL that is true for text that the column refuses, else false or null. */
export function refusalCondition(field: SchemaField, value: string): string {
  const accepted = acceptance(field, value);
  const missing = field.nullable ? 'false' : `${value} IS NULL`;
  if (accepted === null) return missing;
  return `(${missing} OR (${value} IS NOT NULL AND (NOT ${accepted} OR ${attempt(field, value)} IS NULL)))`;
}

/** Why a value is refused, in words. */
export function refusalReason(field: SchemaField, value: string | null): string {
  if (value === null) return 'is null, and the column must not be';
  const decimal = decimalOf(field.type);
  const type =
    decimal === null
      ? typeText(field.type)
      : `decimal with up to ${decimal.precision - decimal.scale} digits before the point and ${decimal.scale} after it`;
  return `${JSON.stringify(value)} is no ${type}`;
}

const WHOLE_NUMBER = '-?[0-9]+(\\.0+)?';
const BASE64 = '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const DATE = '[0-9]{4}-[0-9]{2}-[0-9]{2}';
const TIMESTAMP = `${DATE}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?`;

/** SQL that is true for text that may be converted; null where any text may. */
function acceptance(field: ValueField, value: string): string | null {
  if (typeof field.type !== 'string') return nestedAcceptance(field.type, value);
  const decimal = decimalOf(field.type);
  if (decimal !== null) return matches(value, decimal.scale === 0 ? WHOLE_NUMBER : `-?[0-9]*(\\.[0-9]{0,${decimal.scale}}0*)?`);
  switch (field.type) {
    case 'string':
      return null;
    case 'integer':
    case 'long':
    case 'short':
    case 'byte':
      return matches(value, WHOLE_NUMBER);
    case 'double':
    case 'float':
      return `(contains(lower(${value}), 'inf') OR NOT coalesce(isinf(${attempt(field, value)}), false))`;
    case 'binary':
      return matches(value, BASE64);
    case 'boolean':
      return `(${value} IN ('true', 'false'))`;
    case 'date':
      return `(${matches(value, DATE)} AND ${value} >= '0001')`;
    case 'timestamp':
    case 'timestamp_ntz':
      return `(${matches(value, TIMESTAMP)} AND coalesce(${attempt(field, value)} BETWEEN ${inYears(field)}, false))`;
    default:
      return null;
  }
}

function conversion(field: ValueField, value: string, depth = 0): string {
  if (field.type === 'string') return value;
  if (typeof field.type !== 'string')
    return nestedConversion(field.type, value, depth, (inner, text, level) => convertExpression(inner, text, 'text', level));
  return field.type === 'binary' ? `from_base64(${value})` : `CAST(${value} AS ${duckType(field.type)})`;
}

function attempt(field: ValueField, value: string): string {
  if (typeof field.type !== 'string') return `TRY(${conversion(field, value)})`;
  return field.type === 'string' || field.type === 'binary' ? value : `TRY_CAST(${value} AS ${duckType(field.type)})`;
}

/** Other readers know no time outside the years 1 to 9999. */
function inYears(field: ValueField): string {
  const type = duckType(field.type);
  return `${type} '0001-01-01 00:00:00' AND ${type} '9999-12-31 23:59:59.999999'`;
}

function matches(value: string, pattern: string): string {
  return `regexp_full_match(${value}, ${literal(pattern)})`;
}
