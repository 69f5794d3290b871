import {
  type AnyWorker,
  definitionKind,
  givenKeys,
  type PipelineError,
  type PluginDefinition,
  type TableDefinition,
  type TopicDefinition,
} from '@pipeline-host/sdk';
import { checkShape } from './check-shape.ts';
import {
  ANY_TABLE,
  APPEND,
  EXTERNAL_TOPIC,
  MERGE,
  NAMED_ROW,
  NAMED_SCHEMA,
  PLUGIN,
  POLLER,
  type Shape,
  TABLE_WRITER,
  TOPIC,
  WORKER,
} from './definition-shape.ts';

/**
 * Whether a plugin was put together as the types of the SDK ask for: a plugin runs without ever being type-checked, so a
 * misspelled key would otherwise be a crash later on, or pass unseen.
 *
 * @param name the plugin's name in its manifest
 * @returns faults with code `PH_PLUGIN_DEFINITION`; where there is any, later checks of the plugin make no sense
 */
export function checkDefinition(plugin: PluginDefinition, name: string): PipelineError[] {
  const place = `plugin '${name}'`;
  // Decoded boundary: nothing is known yet of what the author gave.
  const workers = Object.entries<unknown>(plugin.workers ?? {}).filter((entry): entry is [string, AnyWorker] =>
    ['worker', 'table-writer', 'poller'].includes(definitionKind(entry[1]) ?? ''),
  );
  const used = workers.flatMap(([, worker]) => Object.values<unknown>({ ...worker }).flat());
  const parts = new Set([plugin.topics, plugin.tables, used].flat() as readonly unknown[]);
  return [
    ...checkShape(plugin, givenKeys(plugin), PLUGIN, place),
    ...[...parts].filter(isTopic).flatMap((topic) => checkTopicDefinition(topic, place)),
    ...[...parts].filter(isTable).flatMap((table) => checkTableDefinition(table, place)),
    ...workers.flatMap(([key, worker]) => checkShape(worker, givenKeys(worker), shapeOf(worker), `${place}, worker '${key}'`)),
  ];
}

function shapeOf(worker: AnyWorker): Shape {
  const kind = definitionKind(worker);
  if (kind === 'worker') return WORKER;
  return kind === 'poller' ? POLLER : TABLE_WRITER;
}

function checkTopicDefinition(topic: TopicDefinition, plugin: string): PipelineError[] {
  const place = `${plugin}, topic '${topic.name}'`;
  return [
    ...checkShape(topic, ['name', 'schema'], NAMED_SCHEMA, place),
    ...checkShape(topic, givenKeys(topic), topic.external ? EXTERNAL_TOPIC : TOPIC, place),
  ];
}

function checkTableDefinition({ name, row, options }: TableDefinition, plugin: string): PipelineError[] {
  const place = `${plugin}, table '${name}'`;
  const shapes: Readonly<Record<string, Shape>> = { append: APPEND, merge: MERGE };
  return [
    ...checkShape({ name, row }, ['name', 'row'], NAMED_ROW, place),
    ...checkShape(options, Object.keys(options), shapes[options.mode] ?? ANY_TABLE, place),
  ];
}

function isTopic(value: unknown): value is TopicDefinition {
  return definitionKind(value) === 'topic';
}

function isTable(value: unknown): value is TableDefinition {
  return definitionKind(value) === 'table';
}
