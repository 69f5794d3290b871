import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { CommitThrottle } from '../../../host/src/embedded/profiles/commit-throttle.ts';
import { openBareCluster } from '../../../host/src/kafka/bare-cluster.ts';
import { clusterOf, silent } from '../kafka/contract-kit.ts';
import { startBroker, temporaryFolder } from './broker-fixture.ts';

const many = (count: number): Readonly<Record<string, number>> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`topic-${i}`, 1] as const));

/** What the broker answers to commits of a group without members, one after another. */
async function committer(t: TestContext, address: string) {
  const { cluster, close } = await openBareCluster({ name: 'test', brokers: [address], clientId: 'test' }, silent);
  t.after(close);
  await cluster.addMultipleTargetTopics(['t']);
  const coordinator = await cluster.findGroupCoordinator({ groupId: 'g' });
  return {
    commit: async (partition: number, offset: number, metadata: string | null = null) => {
      const partitions = [{ partition, offset: String(offset), metadata }];
      const request = { groupId: 'g', memberId: '', groupGenerationId: -1, topics: [{ topic: 't', partitions }] };
      return (await coordinator.offsetCommit(request)) as { readonly throttleTime: number; readonly clientSideThrottleTime?: number };
    },
    committed: async (partition: number) => {
      const { responses } = await coordinator.offsetFetch({ groupId: 'g', topics: [{ topic: 't', partitions: [{ partition }] }] });
      return responses[0]?.partitions[0];
    },
  };
}

describe('profile eventhubs', () => {
  it('has the topics that it was given and lets no client make, grow or delete any', async (t) => {
    const { admin, broker } = await startBroker(t, { profile: 'eventhubs', topics: { made: 32 } });
    assert.equal((await admin.fetchTopicOffsets('made')).length, 32);
    const refused = (error: { errors?: readonly { type?: string }[]; type?: string }): boolean =>
      (error.errors?.[0]?.type ?? error.type) === 'TOPIC_AUTHORIZATION_FAILED';
    await assert.rejects(admin.createTopics({ topics: [{ topic: 'mine', numPartitions: 1 }] }), refused);
    await assert.rejects(admin.deleteTopics({ topics: ['made'] }), refused);
    await assert.rejects(admin.createPartitions({ topicPartitions: [{ topic: 'made', count: 33 }] }), /not support/);
    const cluster = clusterOf([broker.address]);
    await assert.rejects((await cluster.admin()).createTopics([{ name: 'mine', partitions: 1 }]), {
      code: 'PH_KAFKA_ACL',
      message: /does not allow this on topics mine/,
    });
    await cluster.close();
    assert.deepEqual(await admin.listTopics(), ['made']);
  });

  for (const [what, topics, message] of [
    ['more than 10 topics', many(11), '11 topics, but profile eventhubs has room for 10'],
    ['more than 32 partitions', { wide: 33 }, 'topic wide with 33 partitions, but profile eventhubs allows 1 to 32'],
    ['a topic without a name', { 'no/name': 1 }, '"no/name" is no topic name'],
  ] as const) {
    it(`does not start with ${what}`, async () => {
      const dataDir = await temporaryFolder();
      const start = openEmbeddedBroker({ dataDir, profile: 'eventhubs', topics });
      await assert.rejects(start, { code: 'PH_BROKER_TOPICS', exitCode: 2, message });
      const again = await openEmbeddedBroker({ dataDir, profile: 'eventhubs', topics: many(10) });
      await again.close();
    });
  }

  it('keeps the topics of its last start, and says so where their partitions differ', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await openEmbeddedBroker({ dataDir, profile: 'eventhubs', topics: { t: 2 } });
    await first.close();
    await assert.rejects(openEmbeddedBroker({ dataDir, profile: 'eventhubs', topics: { t: 3 } }), {
      code: 'PH_BROKER_TOPICS',
      message: 'topic t has 2 partitions, not 3',
    });
    const { admin } = await startBroker(t, { dataDir, profile: 'eventhubs', topics: { other: 1 } });
    assert.deepEqual((await admin.listTopics()).sort(), ['other', 't']);
  });

  it('closes the connection on a request above 1,046,528 bytes, which our producer takes for a record too large', async (t) => {
    const { broker } = await startBroker(t, { profile: 'eventhubs', topics: { t: 1 } });
    const cluster = clusterOf([broker.address]);
    t.after(() => cluster.close());
    const producer = await cluster.producer();
    await producer.send({ topic: 't', key: null, value: randomBytes(1_045_000) });
    await assert.rejects(producer.send({ topic: 't', key: null, value: randomBytes(1_046_528) }), { code: 'PH_MESSAGE_TOO_LARGE' });
    await producer.send({ topic: 't', key: null, value: 'after it' });
    const read = await cluster.read({ topic: 't' });
    assert.deepEqual(
      read.map(({ value }) => value?.length),
      [1_045_000, 8],
    );
  });

  it('has no transactions', async (t) => {
    const { kafka } = await startBroker(t, { profile: 'eventhubs', topics: { t: 1 } });
    const producer = kafka.producer({
      transactionalId: 'x',
      maxInFlightRequests: 1,
      idempotent: true,
      retry: { retries: 1, initialRetryTime: 10 },
    });
    t.after(() => producer.disconnect());
    await producer.connect();
    await assert.rejects(producer.transaction());
  });

  it('stores each commit, and answers the third of a second and partition late, saying by how much', async (t) => {
    const { broker } = await startBroker(t, { profile: 'eventhubs', topics: { t: 2 } });
    const { commit, committed } = await committer(t, broker.address);
    const began = performance.now();
    assert.equal((await commit(0, 1)).throttleTime, 0);
    assert.equal((await commit(0, 2)).throttleTime, 0);
    assert.equal((await commit(1, 1)).throttleTime, 0, 'another partition has a share of its own');
    let held = 0;
    // Where the machine is slow the first two are old before the third comes: then the next is one too many.
    for (let offset = 3; held === 0 && offset < 100; offset++) held = (await commit(0, offset)).throttleTime;
    assert.ok(held > 0 && held <= 1_000, `${held} ms`);
    assert.ok(performance.now() - began >= held, 'the answer came late');
    assert.ok(Number((await committed(0))?.offset) >= 3);
  });

  for (const commitMetadata of ['keep', 'drop'] as const) {
    it(`${commitMetadata}s the metadata of commits when told to`, async (t) => {
      const { broker } = await startBroker(t, { profile: 'eventhubs', topics: { t: 1 }, commitMetadata });
      const { commit, committed } = await committer(t, broker.address);
      await commit(0, 7, 'done: 9');
      assert.deepEqual(await committed(0), {
        partition: 0,
        errorCode: 0,
        offset: '7',
        metadata: commitMetadata === 'keep' ? 'done: 9' : '',
      });
    });
  }

  it('is not what a second host can ask for where the broker runs with another profile', async () => {
    const dataDir = await temporaryFolder();
    const owner = await openEmbeddedBroker({ dataDir });
    await assert.rejects(openEmbeddedBroker({ dataDir, profile: 'eventhubs' }), {
      code: 'PH_BROKER_OWNED',
      message: /with profile kafka4, not eventhubs/,
    });
    const guest = await openEmbeddedBroker({ dataDir });
    await guest.close();
    await owner.close();
  });
});

describe('profile kafka4', () => {
  it('throttles no commits', async (t) => {
    const { broker } = await startBroker(t, { topics: { t: 1 } });
    const { commit } = await committer(t, broker.address);
    for (let offset = 0; offset < 20; offset++) {
      const { throttleTime, clientSideThrottleTime = 0 } = await commit(0, offset);
      assert.deepEqual([throttleTime, clientSideThrottleTime], [0, 0]);
    }
  });
});

it('a commit too many is due a second after the one that fills the share', () => {
  const throttle = new CommitThrottle(2);
  const at = (now: number, partition = 0): number => throttle.delay('g', [{ topic: 't', partition }], now);
  assert.deepEqual([at(0), at(100), at(200), at(1_000), at(1_100)], [0, 0, 800, 100, 900]);
  assert.equal(at(1_100, 1), 0);
  assert.equal(throttle.delay('other', [{ topic: 't', partition: 0 }], 1_100), 0);
  assert.equal(at(10_000), 0, 'who waited long enough may commit at once');
});
