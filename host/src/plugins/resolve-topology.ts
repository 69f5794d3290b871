import {
  isPipelineError,
  milliseconds,
  PipelineError,
  type PollerDefinition,
  type TableWriterDefinition,
  type TopicDefinition,
  type WorkerDefinition,
} from '@pipeline-host/sdk';
import { DEFAULT_CLUSTER } from '../config/cluster-faults.ts';
import type { HostConfig, PluginSettings, WorkerSettings } from '../config/host-config.ts';
import { checkPlugin } from './check-plugin.ts';
import { checkTopology } from './check-topology.ts';
import { faultsOf, throwFaults } from './fault.ts';
import { NO_DELAYS, resolveRetry, shareRetryTopic } from './resolve-retry.ts';
import type { LoadedPlugin, ResolvedSettings, ResolvedTable, ResolvedTopic, ResolvedWorker, Topology } from './topology.ts';

const DEFAULTS = {
  concurrency: 10,
  timeout: '60s',
  outage: { share: 0.2, keys: 10 },
  batchSize: 100,
  flush: { rows: 10_000, bytes: 32 * 1024 * 1024, age: '5s' },
} as const;

/**
 * Names, places and settings of everything that the plugins define, checked against each other and against the config.
 *
 * @throws FaultList with all faults, before anything is connected
 */
export function resolveTopology(config: HostConfig, plugins: readonly LoadedPlugin[]): Topology {
  const sections = new Map(plugins.map((plugin) => [plugin, config.plugins[plugin.name] ?? {}]));
  throwFaults([...sections].flatMap(([plugin, section]) => checkPlugin(plugin, section, config)));
  const faults: PipelineError[] = [];
  const workers: ResolvedWorker[] = [];
  for (const [plugin, section] of sections) {
    const own: ResolvedWorker[] = [];
    for (const name of Object.keys(plugin.definition.workers)) {
      try {
        own.push(resolveWorker(plugin, section, name, config));
      } catch (error) {
        if (!isPipelineError(error)) throw error;
        faults.push(...faultsOf(error));
      }
    }
    const shared = section.retry?.topology === 'plugin';
    workers.push(...(shared ? shareRetryTopic(own, section.retry?.topic ?? `${plugin.prefix}.retry`) : own));
  }
  throwFaults(faults);
  const topology = { plugins, workers };
  throwFaults(checkTopology(topology));
  return topology;
}

/** A topic with its physical name and place, whether a worker uses it or not. */
export function resolveTopic(definition: TopicDefinition, plugin: LoadedPlugin, config: HostConfig): ResolvedTopic {
  const section = config.plugins[plugin.name] ?? {};
  const override = section.topics?.[definition.name];
  return {
    definition,
    topic: override?.name ?? (definition.external ? definition.name : `${plugin.prefix}.${definition.name}`),
    cluster: override?.cluster ?? ownCluster(section),
    partitions: override?.partitions ?? definition.partitions ?? config.kafka.partitions,
  };
}

/** All topics of a plugin: its own, and those of others that its workers read. */
export function resolveTopics(plugin: LoadedPlugin, config: HostConfig): readonly ResolvedTopic[] {
  const external = Object.values(plugin.definition.workers).flatMap((worker) =>
    'consumes' in worker && worker.consumes.external ? [worker.consumes] : [],
  );
  return [...new Set([...plugin.definition.topics, ...external])].map((definition) => resolveTopic(definition, plugin, config));
}

/** The tables of a plugin, but for optional ones that are not enabled. */
export function resolveTables(plugin: LoadedPlugin, config: HostConfig): readonly ResolvedTable[] {
  const overrides = config.plugins[plugin.name]?.tables;
  return plugin.definition.tables.flatMap((definition) => {
    const override = overrides?.[definition.name];
    if (definition.options.optional === true && override?.enabled !== true) return [];
    return [{ definition, name: override?.name ?? definition.name }];
  });
}

function resolveWorker(plugin: LoadedPlugin, section: PluginSettings, name: string, config: HostConfig): ResolvedWorker {
  const definition = plugin.definition.workers[name] as WorkerDefinition | TableWriterDefinition | PollerDefinition;
  const place = `worker ${name} of plugin ${plugin.name}`;
  const settings = section.workers?.[name] ?? {};
  const produces = 'rows' in definition ? [] : [definition.produces].flat();
  return {
    id: `${plugin.name}.${name}`,
    plugin,
    name,
    definition,
    consumes: 'consumes' in definition ? resolveTopic(definition.consumes, plugin, config) : null,
    produces: new Map(produces.map((topic) => [topic.name, resolveTopic(topic, plugin, config)])),
    tables: 'writes' in definition ? resolveTables(plugin, config).filter((table) => definition.writes.includes(table.definition)) : [],
    group: settings.group ?? `${plugin.prefix}-${name}`,
    cluster: ownCluster(section),
    retryTopic: settings.retry?.topic ?? `${plugin.prefix}.${name}.retry`,
    retryShared: false,
    deadLetterTopic: section.deadLetters?.topic ?? `${plugin.prefix}.dlq`,
    settings: resolveSettings(definition, settings, place),
  };
}

function resolveSettings(definition: ResolvedWorker['definition'], settings: WorkerSettings, place: string): ResolvedSettings {
  const worker: Partial<WorkerDefinition> = 'rows' in definition || 'query' in definition ? {} : definition;
  const writer: Partial<TableWriterDefinition> = 'rows' in definition ? definition : {};
  const faults: PipelineError[] = [];
  const positive = (value: number, setting: string): number => {
    if (!Number.isInteger(value) || value < 1)
      faults.push(new PipelineError('PH_TOPOLOGY_SETTING', `${setting} is ${value}, not a whole number of at least 1`, { place }));
    return value;
  };
  const span = (value: number | string, setting: string): number => {
    try {
      const time = milliseconds(value);
      if (time <= 0)
        faults.push(new PipelineError('PH_TOPOLOGY_SETTING', `${setting} is ${JSON.stringify(value)}, not longer than 0`, { place }));
      return time;
    } catch {
      faults.push(
        new PipelineError('PH_TOPOLOGY_SETTING', `${setting} is ${JSON.stringify(value)}, not a duration`, {
          place,
          hint: 'write milliseconds, or 250ms, 30s, 5m, 2h, 7d',
        }),
      );
      return 0;
    }
  };
  const resolved: ResolvedSettings = {
    concurrency: positive(settings.concurrency ?? worker.concurrency ?? DEFAULTS.concurrency, 'concurrency'),
    order: worker.order ?? 'key',
    timeout: span(settings.timeout ?? worker.timeout ?? DEFAULTS.timeout, 'timeout'),
    retry:
      'rows' in definition
        ? NO_DELAYS
        : resolveRetry(worker, settings, {
            span,
            fault: (message, hint) => faults.push(new PipelineError('PH_TOPOLOGY_SETTING', message, { place, hint })),
          }),
    outage: { ...DEFAULTS.outage, ...settings.outage },
    batchSize: positive(worker.batchSize ?? DEFAULTS.batchSize, 'batchSize'),
    flush: {
      rows: positive(settings.flush?.rows ?? writer.flush?.rows ?? DEFAULTS.flush.rows, 'flush.rows'),
      bytes: positive(settings.flush?.bytes ?? writer.flush?.bytes ?? DEFAULTS.flush.bytes, 'flush.bytes'),
      age: span(settings.flush?.age ?? writer.flush?.age ?? DEFAULTS.flush.age, 'flush.age'),
    },
    start: settings.start,
  };
  throwFaults(faults);
  return resolved;
}

/** Of the plugin: its retry topics and dead letters live there, and its topics unless config says otherwise. */
export function ownCluster(section: PluginSettings): string {
  return section.cluster ?? DEFAULT_CLUSTER;
}
