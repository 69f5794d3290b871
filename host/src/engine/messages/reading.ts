import { READING, type Reading } from '@pipeline-host/sdk';
import { Kind, type TSchema } from '@sinclair/typebox';

/**
 * Reads what real senders write, before the check: absent fields get their default, texts that came as numbers keep their
 * digits, instants become one form. Compiled once from a schema; only the fields that have something to read are visited.
 */

/** Raised where a text field holds a number whose digits JSON.parse may have changed: parse again with source text. Made once: it is no fault. */
export class DigitsNeeded extends Error {}
const DIGITS_NEEDED = new DigitsNeeded();

/** Values so far that were read as something else than a text that SQL takes out of the same JSON; see {@link readingsThatChanged}. */
let changed = 0;

/**
 * Goes up with every value that was read as another text than its JSON holds: trimmed, an instant in another form, a default.
 * Who compares it before and after a message knows whether the message may be taken from its bytes.
 */
export function readingsThatChanged(): number {
  return changed;
}

/** The value as it is to be checked. Objects are changed in place. */
export type Reader = (value: unknown) => unknown;

interface RawJson {
  readonly rawJSON: string;
}
const json = JSON as typeof JSON & { rawJSON(text: string): RawJson; isRawJSON(value: unknown): value is RawJson };

/** The reader of a schema, or null where there is nothing to read. */
export function compileReader(schema: TSchema): Reader | null {
  const reading = schema[READING] as Reading | undefined;
  if (reading?.as === 'text') return reading.trim === true ? readTrimmed : readText;
  if (reading?.as === 'timestamp') return readTimestamp;
  if (reading?.as === 'integer') return readInteger;
  switch (schema[Kind]) {
    case 'Union':
      return compileUnion(schema);
    case 'Array': {
      const item = compileReader(schema['items'] as TSchema);
      return item === null ? null : (value) => readItems(value, item);
    }
    case 'Object':
      return compileObject(schema['properties'] as Readonly<Record<string, TSchema>>);
    default:
      return null;
  }
}

/** Only a value-or-null union is read; the members of other unions are checked as they come. */
function compileUnion(schema: TSchema): Reader | null {
  const members = schema['anyOf'] as readonly TSchema[];
  const [member, ...others] = members.filter((one) => one[Kind] !== 'Null');
  if (member === undefined || others.length > 0 || members.length !== 2) return null;
  const read = compileReader(member);
  if (read === null) return null;
  if (member[READING] === undefined) return (value) => (value === null ? null : read(value));
  return (value) => {
    if (value === null) return null;
    const after = read(value);
    if (typeof after !== 'string' || after.trim() !== '') return after;
    changed++;
    return null;
  };
}

function compileObject(properties: Readonly<Record<string, TSchema>>): Reader | null {
  const fields = Object.entries(properties)
    .map(([name, schema]) => ({ name, read: compileReader(schema), fallback: schema.default as unknown }))
    .filter(({ read, fallback }) => read !== null || fallback !== undefined);
  if (fields.length === 0) return null;
  return (value) => {
    if (typeof value !== 'object' || value === null) return value;
    const object = value as Record<string, unknown>;
    for (const { name, read, fallback } of fields) {
      let before = object[name];
      if (before === undefined) {
        if (fallback === undefined) continue;
        before = typeof fallback === 'object' && fallback !== null ? structuredClone(fallback) : fallback;
        object[name] = before;
        if (before !== null) changed++;
      }
      if (read === null) continue;
      const after = read(before);
      if (after !== before) object[name] = after;
    }
    return object;
  };
}

function readItems(value: unknown, item: Reader): unknown {
  if (!Array.isArray(value)) return value;
  for (let index = 0; index < value.length; index++) value[index] = item(value[index]);
  return value;
}

function readText(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (!Number.isSafeInteger(value)) throw DIGITS_NEEDED;
      return String(value);
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return null;
      changed++;
      return json.isRawJSON(value) ? value.rawJSON : JSON.stringify(value);
    default:
      return value;
  }
}

function readTrimmed(value: unknown): unknown {
  const text = readText(value);
  if (typeof text !== 'string') return text;
  const trimmed = text.trim();
  if (trimmed !== text) changed++;
  return trimmed;
}

/** Digits that a double holds exactly, as some senders write them with `.0`; anything else is left to the check. */
function readInteger(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[+-]?\d+(?:\.0+)?\s*$/.test(value)) return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) return value;
  changed++;
  return number === 0 ? 0 : number; // and not -0
}

const CANONICAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z$/;
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/i;

/** Any ISO-8601 form as UTC with `Z`, microseconds kept. Without a zone it is UTC; a number is epoch seconds or milliseconds. */
export function readTimestamp(value: unknown): unknown {
  if (typeof value === 'string' && CANONICAL.test(value)) return value;
  const instant = canonicalInstant(value);
  if (instant !== value) changed++;
  return instant;
}

function canonicalInstant(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? fromEpoch(value) : value;
  if (typeof value !== 'string') return json.isRawJSON(value) ? fromEpoch(Number(value.rawJSON)) : value;
  const match = ISO.exec(value.trim());
  if (match === null) return value;
  const [, date, time = '00:00:00', fraction = '', zone = 'Z'] = match;
  const seconds = time.length === 5 ? `${time}:00` : time;
  const offset = /^z$/i.test(zone)
    ? 'Z'
    : zone.length === 3
      ? `${zone}:00`
      : zone.length === 5
        ? `${zone.slice(0, 3)}:${zone.slice(3)}`
        : zone;
  const instant = Date.parse(`${date}T${seconds}${offset}`);
  if (Number.isNaN(instant) || time.startsWith('24') || !isDay(date ?? '')) return value;
  const digits = fraction.slice(0, 6).replace(/0+$/, '');
  return `${new Date(instant).toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(8));
}

function fromEpoch(value: number): unknown {
  const instant = new Date(Math.abs(value) < 1e11 ? value * 1000 : value);
  return Number.isNaN(instant.getTime()) ? value : instant.toISOString().replace('.000Z', 'Z');
}

/** Parses with the source text of each number kept aside that is no safe integer, or that JSON.stringify would write otherwise. */
export function parseKeepingDigits(text: string): unknown {
  return (JSON.parse as (text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown)(
    text,
    (_key, value, context) =>
      typeof value === 'number' && context.source !== undefined && !(Number.isSafeInteger(value) && String(value) === context.source)
        ? json.rawJSON(context.source)
        : value,
  );
}

/** Numbers that were kept aside and that no text field took become plain numbers again. */
export function releaseDigits(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (json.isRawJSON(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = releaseDigits(value[index]);
    return value;
  }
  const object = value as Record<string, unknown>;
  for (const name of Object.keys(object)) object[name] = releaseDigits(object[name]);
  return object;
}
