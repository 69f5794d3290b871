import { openBareCluster } from './bare-cluster.ts';
import { classify, type Where } from './classify.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { KafkaAdmin, KafkaLog, LocatedRecord, ReadOptions } from './driver.ts';
import type { FetchedBatch } from './fetch-decoder.ts';
import type { ClusterInternals } from './kafkajs-internals.ts';
import { ownConnections } from './repairs.ts';

interface FetchedPartition {
  readonly partition: number;
  readonly messages: readonly FetchedBatch[];
}

/**
 * Shows every visible record of a range of offsets, without a group. A partition ends where `to` is reached, or where the
 * broker has nothing more to give before it.
 */
export async function scanRange(
  config: ClusterConfig,
  admin: KafkaAdmin,
  { topic, partitions, from, to }: ReadOptions,
  log: KafkaLog,
  visit: (record: LocatedRecord) => void,
): Promise<void> {
  const where: Where = {
    cluster: config.name,
    get brokers() {
      return config.brokers;
    },
    place: `topic '${topic}'`,
  };
  const ranges = (await admin.offsets(topic))
    .map(({ partition, low, high }) => ({
      partition,
      next: Math.max(low, from?.get(partition) ?? low),
      end: Math.min(high, to?.get(partition) ?? high),
    }))
    .filter(({ partition, next, end }) => next < end && (partitions?.includes(partition) ?? true));
  if (ranges.length === 0) return;
  const { cluster, close } = await openBareCluster(config, log);
  try {
    ownConnections(cluster);
    await cluster.addMultipleTargetTopics([topic]);
    for (const range of ranges) await scanPartition(cluster, topic, range, visit);
  } catch (error) {
    throw classify(error, where);
  } finally {
    await close();
  }
}

async function scanPartition(
  cluster: ClusterInternals,
  topic: string,
  range: {
    readonly partition: number;
    readonly next: number;
    readonly end: number;
  },
  visit: (record: LocatedRecord) => void,
): Promise<void> {
  const { partition, end } = range;
  let { next } = range;
  for (let empty = 0; next < end && empty < 3; ) {
    const leader = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)?.leader;
    if (leader === undefined) break;
    const broker = await cluster.findBroker({ nodeId: leader });
    const { responses } = await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 8_388_608,
      isolationLevel: 1,
      topics: [
        {
          topic,
          partitions: [{ partition, fetchOffset: String(next), maxBytes: 4_194_304 }],
        },
      ],
    });
    const batches = (responses[0]?.partitions[0] as FetchedPartition | undefined)?.messages ?? [];
    const before = next;
    for (const { offset: last, records: batch, isControlRecord } of batches) {
      if (!isControlRecord) {
        for (const record of batch) {
          if (record.offset >= next && record.offset < end) visit({ topic, partition, ...record });
        }
      }
      next = Math.max(next, Number(last) + 1);
    }
    empty = next === before ? empty + 1 : 0;
  }
}
