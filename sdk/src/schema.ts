import { FormatRegistry, type Static, type TNull, type TSchema, type TUnion, type TUnsafe, Type } from '@sinclair/typebox';

/**
 * Schemas of messages, rows and config. Plain TypeBox, plus a few builders whose annotation tells the host how to read
 * what real senders write. Reading happens before the check, in place, without TypeBox transforms.
 */

/** The annotation under which a builder tells the host how to read a value. */
export const READING = 'x-ph-reading';

/** How the host reads a value before it checks it. */
export interface Reading {
  /** `text`: numbers keep the digits of the source, booleans, lists and objects become their JSON text. `integer`: digits become the number. */
  readonly as: 'text' | 'timestamp' | 'integer';
  /** Leading and trailing white space is cut. */
  readonly trim?: boolean;
}

export interface TextOptions {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly description?: string;
}

/** Longest text of an {@link Id} in UTF-16 units. */
export const MAX_ID_LENGTH = 512;

/** Text that senders also write as a number, boolean, list or object: read as the digits, or the JSON text, of the source. */
export function Text(options: TextOptions = {}): TUnsafe<string> {
  return Type.Unsafe<string>(Type.String({ ...options, [READING]: { as: 'text' } satisfies Reading }));
}

/** A {@link Text} that is trimmed and not blank, at most {@link MAX_ID_LENGTH} long: ids, names, types. */
export function Id(options: TextOptions = {}): TUnsafe<string> {
  return Type.Unsafe<string>(
    Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH, ...options, [READING]: { as: 'text', trim: true } satisfies Reading }),
  );
}

/** An instant. Any ISO-8601 form is read, without a zone as UTC, also epoch seconds or milliseconds; handlers see `2026-01-05T14:22:07.5Z`. */
export function Timestamp(options: { readonly description?: string } = {}): TUnsafe<string> {
  return Type.Unsafe<string>(Type.String({ ...options, format: 'ph-timestamp', [READING]: { as: 'timestamp' } satisfies Reading }));
}

/** A whole number that senders also write as text: `"2"`, `"02"` and `"2.0"` are read as 2, `"2e0"` is refused. */
export function Integer(
  options: { readonly minimum?: number; readonly maximum?: number; readonly default?: number; readonly description?: string } = {},
): TUnsafe<number> {
  return Type.Unsafe<number>(Type.Integer({ ...options, [READING]: { as: 'integer' } satisfies Reading }));
}

/** The value or null. Absent is read as null, and so is a text that is blank after trimming. */
export function Nullable<S extends TSchema>(schema: S): TUnion<[S, TNull]> {
  return Type.Union([schema, Type.Null()], { default: null });
}

/** An object whose keys are not checked. Cheaper than a record: the host never walks into it. */
export function OpenObject(
  options: { readonly default?: Readonly<Record<string, unknown>>; readonly description?: string } = {},
): TUnsafe<Readonly<Record<string, unknown>>> {
  return Type.Unsafe<Readonly<Record<string, unknown>>>(Type.Object({}, { ...options, additionalProperties: true }));
}

/** A config value that must not be shown: hidden in `config explain`, logs and errors. */
export function Secret(options: { readonly description?: string } = {}): TUnsafe<string> {
  return Type.Unsafe<string>(Type.String({ minLength: 1, ...options, [SECRET]: true }));
}

/** The annotation of a {@link Secret}. */
export const SECRET = 'x-ph-secret';

/** A time span in config: milliseconds or text such as `'30s'`. */
export function DurationText(
  options: { readonly default?: number | string; readonly description?: string } = {},
): TUnsafe<number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`> {
  return Type.Unsafe<number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`>(
    Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d)$' })], options),
  );
}

const TIMESTAMP = /^(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;
/** The shape, and a day that the calendar has: `Date.parse` takes the 30th of February for the 2nd of March. */
function isTimestamp(value: string): boolean {
  if (!TIMESTAMP.test(value)) return false;
  const day = Number(value.slice(8, 10));
  return day <= 28 || new Date(Date.parse(value)).getUTCDate() === day;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The string formats that a schema may name; any other is refused when the plugin is loaded. */
export const FORMATS: Readonly<Record<string, (value: string) => boolean>> = {
  'ph-timestamp': isTimestamp,
  'date-time': (value) =>
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  uuid: (value) => UUID.test(value),
  uri: (value) => URL.canParse(value),
};

for (const [name, check] of Object.entries(FORMATS)) FormatRegistry.Set(name, check);

export { type Static, type TSchema, Type };
