import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DispositionJournal } from '../../../host/src/dlq/disposition-journal.ts';
import type { DeadLetterQueue } from '../../../host/src/dlq/queues.ts';
import type { KafkaCluster, KafkaRecord, LocatedRecord, ReadOptions } from '../../../host/src/kafka/driver.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { MemoryProducer } from '../../../host/src/testing/memory-producer.ts';

const queue: DeadLetterQueue = { name: 'p.dlq', cluster: 'default', topic: 'p.dlq', dispositionTopic: 'p.dlq.dispositions', workers: [] };

/** A journal on a topic of one partition that is there already. */
function openJournal() {
  const producer = new MemoryProducer();
  const stored = (): LocatedRecord[] =>
    producer.sent.map(({ value }, offset) => {
      const record: KafkaRecord = { offset, timestamp: 0, key: null, value: Buffer.from(value ?? ''), headers: {} };
      return { topic: queue.dispositionTopic, partition: 0, ...record };
    });
  const admin = {
    describeTopics: async () => new Map([[queue.dispositionTopic, { partitions: 1 }]]),
    offsets: async () => [{ partition: 0, low: 0, high: producer.sent.length }],
  };
  const scan = async ({ from }: ReadOptions, visit: (record: LocatedRecord) => void): Promise<void> => {
    for (const record of stored()) if (record.offset >= (from?.get(0) ?? 0)) visit(record);
  };
  const clusters = { get: async () => ({ admin: async () => admin, scan }) as unknown as KafkaCluster };
  return new DispositionJournal({ queue, clusters, producer: async () => producer, create: false, log: createLogger({ level: 'silent' }) });
}

describe('the journal of dispositions', () => {
  it('tells a dead letter from one that stood at its offset before the topic was made anew', async () => {
    const journal = openJournal();
    const old = { partition: 0, offset: 4, timestamp: 1_000 };
    const anew = { ...old, timestamp: 2_000 };
    await journal.append(old, { kind: 'discarded', token: 'a', actor: 'ops', reason: 'no use' });
    assert.equal(journal.of(old).state, 'discarded');
    assert.equal(journal.of(anew).state, 'open');
    const target = { topic: 'p.w.retry', partition: 0, from: 0 };
    const claimed = await journal.append(anew, { kind: 'claimed', token: 'b', actor: 'ops', reason: null, again: false, target });
    assert.deepEqual([claimed.state, claimed.token], ['replaying', 'b']);
    assert.deepEqual(journal.pending, [anew]);
    assert.equal(journal.of(old).state, 'discarded');
  });
});
