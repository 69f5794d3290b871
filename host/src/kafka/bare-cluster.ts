import { openClient } from './client.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { KafkaLog } from './driver.ts';
import type { ClusterInternals } from './kafkajs-internals.ts';

/** kafkajs keeps fetches and plain commits to its consumers; a consumer's cluster, taken through its assigner, does both without joining. */
export async function openBareCluster(
  config: ClusterConfig,
  log: KafkaLog,
): Promise<{ cluster: ClusterInternals; close: () => Promise<void> }> {
  let cluster: ClusterInternals | undefined;
  const consumer = openClient(config, log).consumer({
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
  await consumer.connect();
  return {
    cluster: cluster as ClusterInternals,
    close: () => consumer.disconnect(),
  };
}
