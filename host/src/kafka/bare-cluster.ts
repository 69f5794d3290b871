import type { ConsumerConfig } from 'kafkajs';
import { openClient } from './client.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { KafkaLog } from './driver.ts';
import type { ClusterInternals } from './kafkajs-internals.ts';

/** kafkajs keeps its requests to its consumers and producers; a consumer's cluster, taken through its assigner, does any of them without joining. */
export async function openBareCluster(
  config: ClusterConfig,
  log: KafkaLog,
  options: Pick<ConsumerConfig, 'metadataMaxAge'> = {},
): Promise<{ cluster: ClusterInternals; close: () => Promise<void> }> {
  let cluster: ClusterInternals | undefined;
  const consumer = openClient(config, log).consumer({
    ...options,
    groupId: 'none',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (given: { readonly cluster: unknown }) => {
        cluster = given.cluster as ClusterInternals;
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  try {
    await consumer.connect();
  } catch (error) {
    await consumer.disconnect().catch(() => {});
    throw error;
  }
  return {
    cluster: cluster as ClusterInternals,
    close: () => consumer.disconnect(),
  };
}
