import type { ConnectionOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';
import kafkajs from 'kafkajs';
import { foldingLog } from './client-log.ts';
import type { ClusterConfig, SaslConfig } from './cluster-config.ts';
import type { KafkaLog } from './driver.ts';
import { repairKafkajs } from './repairs.ts';
import { openSocket, seedAddress } from './socket.ts';
import { registerCodecs } from './wire/codecs.ts';

/**
 * Tries of one client call before it rejects. Few: whoever must outlast an outage (producer, consumer) has a loop of its
 * own above, and a start must fail within about ten seconds.
 */
export const CLIENT_RETRY = {
  initialRetryTime: 100,
  maxRetryTime: 1000,
  retries: 4,
} as const;

function saslOptions(sasl: SaslConfig): SASLOptions {
  if (sasl.mechanism === 'oauthbearer') {
    return {
      mechanism: 'oauthbearer',
      oauthBearerProvider: async () => ({ value: await sasl.token() }),
    };
  }
  return {
    mechanism: sasl.mechanism,
    username: sasl.username,
    password: sasl.password,
  } as SASLOptions;
}

function tlsOptions(config: ClusterConfig): ConnectionOptions | undefined {
  if (config.tls === undefined) return undefined;
  return config.tls === true ? {} : { ...config.tls };
}

/** A kafkajs client, repaired. Each consumer needs its own: kafkajs shares committed offsets between the consumers of one. */
export function openClient(config: ClusterConfig, log: KafkaLog): Kafka {
  repairKafkajs();
  registerCodecs();
  const ssl = tlsOptions(config);
  return new kafkajs.Kafka({
    clientId: config.clientId,
    brokers: () => config.brokers.map(seedAddress),
    socketFactory: openSocket,
    ...(ssl !== undefined && { ssl }),
    ...(config.sasl !== undefined && { sasl: saslOptions(config.sasl) }),
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    reauthenticationThreshold: 60_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: true,
    retry: CLIENT_RETRY,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: foldingLog(log),
  });
}
