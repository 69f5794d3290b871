import assert from 'node:assert/strict';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { startBroker } from './broker-fixture.ts';

// The package is CommonJS and this name cannot be found by the module loader.
const { ConfigResourceTypes } = kafkajs;

describe('topics and settings over kafkajs', () => {
  it('creates, lists, describes and deletes topics', async (t) => {
    const { admin } = await startBroker(t);
    assert.equal(await admin.createTopics({ topics: [{ topic: 'b', numPartitions: 3 }, { topic: 'a' }] }), true);
    assert.equal(await admin.createTopics({ topics: [{ topic: 'a' }] }), false, 'a topic that is there is no error');
    assert.deepEqual((await admin.listTopics()).sort(), ['a', 'b']);
    const { topics } = await admin.fetchTopicMetadata({ topics: ['b'] });
    assert.deepEqual(
      topics[0]?.partitions.map(({ partitionId, leader, replicas, isr }) => [partitionId, leader, replicas, isr]),
      [0, 1, 2].map((id) => [id, 1, [1], [1]]),
    );
    await admin.deleteTopics({ topics: ['b'] });
    assert.deepEqual(await admin.listTopics(), ['a']);
    await assert.rejects(admin.fetchTopicOffsets('b'), /does not host this topic/);
  });

  it('makes no topic when only asked to validate', async (t) => {
    const { admin } = await startBroker(t);
    await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics: [{ topic: 'a' }] });
    assert.deepEqual(await admin.listTopics(), []);
  });

  it('takes an explicit assignment to its only node and refuses others', async (t) => {
    const { admin } = await startBroker(t);
    const to = (node: number) => [0, 1].map((partition) => ({ partition, replicas: [node] }));
    await admin.createTopics({ topics: [{ topic: 'mine', numPartitions: -1, replicationFactor: -1, replicaAssignment: to(1) }] });
    assert.equal((await admin.fetchTopicOffsets('mine')).length, 2);
    await assert.rejects(admin.createTopics({ topics: [{ topic: 'others', replicaAssignment: to(2) }] }));
  });

  for (const [why, topic] of [
    ['a bad name', { topic: 'no/slash' }],
    ['two replicas', { topic: 'a', replicationFactor: 2 }],
    ['no partitions', { topic: 'a', numPartitions: 0 }],
    ['an unknown setting', { topic: 'a', configEntries: [{ name: 'retention.hours', value: '1' }] }],
    ['a value that is no number', { topic: 'a', configEntries: [{ name: 'retention.ms', value: 'soon' }] }],
  ] as const) {
    it(`refuses a topic with ${why}`, async (t) => {
      const { admin } = await startBroker(t);
      const { configEntries, ...rest } = { configEntries: undefined, ...topic };
      await assert.rejects(admin.createTopics({ topics: [{ ...rest, ...(configEntries && { configEntries: [...configEntries] }) }] }));
      assert.deepEqual(await admin.listTopics(), []);
    });
  }

  it('starts empty when a topic is made again under the same name', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'again' }] });
    await producer.send({ topic: 'again', messages: [{ value: 'x' }] });
    await admin.setOffsets({ groupId: 'g', topic: 'again', partitions: [{ partition: 0, offset: '1' }] });
    await admin.deleteTopics({ topics: ['again'] });
    await admin.createTopics({ topics: [{ topic: 'again' }] });
    assert.equal((await admin.fetchTopicOffsets('again'))[0]?.high, '0');
    assert.deepEqual(await admin.fetchOffsets({ groupId: 'g' }), []);
  });

  it('grows a topic and never shrinks it', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'grow', numPartitions: 2 }] });
    await admin.createPartitions({ validateOnly: true, topicPartitions: [{ topic: 'grow', count: 4 }] });
    assert.equal((await admin.fetchTopicOffsets('grow')).length, 2);
    await admin.createPartitions({ topicPartitions: [{ topic: 'grow', count: 4 }] });
    assert.equal((await admin.fetchTopicOffsets('grow')).length, 4);
    await producer.send({ topic: 'grow', messages: [{ partition: 3, value: 'x' }] });
    await assert.rejects(admin.createPartitions({ topicPartitions: [{ topic: 'grow', count: 3 }] }));
  });

  it('shows and changes the settings of a topic', async (t) => {
    const { admin } = await startBroker(t);
    const configEntries = [
      { name: 'retention.ms', value: '1000' },
      { name: 'cleanup.policy', value: 'compact' },
    ];
    await admin.createTopics({ topics: [{ topic: 'set', configEntries }] });
    const ask = async (...configNames: string[]) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: 'set', configNames }],
      });
      return Object.fromEntries(
        resources[0]?.configEntries.map(({ configName, configValue, isDefault }) => [configName, [configValue, isDefault]]) ?? [],
      );
    };
    assert.deepEqual(await ask('retention.ms', 'cleanup.policy', 'max.message.bytes'), {
      'retention.ms': ['1000', false],
      'cleanup.policy': ['compact', false],
      'max.message.bytes': ['1048588', true],
    });
    assert.ok(Object.keys(await ask()).length > 20, 'all of them when none is named');
    const resource = { type: ConfigResourceTypes.TOPIC, name: 'set', configEntries: [{ name: 'max.message.bytes', value: '2000000' }] };
    await admin.alterConfigs({ validateOnly: true, resources: [resource] });
    assert.deepEqual(await ask('max.message.bytes'), { 'max.message.bytes': ['1048588', true] });
    await admin.alterConfigs({ validateOnly: false, resources: [resource] });
    assert.deepEqual(await ask('max.message.bytes', 'retention.ms'), {
      'max.message.bytes': ['2000000', false],
      'retention.ms': ['604800000', true],
    });
  });

  it('shows the settings of the broker', async (t) => {
    const { admin } = await startBroker(t, { maxMessageBytes: 5_000_000 });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1' }],
    });
    const entry = resources[0]?.configEntries.find(({ configName }) => configName === 'message.max.bytes');
    assert.equal(entry?.configValue, '5000000');
  });

  it('describes a cluster of one node with its own id', async (t) => {
    const { admin, broker } = await startBroker(t);
    const cluster = await admin.describeCluster();
    const [host, port] = broker.address.split(':');
    assert.deepEqual(cluster, { brokers: [{ nodeId: 1, host, port: Number(port) }], controller: 1, clusterId: broker.clusterId });
  });

  it('moves no partition, having nowhere to move it', async (t) => {
    const { admin } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'stay' }] });
    const move = (node: number) =>
      admin.alterPartitionReassignments({ topics: [{ topic: 'stay', partitionAssignment: [{ partition: 0, replicas: [node] }] }] });
    await move(1);
    await assert.rejects(move(2));
    assert.deepEqual((await admin.listPartitionReassignments({ topics: [{ topic: 'stay', partitions: [0] }] })).topics, []);
  });

  it('does not make a topic for a client that mistypes one, unless told to', async (t) => {
    const strict = await startBroker(t, { client: { retry: { retries: 0 } } });
    await assert.rejects(strict.producer.send({ topic: 'typo', messages: [{ value: 'x' }] }));
    assert.deepEqual(await strict.admin.listTopics(), []);
    const kind = await startBroker(t, { autoCreateTopics: true });
    await kind.producer.send({ topic: 'welcome', messages: [{ value: 'x' }] });
    assert.deepEqual(await kind.admin.listTopics(), ['welcome']);
  });

  it('answers a storage error where a topic cannot be written down, and changes nothing', async (t) => {
    const { admin, dataDir } = await startBroker(t, { client: { retry: { retries: 0 } } });
    await admin.createTopics({ topics: [{ topic: 'there' }] });
    const inTheWay = join(dataDir, 'topics.json.tmp');
    await mkdir(inTheWay);
    const refused = (work: Promise<unknown>) => assert.rejects(work, /disk error/i);
    await assert.rejects(admin.createTopics({ topics: [{ topic: 'new', numPartitions: 1 }] }));
    await refused(admin.createPartitions({ topicPartitions: [{ topic: 'there', count: 3 }] }));
    await refused(admin.deleteTopics({ topics: ['there'] }));
    assert.deepEqual(await admin.listTopics(), ['there']);
    assert.equal((await admin.fetchTopicOffsets('there')).length, 1);
    await rmdir(inTheWay);
    await admin.createTopics({ topics: [{ topic: 'new', numPartitions: 1 }] });
    assert.deepEqual((await admin.listTopics()).sort(), ['new', 'there']);
  });
});
