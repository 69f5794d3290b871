import { resolve } from 'node:path';
import { type Log, milliseconds, PipelineError } from '@pipeline-host/sdk';
import { DEFAULT_CLUSTER } from '../config/cluster-faults.ts';
import type { ClusterSettings, HostConfig } from '../config/host-config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { connectCluster, type KafkaCluster, type KafkaLog, type KafkaProducer, SESSION_TIMEOUT, type TlsConfig } from '../kafka/index.ts';
import { saslConfig } from './sasl.ts';

/** Starts or finds the embedded broker of a data folder. Given by the CLI and by tests: the engine does not know the broker. */
export type OpenEmbedded = (
  settings: HostConfig['kafka']['embedded'] & {
    readonly dataDir: string;
    readonly log: (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void;
  },
) => Promise<{
  /** As of now: it changes where another process takes over and finds the port taken. */
  readonly address: string;
  readonly clusterId: string;
  readonly owner: boolean;
  close(): Promise<void>;
}>;

export interface ClusterInfo {
  readonly name: string;
  readonly id: string;
  readonly brokers: string;
  readonly embedded: boolean;
}

/** The Kafka clusters of a host, connected when first asked for. */
export interface Clusters {
  get(name: string): Promise<KafkaCluster>;
  /** The one producer of the process on that cluster. */
  producer(name: string): Promise<KafkaProducer>;
  clusterId(name: string): Promise<string>;
  /** Partitions that a topic may have there. */
  mostPartitions(name: string): number;
  /** Sums over all producers. */
  producers(): Pick<KafkaProducer, 'bufferedBytes' | 'doubtfulRecords'>;
  /** Milliseconds without a sign of life after which a group goes on without a member. */
  sessionTimeout(name: string): number;
  /** Those that were asked for. */
  list(): readonly ClusterInfo[];
  /** Producers, consumers, then embedded brokers. */
  close(): Promise<void>;
}

interface Connected {
  readonly cluster: KafkaCluster;
  /** Made when first asked for. */
  readonly producer: () => Promise<KafkaProducer>;
  readonly info: ClusterInfo;
  readonly closeBroker: (() => Promise<void>) | null;
}

/** Settings of a cluster by its name. @throws PipelineError `PH_CLUSTER_UNKNOWN` */
export function clusterSettings(config: HostConfig, name: string): ClusterSettings {
  if (name === DEFAULT_CLUSTER) {
    const { brokers = 'embedded', tls, sasl, clientId, sessionTimeout, maxPartitions, compression } = config.kafka;
    return {
      brokers,
      ...(tls !== undefined && { tls }),
      ...(sasl !== undefined && { sasl }),
      ...(clientId !== undefined && { clientId }),
      ...(sessionTimeout !== undefined && { sessionTimeout }),
      ...(maxPartitions !== undefined && { maxPartitions }),
      ...(compression !== undefined && { compression }),
    };
  }
  const settings = config.kafka.clusters[name];
  if (settings === undefined) throw new PipelineError('PH_CLUSTER_UNKNOWN', `no cluster "${name}"`, { place: `kafka.clusters.${name}` });
  return settings;
}

export function connectClusters(loaded: LoadedConfig, openEmbedded: OpenEmbedded, log: Log): Clusters {
  const { config } = loaded;
  const connected = new Map<string, Promise<Connected>>();

  const connect = async (name: string): Promise<Connected> => {
    const settings = clusterSettings(config, name);
    const embedded = settings.brokers === 'embedded';
    const folder = name === DEFAULT_CLUSTER ? 'broker' : `broker-${name}`;
    const broker = embedded
      ? await openEmbedded({
          ...config.kafka.embedded,
          ...(name !== DEFAULT_CLUSTER && { port: 0, topics: {} }),
          dataDir: resolve(config.dataDir, folder),
          log: (level, message, fields) => log[level]({ cluster: name, ...fields }, message),
        })
      : null;
    const brokers = (): readonly string[] => (broker === null ? (settings.brokers as readonly string[]) : [broker.address]);
    let cluster: KafkaCluster | null = null;
    try {
      const tls = tlsConfig(settings);
      const sasl = saslConfig(name, settings, loaded, log);
      cluster = connectCluster(
        {
          name,
          get brokers() {
            return brokers();
          },
          clientId: settings.clientId ?? 'pipeline-host',
          ...(tls !== undefined && { tls }),
          ...(sasl !== undefined && { sasl }),
          ...(settings.sessionTimeout !== undefined && { sessionTimeout: milliseconds(settings.sessionTimeout) }),
          ...(settings.compression !== undefined && { compression: settings.compression }),
          replicationFactor: config.kafka.replicationFactor,
        },
        kafkaLog(log, name),
      );
      const id = await (await cluster.admin()).clusterId();
      const connection = cluster;
      return {
        cluster: connection,
        producer: once(() => connection.producer({ whenRefused: 'wait' })),
        info: {
          ...{ name, id, embedded },
          get brokers() {
            return brokers().join(',');
          },
        },
        closeBroker: broker === null ? null : () => broker.close(),
      };
    } catch (error) {
      await cluster?.close().catch(() => {});
      await broker?.close();
      throw error;
    }
  };

  const get = (name: string): Promise<Connected> => {
    let cluster = connected.get(name);
    if (cluster === undefined) {
      cluster = connect(name);
      connected.set(name, cluster);
    }
    return cluster;
  };
  let infos: ClusterInfo[] = [];
  const producers: KafkaProducer[] = [];

  return {
    get: async (name) => {
      const { cluster, info } = await get(name);
      if (!infos.includes(info)) infos = [...infos, info];
      return cluster;
    },
    producer: async (name) => {
      const producer = await (await get(name)).producer();
      if (!producers.includes(producer)) producers.push(producer);
      return producer;
    },
    producers: () => ({
      bufferedBytes: producers.reduce((sum, producer) => sum + producer.bufferedBytes, 0),
      doubtfulRecords: producers.reduce((sum, producer) => sum + producer.doubtfulRecords, 0),
    }),
    clusterId: async (name) => (await get(name)).info.id,
    sessionTimeout: (name) => {
      const { sessionTimeout } = clusterSettings(config, name);
      return sessionTimeout === undefined ? SESSION_TIMEOUT : milliseconds(sessionTimeout);
    },
    mostPartitions: (name) => clusterSettings(config, name).maxPartitions ?? Number.POSITIVE_INFINITY,
    list: () => infos,
    close: async () => {
      const open = (await Promise.allSettled(connected.values())).flatMap((result) =>
        result.status === 'fulfilled' ? [result.value] : [],
      );
      const closed = await Promise.allSettled(open.map(({ cluster }) => cluster.close()));
      for (const { closeBroker } of open) closed.push(...(await Promise.allSettled([closeBroker?.()])));
      for (const result of closed) if (result.status === 'rejected') throw result.reason;
    },
  };
}

function tlsConfig({ tls }: ClusterSettings): TlsConfig | true | undefined {
  return tls === false ? undefined : tls;
}

function kafkaLog(log: Log, cluster: string): KafkaLog {
  return {
    debug: (message, details) => log.debug({ cluster, ...details }, message),
    info: (message, details) => log.info({ cluster, ...details }, message),
    warn: (message, details) => log.warn({ cluster, ...details }, message),
    error: (message, details) => log.error({ cluster, ...details }, message),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
