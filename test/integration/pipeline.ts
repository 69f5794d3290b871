import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isPipelineError, type SimulationResults } from '@pipeline-host/sdk';
import { describeOpen, openPartitions } from '../../host/src/cli/demo/quiet.ts';
import { type DemoTables, openDemoTables } from '../../host/src/cli/demo/tables.ts';
import { openEmbedded } from '../../host/src/cli/embedded-broker.ts';
import { type LoadedConfig, loadConfig } from '../../host/src/config/load.ts';
import { connectClusters } from '../../host/src/engine/clusters.ts';
import type { KafkaAdmin, KafkaCluster, KafkaProducer, LocatedRecord } from '../../host/src/kafka/driver.ts';
import { createLogger, type HostLog } from '../../host/src/observability/logger.ts';
import { loadPlugins } from '../../host/src/plugins/load-plugins.ts';
import { resolveTopology } from '../../host/src/plugins/resolve-topology.ts';
import { selectMaintenance, selectWorkers } from '../../host/src/plugins/select-workers.ts';
import type { ResolvedWorker, Topology } from '../../host/src/plugins/topology.ts';
import { openStore } from '../../host/src/storage/index.ts';
import { type RunningHost, startHost } from '../../host/src/supervisor/host.ts';
import { simulationResults } from '../../host/src/supervisor/plugin-results.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { type HostProcess, spawnHost } from './host-process.ts';

export interface PipelineOptions {
  /**
   * Of the cluster `default`. Or settings of an embedded broker, which the hosts then run themselves in the folder `broker`; the
   * test looks on by its port.
   */
  readonly brokers: readonly string[] | { readonly embedded: object };
  /** Where the test looks on and sends, in plain, where the hosts come in by a secured listener; `brokers` by default. */
  readonly onlooker?: readonly string[];
  /** Environment of the hosts in this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the plugin. */
  readonly plugin: string;
  /** Its folder. */
  readonly root: string;
  /** `plugins.<plugin>` of the config. A `prefix` keeps pipelines apart that share a broker. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Further sections of the config; `kafka.brokers` is set here. */
  readonly config?: { readonly kafka?: object } & Readonly<Record<string, unknown>>;
}

export interface StartOptions {
  /** All by default. */
  readonly workers?: readonly string[];
  readonly count?: number;
  readonly log?: HostLog;
}

/**
 * One plugin on a test's broker, with a data folder and a config file of its own: hosts of it in this process or as
 * processes, and a look from outside on what they left behind. Disposing ends all that was started.
 */
export interface Pipeline extends AsyncDisposable {
  readonly folder: string;
  readonly topology: Topology;
  worker(name: string): ResolvedWorker;
  /** The test's own client: it is neither the hosts' nor goes with them. */
  cluster(name?: string): Promise<KafkaCluster>;
  admin(name?: string): Promise<KafkaAdmin>;
  producer(name?: string): Promise<KafkaProducer>;
  start(options?: StartOptions): Promise<RunningHost>;
  /** `pipeline-host --plugin … --worker …` as a user starts it. Resolves when it says that it runs. */
  spawn(workers: readonly string[], ...flags: readonly string[]): Promise<HostProcess>;
  /** Sum of the offsets that the worker's group committed on its source topic. Outlasts a broker that is away for a while. */
  committed(worker: string): Promise<number>;
  /** Resolves when the group of every worker (by default of all) has committed its topics to the end: see `openPartitions` for why that is proof. */
  untilThrough(options?: { readonly workers?: readonly string[]; readonly timeout?: number }): Promise<void>;
  /** What is stored now. Each call reads anew. */
  results(): SimulationResults;
  deadLetters(): Promise<readonly LocatedRecord[]>;
}

export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-'));
  const file = join(folder, 'pipeline-host.config.json');
  const { kafka, ...config } = options.config ?? {};
  const embedded = 'embedded' in options.brokers ? { ...options.brokers.embedded, port: await freePort() } : undefined;
  const whole = {
    dataDir: folder,
    log: { level: 'warn' },
    kafka: { partitions: 4, ...kafka, ...(embedded ? { brokers: 'embedded', embedded } : { brokers: options.brokers }) },
    plugins: { [options.plugin]: { package: options.root, ...options.settings } },
    ...config,
  };
  writeFileSync(file, JSON.stringify(whole, null, 2));
  const { loaded, topology } = await load(folder, file, options.plugin, options.env);
  const lookedAt = embedded ? [`127.0.0.1:${embedded.port}`] : options.onlooker;
  const { tls: _tls, sasl: _sasl, ...configured } = loaded.config.kafka;
  const onlooker =
    lookedAt === undefined ? loaded : { ...loaded, config: { ...loaded.config, kafka: { ...configured, brokers: [...lookedAt] } } };
  const clusters = connectClusters(onlooker, openEmbedded, createLogger({ level: 'silent' }));
  const producers = new Map<string, Promise<KafkaProducer>>();
  const hosts: RunningHost[] = [];
  const processes: HostProcess[] = [];
  let tables: Promise<DemoTables> | undefined;
  const [own] = topology.workers;
  assert.ok(own);
  const worker = (name: string): ResolvedWorker => {
    const found = topology.workers.find((each) => each.name === name);
    assert.ok(found, `no worker ${name}`);
    return found;
  };

  const pipeline: Pipeline = {
    folder,
    topology,
    worker,
    cluster: (name = own.cluster) => clusters.get(name),
    admin: async (name = own.cluster) => (await clusters.get(name)).admin(),
    producer: (name = own.cluster) => {
      const producer = producers.get(name) ?? clusters.get(name).then((cluster) => cluster.producer());
      producers.set(name, producer);
      return producer;
    },
    async start({ workers = [], count = 1, log = createLogger({ level: 'error' }) } = {}) {
      const host = await startHost({
        config: loaded,
        topology,
        workers: selectWorkers(topology, workers),
        maintenance: selectMaintenance(topology, workers, false),
        count,
        openEmbedded,
        log,
      });
      hosts.push(host);
      return host;
    },
    async spawn(workers, ...flags) {
      const host = spawnHost(['--plugin', options.plugin, '--worker', workers.join(), '--config', file, ...flags], folder);
      processes.push(host);
      await host.ready;
      return host;
    },
    async committed(name) {
      const { group, consumes } = worker(name);
      assert.ok(consumes);
      const admin = await pipeline.admin(consumes.cluster);
      const offsets = await outlasting(() => admin.committed(group, [consumes.topic]));
      return offsets.reduce((sum, { offset }) => sum + (offset ?? 0), 0);
    },
    async untilThrough({ workers = [], timeout = 60_000 } = {}) {
      const watched = selectWorkers(topology, workers);
      let last = '';
      const isThrough = async (): Promise<boolean> => {
        const failed = hosts.flatMap((host) => host.status().units).find(({ state }) => state.kind === 'failed');
        assert.equal(failed, undefined, JSON.stringify(failed?.state));
        const open = await outlasting(() => openPartitions(watched, (name) => clusters.get(name)));
        last = describeOpen(open);
        return open.length === 0;
      };
      await until('all records to be through', isThrough, timeout).catch((error: Error) => {
        throw new Error(`${error.message}; not through: ${last}\n${JSON.stringify(hosts.flatMap((host) => host.status().units))}`);
      });
    },
    results: () =>
      simulationResults({
        plugin: options.plugin,
        workers: topology.workers,
        cluster: (name) => clusters.get(name),
        readRows: async (table, columns) => {
          tables ??= openDemoTables(join(folder, 'tables'), join(folder, 'reader'));
          return (await tables).readRows(table, columns);
        },
        files: openStore(join(folder, 'files')),
      }),
    deadLetters: async () => (await clusters.get(own.cluster)).read({ topic: own.deadLetterTopic }),
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((host) => host.kill('SIGKILL')));
      await Promise.all(hosts.map((host) => host.stop()));
      await clusters.close();
      await (await tables)?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return pipeline;
}

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks again while a broker that was killed comes back. */
async function outlasting<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isPipelineError(error) || error.kind !== 'unavailable' || Date.now() > deadline) throw error;
    }
  }
}

async function load(
  cwd: string,
  file: string,
  plugin: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly loaded: LoadedConfig; readonly topology: Topology }> {
  const { config, plugins } = await loadPlugins([plugin], await loadConfig({ cwd, file, env }), cwd);
  return { loaded: config, topology: resolveTopology(config.config, plugins) };
}
