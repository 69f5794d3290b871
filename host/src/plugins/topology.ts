import type {
  PluginDefinition,
  PluginManifest,
  PollerDefinition,
  TableDefinition,
  TableWriterDefinition,
  TopicDefinition,
  WorkerDefinition,
} from '@pipeline-host/sdk';

/** A plugin that was read, checked and imported. */
export interface LoadedPlugin {
  readonly name: string;
  readonly definition: PluginDefinition;
  readonly manifest: PluginManifest;
  readonly packageName: string;
  readonly version: string;
  /** Absolute folder of its package. */
  readonly root: string;
  /** Prefix of topics and groups. */
  readonly prefix: string;
  /** `plugins.<name>.config`, checked against its schema, defaults filled in. */
  readonly config: unknown;
}

/** A topic with its physical name and place. */
export interface ResolvedTopic {
  readonly definition: TopicDefinition;
  /** Physical name. */
  readonly topic: string;
  /** Name of the cluster it lives on. */
  readonly cluster: string;
  readonly partitions: number;
}

export interface ResolvedTable {
  readonly definition: TableDefinition;
  /** Physical name; also its folder below the tables' URI. */
  readonly name: string;
}

/** A worker with everything that config can set, ready to run. */
export interface ResolvedWorker {
  readonly id: string;
  readonly plugin: LoadedPlugin;
  readonly name: string;
  readonly definition: WorkerDefinition | TableWriterDefinition | PollerDefinition;
  /** Null for a poller. */
  readonly consumes: ResolvedTopic | null;
  /** By the name that outputs carry. */
  readonly produces: ReadonlyMap<string, ResolvedTopic>;
  readonly tables: readonly ResolvedTable[];
  readonly group: string;
  /** The plugin's own cluster: retry topic and dead letters. */
  readonly cluster: string;
  readonly retryTopic: string;
  /** Other workers of the plugin have their retries in the same topic. */
  readonly retryShared: boolean;
  readonly deadLetterTopic: string;
  readonly settings: ResolvedSettings;
}

export interface ResolvedSettings {
  readonly concurrency: number;
  readonly order: 'key' | 'partition' | 'none';
  /** Milliseconds. */
  readonly timeout: number;
  readonly retry: ResolvedRetry;
  /** When many failures that are alike pause the worker. */
  readonly outage: { readonly share: number; readonly keys: number };
  readonly batchSize: number;
  readonly flush: { readonly rows: number; readonly bytes: number; readonly age: number };
  readonly start: string | undefined;
}

/** When and where a failed record is tried again. Waits in milliseconds. */
export interface ResolvedRetry {
  /** `delay`: in a lane of the retry topic, later records of its key overtake it. `hold`: in place, its key waits behind it. */
  readonly mode: 'delay' | 'hold';
  /** One wait before each further attempt; after the last the record is dead. */
  readonly delays: readonly number[];
  /** Waits for some errors, by code or by the beginning of a code and `*`. Each is the wait of a lane. */
  readonly byCode: ReadonlyMap<string, readonly number[]>;
  /** The waits of lanes 1 and up of the retry topic. */
  readonly lanes: readonly number[];
  /** Delayed records that one member takes up again a second. */
  readonly release: number;
}

/** All plugins of a host, resolved and checked against each other. */
export interface Topology {
  readonly plugins: readonly LoadedPlugin[];
  readonly workers: readonly ResolvedWorker[];
}
