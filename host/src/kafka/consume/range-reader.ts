import { UnavailableError } from '@pipeline-host/sdk';
import { openBareCluster } from '../bare-cluster.ts';
import { classify, type Where } from '../classify.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { KafkaAdmin, KafkaLog, LocatedRecord, ReadOptions } from '../driver.ts';
import type { ClusterInternals } from '../kafkajs-internals.ts';
import { ownConnections } from '../repairs.ts';
import type { FetchedBatch } from './fetch-decoder.ts';

interface FetchedPartition {
  readonly partition: number;
  readonly messages: readonly FetchedBatch[];
}

/** A new leader may need a moment until it gives what its end promises. */
const MOST_EMPTY = 3;

/**
 * Shows every visible record of a range of offsets, without a group. A partition ends where `to` is reached, or at the last
 * stable offset of the time of the call where that is lower. Rejects where the broker does not give all records up to
 * there: whoever looks for a record must not take a part for the whole.
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
    for (const range of ranges) await scanPartition(cluster, { topic, ...range }, visit);
  } catch (error) {
    throw classify(error, where);
  } finally {
    await close();
  }
}

/**
 * Shows the visible records of one partition from `next` up to `end`, which the broker has said to have.
 *
 * @throws PipelineError `PH_KAFKA_UNAVAILABLE` where it has no leader, or does not give them now
 */
export async function scanPartition(
  cluster: Pick<ClusterInternals, 'findTopicPartitionMetadata' | 'findBroker'>,
  range: { readonly topic: string; readonly partition: number; readonly next: number; readonly end: number },
  visit: (record: LocatedRecord) => void,
): Promise<void> {
  const { topic, partition, end } = range;
  let { next } = range;
  for (let empty = 0; next < end; ) {
    if (empty === MOST_EMPTY)
      throw new UnavailableError(
        'PH_KAFKA_UNAVAILABLE',
        `${topic}/${partition} gives no record from offset ${next} on, though it ends at ${end}`,
      );
    const leader = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)?.leader;
    if (leader === undefined || leader < 0) throw new UnavailableError('PH_KAFKA_UNAVAILABLE', `${topic}/${partition} has no leader`);
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
