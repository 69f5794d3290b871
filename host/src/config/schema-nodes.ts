import { DURATION_PATTERN, SECRET, type TSchema } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { BROKER_PATTERN, BROKER_WORDS } from './broker-address.ts';
import { normalizeKey } from './did-you-mean.ts';
import { getAt, type SettingPath } from './setting-path.ts';

/** What the walkers of config schemas need of JSON Schema. */
interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly TSchema[];
  readonly allOf?: readonly TSchema[];
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly patternProperties?: Readonly<Record<string, TSchema>>;
  readonly additionalProperties?: boolean | TSchema;
  readonly items?: TSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** The schema with its alternatives taken apart. */
export function* alternatives(schema: TSchema): Generator<Node & TSchema> {
  const node = schema as Node & TSchema;
  const parts = node.anyOf ?? node.allOf;
  if (parts === undefined) yield node;
  else for (const part of parts) yield* alternatives(part);
}

/** Keys that a schema names, over all its alternatives. */
export function namedKeys(schema: TSchema): readonly string[] {
  return [...alternatives(schema)].flatMap(({ properties }) => Object.keys(properties ?? {}));
}

/** The schema below a key; null where the schema has no such key, undefined where it allows any value. */
export function schemaBelow(schema: TSchema | undefined, key: string): TSchema | undefined | null {
  if (schema === undefined) return undefined;
  let open = false;
  for (const { type, properties, patternProperties, additionalProperties } of alternatives(schema)) {
    const named = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (named !== undefined) return named;
    for (const [pattern, below] of Object.entries(patternProperties ?? {})) if (new RegExp(pattern).test(key)) return below;
    if (typeof additionalProperties === 'object') return additionalProperties;
    open ||= type === 'object' && additionalProperties !== false && patternProperties === undefined;
  }
  return open ? undefined : null;
}

/** Like {@link schemaBelow}, for a whole path. */
export function schemaAt(schema: TSchema, path: SettingPath): TSchema | undefined | null {
  let node: TSchema | undefined | null = schema;
  for (const key of path) {
    node = schemaBelow(node, key);
    if (node === null) return null;
  }
  return node;
}

/**
 * The path that loosely written keys mean: case, `-`, `_` and `.` do not count. Keys that the schema leaves open are those
 * that `existing` has, else kebab-case for names and camelCase below an open object.
 *
 * @returns the path, or the index of the key that names nothing and the keys that would
 */
export function matchKeys(
  schema: TSchema,
  keys: readonly string[],
  existing: unknown,
): { readonly path: SettingPath } | { readonly unknown: number; readonly known: readonly string[] } {
  let node: TSchema | undefined = schema;
  const path: string[] = [];
  for (const [index, key] of keys.entries()) {
    const named: readonly string[] = node === undefined ? [] : namedKeys(node);
    const here = getAt(existing, path);
    const present = typeof here === 'object' && here !== null ? Object.keys(here) : [];
    const match = [...named, ...present].find((candidate) => normalizeKey(candidate) === normalizeKey(key));
    const name: string = match ?? (node !== undefined && hasFreeNames(node) ? key.toLowerCase().replaceAll('_', '-') : camelCase(key));
    const below: TSchema | undefined | null = schemaBelow(node, name);
    if (below === null) return { unknown: index, known: named };
    path.push(name);
    node = below;
  }
  return { path };
}

function hasFreeNames(schema: TSchema): boolean {
  return [...alternatives(schema)].some(
    ({ patternProperties, additionalProperties }) => patternProperties !== undefined || typeof additionalProperties === 'object',
  );
}

function camelCase(key: string): string {
  return key.toLowerCase().replaceAll(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The value that a text stands for: JSON where that fits the schema, else the text itself, else a list separated by
 * commas. Where nothing fits, what JSON says, for the checker to refuse.
 */
export function readText(schema: TSchema | undefined, text: string): unknown {
  const json = parseJson(text);
  if (schema === undefined) return json;
  const list = text.split(',').map((item) => item.trim());
  return [json, text, list].find((candidate) => Value.Check(schema, candidate)) ?? json;
}

/** YAML reads a time without quotes as a Date: the text that the setting takes, which is a day or a whole time. */
export function datesAsText(schema: TSchema | undefined, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = schema === undefined ? undefined : [...alternatives(schema)].find((node) => node.items !== undefined)?.items;
    return value.map((item) => datesAsText(items, item));
  }
  if (!(value instanceof Date)) return value;
  if (Number.isNaN(value.getTime())) return String(value);
  const time = value.toISOString();
  const day = time.slice(0, 10);
  return schema !== undefined && !Value.Check(schema, time) && Value.Check(schema, day) ? day : time;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether the value of this setting must never be shown. */
export function isSecret(schema: TSchema | undefined | null): boolean {
  return schema !== undefined && schema !== null && [...alternatives(schema)].some((node) => SECRET in node);
}

/** What a schema wants, in words: `a whole number from 1 to 1000`. */
export function describeSchema(schema: TSchema): string {
  const words = new Set([...alternatives(schema)].map(describeNode));
  // A duration is also a number of milliseconds; nobody needs to be told twice.
  if (words.has(DURATION)) return DURATION;
  const [...all] = words;
  const last = all.pop() ?? 'nothing';
  return all.length === 0 ? last : `${all.join(', ')} or ${last}`;
}

const DURATION = 'a duration such as "30s"';

function describeNode(node: Node): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  switch (node.type) {
    case 'integer':
    case 'number':
      return `a ${node.type === 'integer' ? 'whole ' : ''}number${describeRange(node)}`;
    case 'string':
      if (node.pattern === DURATION_PATTERN) return DURATION;
      if (node.pattern === BROKER_PATTERN) return BROKER_WORDS;
      if (node.format === 'date-time') return 'an ISO time with zone such as "2026-01-31T12:00:00Z"';
      if (node.pattern !== undefined) return `a text that matches ${node.pattern}`;
      if (node.format !== undefined) return `a text of the format ${node.format}`;
      return node.minLength === undefined || node.minLength === 0 ? 'a text' : 'a text that is not empty';
    case 'boolean':
      return 'true or false';
    case 'array':
      return node.items === undefined ? 'a list' : `a list of ${describeSchema(node.items).replace(/^an? /, '')}`;
    case 'object':
      return 'an object';
    case 'null':
      return 'null';
    default:
      return 'another value';
  }
}

function describeRange({ minimum, maximum }: Node): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}
