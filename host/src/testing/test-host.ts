import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeadLetterView,
  type Duration,
  type MessageOf,
  milliseconds,
  PipelineError,
  type PluginDefinition,
  type TableDefinition,
  type TopicDefinition,
} from '@pipeline-host/sdk';
import type { HostConfigInput } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import type { DeltaEngine } from '../delta/index.ts';
import { openEmbeddedBroker } from '../embedded/index.ts';
import { type Clusters, connectClusters } from '../engine/clusters.ts';
import { storageUris } from '../engine/host-services.ts';
import { createMessageCodec } from '../engine/messages/message-codec.ts';
import type { HostStatus } from '../engine/status.ts';
import { createTopic } from '../engine/topics.ts';
import { adoptPlugins } from '../plugins/adopt-plugins.ts';
import { resolveTables, resolveTopics, resolveTopology } from '../plugins/resolve-topology.ts';
import { selectWorkers } from '../plugins/select-workers.ts';
import type { ResolvedTable, ResolvedTopic, ResolvedWorker, Topology } from '../plugins/topology.ts';
import { authorHeaders, HEADER, headerText } from '../retry/headers.ts';
import { openStore } from '../storage/index.ts';
import { type RunningHost, startHost } from '../supervisor/host.ts';
import { readDeadLetters, readFiles, type StoredFile } from '../supervisor/plugin-results.ts';
import { givenRecord, type RecordOptions } from './given-record.ts';
import type { SentMessage } from './handler-run.ts';
import { type LogLine, recordLog } from './recorded-log.ts';
import { type StandIns, standInOrigins } from './stand-ins.ts';
import { untilStill } from './stillness.ts';
import type { StoredRow } from './stored-row.ts';
import { TestClock } from './test-clock.ts';

/** Fewer than a host's default: a test has few records, and each partition costs its start something. */
const PARTITIONS = 3;
/** Longer than all waits of the default policy, 75 minutes. */
const LONGEST = '2h';
const PATIENCE = 60_000;

export interface TestHostOptions {
  /** As their packages export them. */
  readonly plugins: readonly PluginDefinition[];
  /** As in a config file: `{ plugins: { shop: { config: { limit: 3 } } } }`. Secrets may stand in it. */
  readonly config?: HostConfigInput;
  /** Names of the workers to run; all by default. */
  readonly workers?: readonly string[];
  /** By plugin, then by name: in place of what the plugin's own factories make. They are not closed. */
  readonly services?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** In place of servers elsewhere. */
  readonly standIns?: StandIns;
}

/** Whole plugins on an embedded broker, with real tables and files, in a folder of their own. */
export interface TestHost extends AsyncDisposable {
  /**
   * Sends a message, as its sender would; also to a topic of someone else, in place of its owner. Resolves when it is stored.
   *
   * @param message a value, or bytes or text: the record's value as it is
   */
  send(topic: TopicDefinition, message: unknown, record?: RecordOptions): Promise<void>;
  sendAll(topic: TopicDefinition, messages: readonly unknown[], record?: RecordOptions): Promise<void>;
  /**
   * Resolves when every record is done, skipped or dead. Time passes as far as that takes: delays, probes, the age of batches,
   * and what an API is waited for (`Retry-After`, rate, breaker, the next try) are not waited for but put forward.
   *
   * @param within time that may pass; 2 hours by default
   * @throws Error where something is still open then, as in an outage that nobody ends
   */
  settled(options?: { readonly within?: Duration }): Promise<void>;
  /** Lets time pass: what is due meanwhile is done in its order, each before the next. `Date` of the process goes along. */
  advance(time: Duration): Promise<void>;
  /** The messages of a topic so far, as their readers get them, by partition and offset. */
  messages<Topic extends TopicDefinition>(topic: Topic): Promise<readonly MessageOf<Topic>[]>;
  /** The same with their keys and headers. */
  records(topic: TopicDefinition): Promise<readonly SentMessage[]>;
  /** All rows of a table, read back from its files. */
  rows(table: TableDefinition | string): Promise<readonly StoredRow[]>;
  deadLetters(): Promise<readonly DeadLetterView[]>;
  /** What a plugin has stored. It need not be said which where there is one. */
  files(plugin?: string): Promise<readonly StoredFile[]>;
  status(): HostStatus;
  /** Everything that was logged so far. */
  readonly log: readonly LogLine[];
  /** Address of health, metrics and admin. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts whole plugins as a host would, on a broker, tables and files of their own. Resolves when their workers run.
 *
 * @example
 * ```ts
 * await using host = await startTestHost({ plugins: [thermostat] });
 * await host.send(readings, { room: 'sauna', celsius: 81, at: '2026-01-05T10:00:00Z' });
 * await host.settled();
 * assert.equal((await host.rows('thermostat_alarms')).length, 1);
 * ```
 * @throws FaultList or PipelineError as a host does at its start
 */
export async function startTestHost(options: TestHostOptions): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), 'ph-test-host-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { config: given = {}, plugins, workers: names = [], standIns, services } = options;
  const settings: Readonly<Record<string, unknown>> = { ...given, dataDir: folder, kafka: { partitions: PARTITIONS, ...given.kafka } };
  const flags = Object.entries(settings).map(([key, value]) => ({ flag: 'the test', path: [key], value }));
  const adopted = adoptPlugins(plugins, await loadConfig({ cwd: folder, env: {}, flags }), folder);
  const { config } = adopted;
  const topology = resolveTopology(config.config, adopted.plugins);
  const workers = selectWorkers(topology, names);
  const { log, lines } = recordLog();
  const clock = stack.use(new TestClock());
  const clusters = connectClusters(config, openEmbeddedBroker, log);
  stack.defer(() => clusters.close());
  const topics = topology.plugins.flatMap((plugin) => resolveTopics(plugin, config.config));
  await createTopics(topics, clusters);
  const host = await startHost({
    ...{ config, topology, workers, count: 1, openEmbedded: openEmbeddedBroker, log, clock },
    standIns: standInOrigins(standIns),
    ...(services !== undefined && { services }),
  });
  stack.defer(() => host.stop());
  const tables = topology.plugins.flatMap((plugin) => resolveTables(plugin, config.config));
  const owned = stack.move();
  return new EmbeddedTestHost({
    host,
    clusters,
    clock,
    topology,
    workers,
    topics,
    tables,
    lines,
    uris: storageUris(config.config),
    folder,
    owned,
  });
}

/** Also those of others, and of workers that do not run here: their owners would have made them. */
async function createTopics(topics: readonly ResolvedTopic[], clusters: Clusters): Promise<void> {
  // What is external to one plugin may be another's own, which knows better.
  for (const topic of topics.toSorted((one, other) => Number(one.definition.external) - Number(other.definition.external))) {
    const definition = { ...topic.definition, external: false };
    await createTopic(await (await clusters.get(topic.cluster)).admin(), { ...topic, definition }, true);
  }
}

interface Parts {
  readonly host: RunningHost;
  readonly clusters: Clusters;
  readonly clock: TestClock;
  readonly topology: Topology;
  readonly workers: readonly ResolvedWorker[];
  readonly topics: readonly ResolvedTopic[];
  readonly tables: readonly ResolvedTable[];
  readonly lines: readonly LogLine[];
  readonly uris: ReturnType<typeof storageUris>;
  readonly folder: string;
  /** Everything that was opened, to be closed in reverse order. */
  readonly owned: AsyncDisposableStack;
}

class EmbeddedTestHost implements TestHost {
  readonly #parts: Parts;
  #engine: Promise<DeltaEngine> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get log(): readonly LogLine[] {
    return this.#parts.lines;
  }
  get url(): string {
    return this.#parts.host.url;
  }
  status(): HostStatus {
    return this.#parts.host.status();
  }

  send(topic: TopicDefinition, message: unknown, record?: RecordOptions): Promise<void> {
    return this.sendAll(topic, [message], record);
  }

  async sendAll(topic: TopicDefinition, messages: readonly unknown[], record: RecordOptions = {}): Promise<void> {
    const { topic: name, cluster } = this.#topic(topic);
    const producer = await this.#parts.clusters.producer(cluster);
    await producer.sendAll(
      messages.map((message) => {
        const { key, value, headers, timestamp } = givenRecord(topic, message, 0, record);
        return { topic: name, key, value, headers, timestamp };
      }),
    );
  }

  async settled({ within = LONGEST }: { readonly within?: Duration } = {}): Promise<void> {
    const { clock } = this.#parts;
    const end = clock.monotonic() + milliseconds(within);
    for (;;) {
      await this.#untilStill();
      const { next } = clock;
      if (next === null) return;
      if (clock.monotonic() + next > end) throw new Error(`not settled within ${within}: ${this.#describeOpen()}`);
      clock.putForward(next);
    }
  }

  async advance(time: Duration): Promise<void> {
    const { clock } = this.#parts;
    const end = clock.monotonic() + milliseconds(time);
    for (;;) {
      await this.#untilStill();
      const left = end - clock.monotonic();
      if (left <= 0) return;
      clock.putForward(Math.min(clock.next ?? left, left));
    }
  }

  #untilStill(): Promise<void> {
    const { host, clusters, workers } = this.#parts;
    return untilStill({ host, clusters, workers, patience: PATIENCE });
  }

  #describeOpen(): string {
    return this.status()
      .units.filter(({ open, state }) => open > 0 || state.kind === 'paused')
      .map(({ id, state, open }) => `${id} is ${state.kind}${'reason' in state ? ` (${state.reason})` : ''} with ${open} open records`)
      .join('; ');
  }

  async messages<Topic extends TopicDefinition>(topic: Topic): Promise<readonly MessageOf<Topic>[]> {
    // Decoded boundary: each was checked against the topic's schema when it was read.
    return (await this.records(topic)).map(({ message }) => message as MessageOf<Topic>);
  }

  async records(topic: TopicDefinition): Promise<readonly SentMessage[]> {
    const { topic: name, cluster } = this.#topic(topic);
    const codec = createMessageCodec(topic);
    return (await (await this.#parts.clusters.get(cluster)).read({ topic: name })).map(({ key, value, headers }) => ({
      topic,
      key: key === null ? null : key.toString('utf8'),
      message: codec.decode(value),
      headers: authorHeaders(headers),
      redo: headerText(headers, HEADER.redo) !== undefined,
    }));
  }

  async rows(table: TableDefinition | string): Promise<readonly StoredRow[]> {
    const name = typeof table === 'string' ? table : table.name;
    const found = this.#parts.tables.find(({ definition }) => definition.name === name);
    if (found === undefined) throw new PipelineError('PH_TABLE_UNKNOWN', `no plugin here has a table "${name}"`);
    const { DeltaTable, openDeltaEngine } = await import('../delta/index.ts');
    const { folder, uris } = this.#parts;
    this.#engine ??= openDeltaEngine({ tempDirectory: join(folder, 'reader') });
    const open = await DeltaTable.open(await this.#engine, openStore(uris.tables), found.name);
    try {
      return await open.readRows();
    } finally {
      await open.close();
    }
  }

  async deadLetters(): Promise<readonly DeadLetterView[]> {
    const { topology, clusters } = this.#parts;
    const letters = topology.plugins.map(({ name }) =>
      readDeadLetters({
        plugin: name,
        workers: topology.workers.filter(({ plugin, consumes }) => plugin.name === name && consumes !== null),
        cluster: (cluster) => clusters.get(cluster),
      }),
    );
    return (await Promise.all(letters)).flat();
  }

  async files(plugin?: string): Promise<readonly StoredFile[]> {
    const { topology, uris } = this.#parts;
    const [only, ...more] = topology.plugins;
    if (plugin === undefined && (only === undefined || more.length > 0)) throw new TypeError('there are several plugins: say which');
    return readFiles({ plugin: plugin ?? only?.name ?? '', files: openStore(uris.files) });
  }

  async close(): Promise<void> {
    const engine = this.#engine;
    this.#engine = null;
    await (await engine)?.close();
    await this.#parts.owned.disposeAsync();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Where a topic is, by its definition, or by its name where that is another one's. */
  #topic(definition: TopicDefinition): ResolvedTopic {
    const { topics } = this.#parts;
    const found =
      topics.find((topic) => topic.definition === definition) ?? topics.find((topic) => topic.definition.name === definition.name);
    if (found === undefined) throw new PipelineError('PH_TOPIC_UNKNOWN', `no plugin here has a topic "${definition.name}"`);
    return found;
  }
}
