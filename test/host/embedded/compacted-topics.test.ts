import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Admin, CompressionTypes } from 'kafkajs';
import { clusterOf, join, until } from '../kafka/contract-kit.ts';
import { eventually, readAll, startBroker } from './broker-fixture.ts';

async function create(admin: Admin, topic: string, config: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
}

const COMPACT = { 'cleanup.policy': 'compact', 'segment.bytes': '2000' };

describe('compacted topics over kafkajs', () => {
  it('keep the latest record of each key, and a consumer comes to the end over the gaps', async (t) => {
    const { broker, admin, producer, kafka } = await startBroker(t, { retentionCheckMs: 20 });
    await create(admin, 'state', COMPACT);
    const transactional = kafka.producer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1 });
    await transactional.connect();
    t.after(() => transactional.disconnect());
    for (let i = 0; i < 60; i++) {
      const messages = [{ key: `k${i % 5}`, value: `${i} `.repeat(40) }];
      if (i % 3 === 0) await producer.send({ topic: 'state', compression: CompressionTypes.GZIP, messages });
      else {
        const transaction = await transactional.transaction();
        await transaction.send({ topic: 'state', messages });
        await (i % 3 === 1 ? transaction.commit() : transaction.abort());
      }
    }
    const end = Number((await admin.fetchTopicOffsets('state'))[0]?.high);
    const cluster = clusterOf([broker.address]);
    t.after(() => cluster.close());
    const first = async () => (await cluster.read({ topic: 'state' }))[0]?.offset ?? 0;
    await eventually('early records are gone', async () => (await first()) > end / 2);
    let last = -1;
    const member = await join(cluster, { group: 'g', topics: ['state'] }, { onBatch: (batch) => (last = batch.lastOffset) });
    await until('the end', () => last === end - 1);
    const latest = new Map(member.records.map(({ key, value }) => [String(key), Number.parseInt(String(value), 10)]));
    const expected = Array.from(
      { length: 5 },
      (_, k) => [`k${k}`, Math.max(...numbers().filter((i) => i % 5 === k && i % 3 !== 2))] as const,
    );
    assert.deepEqual(latest, new Map(expected));
    assert.ok(member.records.length < 30, `${member.records.length} of 40 are left`);
    await member.consumer.close();
  });

  it('take no record without key', async (t) => {
    const { admin, producer } = await startBroker(t, { client: { retry: { retries: 0 } } });
    await create(admin, 'state', COMPACT);
    const refused = { type: 'INVALID_RECORD' };
    await assert.rejects(producer.send({ topic: 'state', messages: [{ key: 'k', value: 'v' }, { value: 'v' }] }), refused);
    await assert.rejects(producer.send({ topic: 'state', compression: CompressionTypes.GZIP, messages: [{ value: 'v' }] }), refused);
    assert.equal((await admin.fetchTopicOffsets('state'))[0]?.high, '0');
  });

  it('ignore the limits of time and size unless their policy is also to delete', async (t) => {
    const { admin, producer, consumer } = await startBroker(t, { retentionCheckMs: 20 });
    const limits = { 'retention.ms': '1000', 'retention.bytes': '1' };
    await create(admin, 'compacted', { ...COMPACT, ...limits });
    await create(admin, 'both', { ...COMPACT, ...limits, 'cleanup.policy': 'compact,delete' });
    const timestamp = String(Date.now() - 60_000);
    for (const topic of ['compacted', 'both'])
      for (let i = 0; i < 20; i++) await producer.send({ topic, messages: [{ key: `k${i}`, value: 'x'.repeat(200), timestamp }] });
    await eventually('what is too old is gone', async () => (await admin.fetchTopicOffsets('both'))[0]?.low === '20');
    assert.equal((await readAll(await consumer('g'), 'compacted', 20)).length, 20);
  });

  it('have no start that a client may move, unless their policy is also to delete', async (t) => {
    const { admin, producer } = await startBroker(t, { client: { retry: { retries: 0 } } });
    await create(admin, 'compacted', COMPACT);
    await create(admin, 'both', { ...COMPACT, 'cleanup.policy': 'delete, compact' });
    const cut = async (topic: string): Promise<void> => {
      await producer.send({ topic, messages: [{ key: 'k', value: 'v' }] });
      await admin.fetchTopicOffsets(topic); // the client looks for the leader in what it has cached
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
    };
    await assert.rejects(cut('compacted'));
    await cut('both');
    assert.deepEqual([(await admin.fetchTopicOffsets('compacted'))[0]?.low, (await admin.fetchTopicOffsets('both'))[0]?.low], ['0', '1']);
  });

  it('are refused with settings that make no sense', async (t) => {
    const { admin } = await startBroker(t, { client: { retry: { retries: 0 } } });
    const settings: readonly Readonly<Record<string, string>>[] = [
      { 'cleanup.policy': 'shred' },
      { 'cleanup.policy': '' },
      { 'min.cleanable.dirty.ratio': '1.5' },
      { 'delete.retention.ms': '-1' },
      { 'min.compaction.lag.ms': 'soon' },
      { 'segment.ms': '0' },
    ];
    for (const config of settings) {
      await assert.rejects(create(admin, 'state', config), JSON.stringify(config));
    }
    assert.deepEqual(await admin.listTopics(), []);
  });
});

function numbers(): readonly number[] {
  return Array.from({ length: 60 }, (_, i) => i);
}
