import { type DefinitionKind, definitionKind } from '@pipeline-host/sdk';

/** What one key of a definition may hold. */
export interface Part {
  readonly required: boolean;
  /** With its article: `a topic`. */
  readonly expected: string;
  is(value: unknown): boolean;
  /** The allowed texts, where it is one of a few. */
  readonly choices?: readonly string[];
  /** What each element of a list, or each value of a record, may be. */
  readonly element?: Part;
  /** The keys of a plain object. */
  readonly shape?: Shape;
}

export type Shape = Readonly<Record<string, Part>>;

const part = (expected: string, is: (value: unknown) => boolean, more: Partial<Part> = {}): Part => ({
  required: false,
  expected,
  is,
  ...more,
});
const required = (one: Part): Part => ({ ...one, required: true });
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlain = (value: unknown): value is object => isObject(value) && definitionKind(value) === null;
const has = (value: unknown, ...names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function');

const text = part('a text', (value) => typeof value === 'string' && value !== '');
const fn = part('a function', (value) => typeof value === 'function');
const count = part('a whole number of at least 1', (value) => Number.isSafeInteger(value) && Number(value) >= 1);
const flag = part('true or false', (value) => typeof value === 'boolean');
const duration = part('a duration such as "30s"', (value) => typeof value === 'number' || typeof value === 'string');
const schema = part('a schema made with Type', isPlain);
const objectSchema = part(
  'a schema made with Type.Object',
  (value) => isPlain(value) && 'properties' in value && isObject(value.properties),
);
const oneOf = (...choices: readonly string[]): Part =>
  part(choices.map((one) => `"${one}"`).join(' or '), (value) => choices.includes(value as string), { choices });
const listOf = (what: string, element: Part): Part => part(`a list of ${what}`, Array.isArray, { element });
const recordOf = (what: string, element: Part): Part => part(`an object of ${what} by name`, isPlain, { element });
const objectOf = (what: string, shape: Shape): Part => part(what, isPlain, { shape });
const made = (expected: string, ...kinds: readonly DefinitionKind[]): Part =>
  part(expected, (value) => kinds.some((kind) => kind === definitionKind(value)));

const topic = made('a topic made with defineTopic or externalTopic', 'topic');
const topics = listOf('topics', topic);
const tables = listOf('tables', made('a table made with defineTable', 'table'));
const worker = made('a worker made with defineWorker, defineTableWriter or definePoller', 'worker', 'table-writer', 'poller');
const columns = listOf('columns', text);

export const PLUGIN: Shape = {
  name: required(text),
  config: schema,
  topics,
  tables,
  services: recordOf('functions', fn),
  workers: required(recordOf('workers', worker)),
};

/** What defineTopic, externalTopic and defineTable take before their options. */
export const NAMED_SCHEMA: Shape = { name: required(text), schema: required(schema) };
export const NAMED_ROW: Shape = { name: required(text), row: required(objectSchema) };

const accepts = listOf('{ schema, upgrade }', objectOf('{ schema, upgrade }', { schema: required(schema), upgrade: required(fn) }));
const codec = part(
  '"json", "bytes" or { name, decode, encode }',
  (value) => value === 'json' || value === 'bytes' || has(value, 'decode', 'encode'),
  {
    choices: ['json', 'bytes'],
  },
);
export const EXTERNAL_TOPIC: Shape = { key: fn, accepts, codec, version: count };
export const TOPIC: Shape = { key: required(fn), accepts, codec, version: count, partitions: count };

export const WORKER: Shape = {
  consumes: required(topic),
  produces: topics,
  config: schema,
  services: part("the plugin's services", isPlain),
  concurrency: count,
  order: oneOf('key', 'partition', 'none'),
  timeout: duration,
  onRetry: oneOf('delay', 'hold'),
  retry: objectOf('{ delays, byCode }', {
    delays: listOf('durations', duration),
    byCode: recordOf('{ delays }', objectOf('{ delays }', { delays: required(listOf('durations', duration)) })),
  }),
  batchSize: count,
  handle: fn,
  handleBatch: fn,
  onDead: fn,
};

export const TABLE_WRITER: Shape = {
  consumes: required(topic),
  writes: required(tables),
  config: schema,
  flush: objectOf('{ rows, bytes, age }', { rows: count, bytes: count, age: duration }),
  rows: fn,
  columns: recordOf(
    'columns',
    part('a source such as text("path")', (value) => isObject(value) && 'expression' in value),
  ),
};

export const POLLER: Shape = {
  query: required(text),
  parameters: recordOf(
    'values',
    part('a text, a number or a boolean', (value) => ['string', 'number', 'boolean'].includes(typeof value)),
  ),
  row: required(schema),
  produces: required(topic),
  map: required(fn),
  identity: required(fn),
};

const TABLE: Shape = {
  mode: required(oneOf('append', 'merge')),
  partitionBy: columns,
  aliases: recordOf('lists of names', columns),
  optional: flag,
};
export const APPEND: Shape = {
  ...TABLE,
  dedupe: objectOf('{ column, window }', { column: required(text), window: required(duration) }),
};
export const MERGE: Shape = {
  ...TABLE,
  key: required(columns),
  updateWhen: objectOf('{ distinct }, { differs }, { newer } or { notOlder }', {
    distinct: columns,
    differs: columns,
    newer: text,
    notOlder: text,
  }),
  columns: recordOf('policies', oneOf('keepOldWhenNull', 'always', 'preserve', 'greatest')),
  deletionVectors: flag,
};
/** Where the mode is not one of the two, every other key may be meant. */
export const ANY_TABLE: Shape = { ...APPEND, ...MERGE, key: columns };
