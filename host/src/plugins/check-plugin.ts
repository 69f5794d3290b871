import { definitionKind, type PipelineError, type PluginDefinition, type TopicDefinition } from '@pipeline-host/sdk';
import { clusterFaults } from '../config/cluster-faults.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import type { HostConfig, PluginSettings } from '../config/host-config.ts';
import { list } from '../config/schema-faults.ts';
import { formatPath } from '../config/setting-path.ts';
import { checkColumns } from './check-columns.ts';
import { checkTable } from './check-table.ts';
import { fault } from './fault.ts';
import { MAINTENANCE_WORKER } from './resolve-maintenance.ts';
import type { LoadedPlugin } from './topology.ts';

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Whether a plugin's definitions and its section of the config fit together. */
export function checkPlugin(plugin: LoadedPlugin, section: PluginSettings, config: HostConfig): PipelineError[] {
  const { definition } = plugin;
  return [
    ...checkNames(definition),
    ...Object.entries(definition.workers).flatMap(([name, worker]) => checkWorker(definition, name, worker)),
    ...definition.tables.flatMap((table) => checkTable(table, definition.name)),
    ...checkSection(definition, section),
    ...checkEnabled(definition, section),
    ...checkRetryTopics(definition.name, section),
    ...checkClusters(definition.name, section, config),
  ];
}

function checkNames({ name, topics, tables, workers }: PluginDefinition): PipelineError[] {
  const place = `plugin ${name}`;
  const twice = (kind: string, names: readonly string[]): PipelineError[] =>
    [...new Set(names.filter((one, index) => names.indexOf(one) !== index))].map((one) =>
      fault('PH_TOPOLOGY_DUPLICATE', `two ${kind}s are called "${one}"`, place, 'rename one of them'),
    );
  const misnamed = Object.keys(workers).filter((worker) => !NAME.test(worker));
  return [
    ...misnamed.map((worker) =>
      fault('PH_TOPOLOGY_NAME', `"${worker}" is not a name for a worker`, place, 'use lower case, digits and dashes'),
    ),
    ...Object.keys(workers)
      .filter((worker) => worker === MAINTENANCE_WORKER)
      .map((worker) => fault('PH_TOPOLOGY_NAME', `"${worker}" is the host's own worker, which maintains tables`, place, 'rename yours')),
    ...twice(
      'topic',
      topics.map((topic) => topic.name),
    ),
    ...twice(
      'table',
      tables.map((table) => table.name),
    ),
  ];
}

function checkWorker(plugin: PluginDefinition, name: string, worker: PluginDefinition['workers'][string]): PipelineError[] {
  const place = `worker ${name} of plugin ${plugin.name}`;
  const kind = definitionKind(worker);
  if (kind !== 'worker' && kind !== 'table-writer' && kind !== 'poller') {
    return [
      fault(
        'PH_TOPOLOGY_HANDLER',
        'it is not made with defineWorker, defineTableWriter or definePoller',
        place,
        'make it with one of them',
      ),
    ];
  }
  const faults: PipelineError[] = [];
  if ('consumes' in worker) faults.push(...checkTopic(plugin, worker.consumes, 'consumes', place));
  if ('produces' in worker) {
    for (const topic of [worker.produces].flat()) {
      if (topic.external)
        faults.push(fault('PH_TOPOLOGY_EXTERNAL', `it produces "${topic.name}", which is an external topic: it is never written`, place));
      else faults.push(...checkTopic(plugin, topic, 'produces', place));
    }
  }
  if ('writes' in worker) {
    for (const table of worker.writes) {
      if (plugin.tables.includes(table)) continue;
      faults.push(
        fault(
          'PH_TOPOLOGY_TABLE',
          `it writes "${table.name}", which is no table of the plugin`,
          place,
          otherwise(table.name, plugin.tables, "add it to the plugin's tables"),
        ),
      );
    }
  }
  if ('writes' in worker) faults.push(...checkColumns(worker, place));
  if (kind === 'worker' && 'order' in worker && (typeof worker.handle === 'function') === (typeof worker.handleBatch === 'function')) {
    faults.push(
      fault(
        'PH_TOPOLOGY_HANDLER',
        typeof worker.handle === 'function' ? 'it has both handle and handleBatch' : 'it has neither handle nor handleBatch',
        place,
      ),
    );
  }
  if ('config' in worker && worker.config !== undefined && worker.config !== plugin.config)
    faults.push(fault('PH_TOPOLOGY_FOREIGN', "its config is not the plugin's config schema", place));
  if ('services' in worker && worker.services !== undefined && worker.services !== plugin.services)
    faults.push(fault('PH_TOPOLOGY_FOREIGN', "its services are not the plugin's services", place));
  return faults;
}

function checkTopic(plugin: PluginDefinition, topic: TopicDefinition, verb: string, place: string): PipelineError[] {
  if (topic.external || plugin.topics.includes(topic)) return [];
  const same = plugin.topics.some(({ name }) => name === topic.name);
  const message = same
    ? `it ${verb} another definition of "${topic.name}" than the plugin's topics hold`
    : `it ${verb} "${topic.name}", which no topic of the plugin defines`;
  return [
    fault(
      'PH_TOPOLOGY_TOPIC',
      message,
      place,
      same
        ? 'use the same constant in both places'
        : otherwise(topic.name, plugin.topics, "add it to the plugin's topics, or declare it with externalTopic()"),
    ),
  ];
}

function otherwise(name: string, known: readonly { readonly name: string }[], hint: string): string {
  return didYouMean(
    name,
    known.map((one) => one.name),
    hint,
  );
}

/** Sections of workers, topics and tables name what the plugin has. The loader's schema says so too; config made by code comes only here. */
function checkSection(plugin: PluginDefinition, section: PluginSettings): PipelineError[] {
  const external = Object.values(plugin.workers).flatMap((worker) =>
    'consumes' in worker && worker.consumes.external ? [worker.consumes] : [],
  );
  const sections = [
    ['workers', section.workers, Object.keys(plugin.workers)],
    ['topics', section.topics, [...plugin.topics, ...external].map(({ name }) => name)],
    ['tables', section.tables, plugin.tables.map(({ name }) => name)],
  ] as const;
  return sections.flatMap(([kind, settings, known]) =>
    Object.keys(settings ?? {})
      .filter((name) => !known.includes(name))
      .map((name) => {
        const hint = didYouMean(name, known, `plugin ${plugin.name} has the ${kind} ${list(known)}`);
        return fault(
          'PH_CONFIG_UNKNOWN_KEY',
          `plugin ${plugin.name} has no ${kind.slice(0, -1)} "${name}"`,
          `plugins.${plugin.name}.${kind}.${name}`,
          hint,
        );
      }),
  );
}

/** What a plugin cannot do without is not switched off. */
function checkEnabled(plugin: PluginDefinition, { tables = {} }: PluginSettings): PipelineError[] {
  return plugin.tables
    .filter(({ name, options }) => options.optional !== true && tables[name]?.enabled === false)
    .map(({ name }) =>
      fault(
        'PH_TOPOLOGY_SETTING',
        `table "${name}" is not optional`,
        `plugins.${plugin.name}.tables.${name}.enabled`,
        'take the setting out',
      ),
    );
}

/** A worker has a retry topic of its own, or shares one: a name for the other would say nothing. */
function checkRetryTopics(plugin: string, { retry, workers }: PluginSettings): PipelineError[] {
  const hint = 'retry.topic of the plugin belongs to retry.topology: plugin, that of a worker to retry.topology: worker';
  if (retry?.topology !== 'plugin')
    return retry?.topic === undefined
      ? []
      : [fault('PH_TOPOLOGY_SETTING', 'retry.topic names a topic that no worker uses', `plugins.${plugin}.retry.topic`, hint)];
  return Object.entries(workers ?? {}).flatMap(([worker, settings]) =>
    settings.retry?.topic === undefined
      ? []
      : [
          fault(
            'PH_TOPOLOGY_SETTING',
            'retry.topic names a topic that the worker does not use',
            `plugins.${plugin}.workers.${worker}.retry.topic`,
            hint,
          ),
        ],
  );
}

/** The loader of the config says so too; see {@link checkSection}. */
function checkClusters(plugin: string, section: PluginSettings, { kafka }: HostConfig): PipelineError[] {
  return clusterFaults({ kafka, plugins: { [plugin]: section } }).map(({ path, code, message, hint }) =>
    fault(code, message, formatPath(path), hint),
  );
}
