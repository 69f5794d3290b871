import { UnavailableError } from '@pipeline-host/sdk';
import { openAdmin } from './admin.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { GroupConsumer } from './consume/consumer.ts';
import { scanRange } from './consume/range-reader.ts';
import type { KafkaAdmin, KafkaCluster, KafkaLog, LocatedRecord } from './driver.ts';
import { BatchingProducer } from './produce/producer.ts';

/** The cluster of a configuration. Nothing is connected before something is asked of it. */
export function connectCluster(config: ClusterConfig, log: KafkaLog): KafkaCluster {
  const consumers = new Set<GroupConsumer>();
  const producers = new Set<BatchingProducer>();
  let opening: Promise<KafkaAdmin> | undefined;
  let closing: Promise<void> | undefined;
  /** A connection that is opened while the others are closed would stay, and keep the process alive. */
  const refuseClosed = (): void => {
    if (closing !== undefined) throw new UnavailableError('PH_KAFKA_CLOSED', `cluster '${config.name}' is closed`);
  };
  const admin = async (): Promise<KafkaAdmin> => {
    refuseClosed();
    opening ??= openAdmin(config, log).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all([...consumers].map((consumer) => consumer.close()));
    const closeAdmin = async (): Promise<void> => (await opening?.catch(() => undefined))?.close();
    await Promise.all([...[...producers].map((producer) => producer.close()), closeAdmin()]);
  };
  return {
    name: config.name,
    admin,
    async producer(options = {}) {
      refuseClosed();
      const producer = await BatchingProducer.open(config, options, log);
      producers.add(producer);
      return producer;
    },
    async consume(options, handlers) {
      refuseClosed();
      const consumer = await GroupConsumer.open(config, options, handlers, log);
      consumers.add(consumer);
      return consumer;
    },
    scan: async (options, visit) => scanRange(config, await admin(), options, log, visit),
    async read(options) {
      const records: LocatedRecord[] = [];
      await scanRange(config, await admin(), options, log, (record) => records.push(record));
      return records;
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
