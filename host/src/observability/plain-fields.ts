import { isSecretName, REDACTED, redactText } from './redact.ts';

/** What a log line may hold: JSON values, redacted and bounded. */
export type PlainValue = string | number | boolean | null | readonly PlainValue[] | { readonly [name: string]: PlainValue };
export type PlainFields = Record<string, PlainValue>;

const BOUNDS = {
  depth: 6,
  entries: 64,
  items: 32,
  nodes: 512,
  text: 4_096,
  stack: 4_096,
  causes: 8,
} as const;

/** Counts what was walked, so that a huge value costs a log line a bounded time. */
interface Walk {
  nodes: number;
  readonly path: Set<object>;
}

/**
 * Fields as plain JSON values: each text passes the redactor, fields named like secrets are hidden, errors are reduced to
 * type, code, message, place, hint, cause and stack (never the config, request or response that HTTP errors carry),
 * bytes become their length, cycles are cut. Bounded in depth, entries and text length. Never throws.
 */
export function plainFields(fields: Readonly<Record<string, unknown>>): PlainFields {
  const walk: Walk = { nodes: 0, path: new Set() };
  const plain: PlainFields = {};
  try {
    for (const [name, value] of Object.entries(fields).slice(0, BOUNDS.entries)) {
      if (value !== undefined) plain[redactText(name, 128)] = isHidden(name, value) ? REDACTED : toPlain(value, 0, walk);
    }
  } catch {
    plain['fields'] = '<unreadable>';
  }
  return plain;
}

function isHidden(name: string, value: unknown): boolean {
  return value !== null && typeof value !== 'boolean' && isSecretName(name);
}

function toPlain(value: unknown, depth: number, walk: Walk): PlainValue {
  walk.nodes += 1;
  if (walk.nodes > BOUNDS.nodes) return '<cut>';
  switch (typeof value) {
    case 'string':
      return redactText(value, BOUNDS.text);
    case 'number':
      return Number.isFinite(value) ? hideNumber(value) : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return redactText(String(value), BOUNDS.text);
    case 'undefined':
      return null;
    case 'symbol':
      return redactText(value.toString(), 128);
    case 'function':
      return '<function>';
    case 'object':
      return value === null ? null : objectToPlain(value, depth, walk);
  }
}

/** A secret that was read as a number is a secret still. */
function hideNumber(value: number): number | string {
  const text = String(value);
  return text.length >= 4 && redactText(text) !== text ? REDACTED : value;
}

function objectToPlain(value: object, depth: number, walk: Walk): PlainValue {
  if (walk.path.has(value)) return '<cycle>';
  if (depth >= BOUNDS.depth && !(value instanceof Error)) return '<deep>';
  if (depth >= BOUNDS.depth + BOUNDS.causes) return '<deep>';
  walk.path.add(value);
  try {
    if (value instanceof Error) return errorToPlain(value, depth, walk);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof URL) return redactText(value.href, BOUNDS.text);
    if (value instanceof RegExp) return redactText(String(value), 256);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `<${value.byteLength} bytes>`;
    if (value instanceof String || value instanceof Number || value instanceof Boolean) return toPlain(value.valueOf(), depth, walk);
    if (Array.isArray(value)) return itemsToPlain(value, depth, walk);
    if (value instanceof Set) return itemsToPlain([...value], depth, walk);
    if (value instanceof Map)
      return entriesToPlain(
        [...value].map(([name, item]) => [String(name), item]),
        depth,
        walk,
      );
    return entriesToPlain(Object.entries(value), depth, walk);
  } catch {
    return '<unreadable>';
  } finally {
    walk.path.delete(value);
  }
}

function itemsToPlain(items: readonly unknown[], depth: number, walk: Walk): PlainValue {
  const plain: PlainValue[] = [];
  for (const [index, item] of items.slice(0, BOUNDS.items).entries()) {
    // Raw header lists: ['Authorization', 'Bearer …'].
    const before: unknown = items[index - 1];
    plain.push(typeof before === 'string' && before.length < 64 && isHidden(before, item) ? REDACTED : toPlain(item, depth + 1, walk));
  }
  if (items.length > BOUNDS.items) plain.push(`<${items.length - BOUNDS.items} more>`);
  return plain;
}

function entriesToPlain(entries: readonly (readonly [string, unknown])[], depth: number, walk: Walk): PlainValue {
  const plain: Record<string, PlainValue> = {};
  // { name: 'Authorization', value: '…' }
  const named = entries.some(([name, item]) => /^(?:name|key|header|field)$/i.test(name) && typeof item === 'string' && isSecretName(item));
  for (const [name, item] of entries.slice(0, BOUNDS.entries)) {
    if (item === undefined) continue;
    const hidden = isHidden(name, item) || (named && /^values?$/i.test(name));
    plain[redactText(name, 128)] = hidden ? REDACTED : toPlain(item, depth + 1, walk);
  }
  if (entries.length > BOUNDS.entries) plain['<more>'] = entries.length - BOUNDS.entries;
  return plain;
}

function errorToPlain(error: Error, depth: number, walk: Walk): PlainValue {
  const details: Readonly<Record<string, unknown>> = { ...error };
  const plain: Record<string, PlainValue> = {
    type: redactText(String(error.name || error.constructor.name), 128),
  };
  const { code, place, hint } = details;
  if (typeof code === 'string' || typeof code === 'number') plain['code'] = typeof code === 'string' ? redactText(code, 128) : code;
  plain['message'] = redactText(String(error.message), BOUNDS.text);
  if (typeof place === 'string') plain['place'] = redactText(place, 512);
  if (typeof hint === 'string' && hint !== '') plain['hint'] = redactText(hint, 512);
  const inner = details['faults'] ?? details['errors'] ?? (error instanceof AggregateError ? error.errors : undefined);
  if (Array.isArray(inner)) plain['errors'] = itemsToPlain(inner, depth, walk);
  if (error.cause !== undefined && error.cause !== null) plain['cause'] = toPlain(error.cause, depth + 1, walk);
  const frames = typeof error.stack === 'string' ? error.stack.split('\n').filter((line) => /^\s+at /.test(line)) : [];
  if (frames.length > 0) plain['stack'] = redactText(frames.map((line) => line.trim()).join('\n'), BOUNDS.stack);
  return plain;
}
