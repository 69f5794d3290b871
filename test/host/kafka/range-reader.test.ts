import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FetchedBatch } from '../../../host/src/kafka/consume/fetch-decoder.ts';
import { scanPartition } from '../../../host/src/kafka/consume/range-reader.ts';
import type { BrokerInternals } from '../../../host/src/kafka/kafkajs-internals.ts';

const RANGE = { topic: 't', partition: 0, next: 0, end: 3 };
const batchOf = (...offsets: number[]): FetchedBatch => ({
  offset: String(offsets.at(-1)),
  isControlRecord: false,
  records: offsets.map((offset) => ({ offset, timestamp: 0, key: null, value: null, headers: {} })),
});

/** Scans a partition whose leader gives these batches, one list a fetch, and nothing after them. */
async function scan(fetches: readonly (readonly FetchedBatch[])[], leader = 1): Promise<number[]> {
  const seen: number[] = [];
  const left = [...fetches];
  const fetch = async () => ({ responses: [{ topicName: 't', partitions: [{ partition: 0, messages: left.shift() ?? [] }] }] });
  const cluster = {
    findTopicPartitionMetadata: () => [{ partitionId: 0, leader }],
    findBroker: async () => ({ fetch }) as Partial<BrokerInternals> as BrokerInternals,
  };
  await scanPartition(cluster, RANGE, ({ offset }) => void seen.push(offset));
  return seen;
}

describe('the reader of a range', () => {
  it('waits out a fetch that brings nothing', async () => {
    assert.deepEqual(await scan([[batchOf(0)], [], [], [batchOf(1, 2, 3)]]), [0, 1, 2]);
  });

  it('does not take what it got for the whole range where the broker gives no more', async () => {
    await assert.rejects(scan([[batchOf(0, 1)]]), { code: 'PH_KAFKA_UNAVAILABLE', kind: 'unavailable' });
  });

  it('does not take a partition without leader for an empty one', async () => {
    await assert.rejects(scan([[batchOf(0, 1, 2)]], -1), { code: 'PH_KAFKA_UNAVAILABLE' });
  });

  it('needs no visible record to come to the end', async () => {
    assert.deepEqual(await scan([[{ ...batchOf(0, 1, 2), isControlRecord: true }]]), []);
  });
});
