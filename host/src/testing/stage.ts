import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AnyWorker,
  definePlugin,
  type Http,
  type Metrics,
  type Objects,
  PipelineError,
  type PluginDefinition,
  type TopicDefinition,
} from '@pipeline-host/sdk';
import { loadConfig } from '../config/load.ts';
import { type HostServices, openHostServices, storageUris } from '../engine/host-services.ts';
import { createMetrics } from '../observability/metrics.ts';
import { adoptPlugins } from '../plugins/adopt-plugins.ts';
import { resolveTopology } from '../plugins/resolve-topology.ts';
import type { ResolvedTopic, ResolvedWorker } from '../plugins/topology.ts';
import { type ObjectStore, openStore } from '../storage/index.ts';
import type { RecordedLog } from './recorded-log.ts';
import { type StandIns, standInOrigins } from './stand-ins.ts';

export interface StageOptions {
  /** Laid over the defaults of the plugin's config, and checked as config is. */
  readonly config?: object;
  /** In place of what the plugin's own factories make; those are not called then. They are not closed. */
  readonly services?: Readonly<Record<string, unknown>>;
  /** In place of servers elsewhere. */
  readonly standIns?: StandIns;
  /** Folder or URI of tables that are there already, as an older system made them; an empty one by default. */
  readonly tables?: string;
}

/** Where everything goes that a worker says beside its outputs. */
export interface Recorders {
  readonly log: RecordedLog;
  readonly metrics: Metrics;
  /** Staged files that were released: a host deletes them with the commit, a test keeps them. */
  readonly released: string[];
}

/** One worker as the host would run it: with the host's real services on a folder of its own, and no broker. */
export interface Stage {
  readonly worker: ResolvedWorker;
  /** What it consumes; of a poller, what it produces. */
  readonly source: ResolvedTopic;
  readonly recorders: Recorders;
  readonly host: HostServices;
  readonly services: Readonly<Record<string, unknown>>;
  readonly http: Http;
  readonly objects: Objects;
  /** Where `objects` are, of all plugins. */
  readonly files: ObjectStore;
}

/** A plugin's workers as the host would run them, on one folder and with one set of services. */
export interface PluginStage {
  readonly services: Readonly<Record<string, unknown>>;
  /** @throws PipelineError where the plugin has no such worker */
  stageOf(worker: AnyWorker): Stage;
  close(): Promise<void>;
}

/** @throws FaultList where the host would refuse the plugin or its config */
export async function openPluginStage(plugin: PluginDefinition, options: StageOptions, recorders: Recorders): Promise<PluginStage> {
  const folder = mkdtempSync(join(tmpdir(), 'ph-test-'));
  // For tests that do not close what they test.
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const forget = (): void => {
    process.off('exit', remove);
    remove();
  };
  try {
    const flags = [
      { flag: 'the test', path: ['plugins', plugin.name, 'config'], value: options.config },
      { flag: 'the test', path: ['storage', 'tables'], value: options.tables },
    ].filter(({ value }) => value !== undefined);
    const loaded = await loadConfig({ cwd: folder, env: {}, ...(flags.length > 0 && { flags }) });
    const adopted = adoptPlugins([plugin], loaded, folder);
    const { config } = adopted.config;
    const [loadedPlugin] = adopted.plugins;
    if (loadedPlugin === undefined) throw new TypeError(`plugin ${plugin.name} was not loaded`);
    const { workers } = resolveTopology(config, adopted.plugins);
    const metrics = createMetrics();
    const measured = { ...metrics, forPlugin: () => recorders.metrics };
    const host = await openHostServices(config, recorders.log.log, measured, {
      standIns: standInOrigins(options.standIns),
      services: { [plugin.name]: options.services ?? {} },
    });
    const { services, http, objects } = await host.forPlugin(loadedPlugin);
    const files = openStore(storageUris(config).files);
    return {
      services,
      stageOf: (definition) => {
        const worker = workers.find((one) => one.definition === definition);
        if (worker === undefined) {
          throw new PipelineError('PH_WORKER_UNKNOWN', `the worker is none of plugin ${plugin.name}`, {
            hint: 'give the plugin that has it',
          });
        }
        const [source = worker.consumes] = worker.consumes === null ? worker.produces.values() : [worker.consumes];
        if (source === null) throw new TypeError(`worker ${worker.id} has no topic`); // the plugin was checked
        return { worker, source, recorders, host, services, http, objects, files };
      },
      close: async () => {
        await host.close();
        metrics.close();
        forget();
      },
    };
  } catch (error) {
    forget();
    throw error;
  }
}

/** A plugin that has this worker, and what it names, and nothing else. */
export function pluginOf(worker: AnyWorker): PluginDefinition {
  const topics = ('consumes' in worker ? [worker.consumes] : []).concat('produces' in worker ? [worker.produces].flat() : []);
  const own = topics.filter((topic: TopicDefinition) => !topic.external);
  const plugin = definePlugin({
    name: 'tested',
    ...('config' in worker && worker.config !== undefined && { config: worker.config }),
    topics: [...new Set(own)],
    tables: 'writes' in worker ? worker.writes : [],
    workers: { worker },
  });
  return { ...plugin, services: ('services' in worker ? worker.services : undefined) ?? {} };
}
