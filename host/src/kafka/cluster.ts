import { openAdmin } from './admin.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { GroupConsumer } from './consumer.ts';
import type { KafkaAdmin, KafkaCluster, KafkaLog } from './driver.ts';
import { BatchingProducer } from './producer.ts';
import { readRange } from './range-reader.ts';

/** The cluster of a configuration. Nothing is connected before something is asked of it. */
export function connectCluster(config: ClusterConfig, log: KafkaLog): KafkaCluster {
  const consumers = new Set<GroupConsumer>();
  const producers = new Set<BatchingProducer>();
  let opening: Promise<KafkaAdmin> | undefined;
  const admin = (): Promise<KafkaAdmin> => {
    opening ??= openAdmin(config, log).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    name: config.name,
    admin,
    async producer(options = {}) {
      const producer = await BatchingProducer.open(config, options, log);
      producers.add(producer);
      return producer;
    },
    async consume(options, handlers) {
      const consumer = await GroupConsumer.open(config, options, handlers, log);
      consumers.add(consumer);
      return consumer;
    },
    read: async (options) => readRange(config, await admin(), options, log),
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      const closeAdmin = async (): Promise<void> => (await opening?.catch(() => undefined))?.close();
      await Promise.all([...[...producers].map((producer) => producer.close()), closeAdmin()]);
      opening = undefined;
    },
  };
}
