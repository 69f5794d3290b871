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
 * Every visible record of a range of offsets, without a group. A partition ends where `to` is reached, or where the
 * broker has nothing more to give before it.
 */
export async function readRange(
  config: ClusterConfig,
  admin: KafkaAdmin,
  { topic, from, to }: ReadOptions,
  log: KafkaLog,
): Promise<LocatedRecord[]> {
  const where: Where = {
    cluster: config.name,
    get brokers() {
      return config.brokers;
    },
    place: `topic '${topic}'`,
  };
  const ranges = (await admin.offsets(topic)).map(({ partition, low, high }) => ({
    partition,
    next: Math.max(low, from?.get(partition) ?? low),
    end: Math.min(high, to?.get(partition) ?? high),
  }));
  const { cluster, close } = await openBareCluster(config, log);
  try {
    ownConnections(cluster);
    await cluster.addMultipleTargetTopics([topic]);
    const records: LocatedRecord[] = [];
    for (const range of ranges) records.push(...(await readPartition(cluster, topic, range)));
    return records;
  } catch (error) {
    throw classify(error, where);
  } finally {
    await close();
  }
}

async function readPartition(
  cluster: ClusterInternals,
  topic: string,
  range: {
    readonly partition: number;
    readonly next: number;
    readonly end: number;
  },
): Promise<LocatedRecord[]> {
  const { partition, end } = range;
  const records: LocatedRecord[] = [];
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
          if (record.offset >= next && record.offset < end) records.push({ topic, partition, ...record });
        }
      }
      next = Math.max(next, Number(last) + 1);
    }
    empty = next === before ? empty + 1 : 0;
  }
  return records;
}
