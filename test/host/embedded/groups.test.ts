import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AssignerProtocol, type Consumer } from 'kafkajs';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { eventually, type Fixture, readAll, startBroker } from './broker-fixture.ts';

async function send(fixture: Fixture, topic: string, partitions: number, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, i) => ({ partition: i % partitions, value: String(i) }));
  await fixture.producer.send({ topic, messages });
}

interface Member {
  readonly consumer: Consumer;
  partitions: readonly number[];
  joins: number;
}

async function join(fixture: Fixture, groupId: string, topic: string): Promise<Member> {
  const consumer = await fixture.consumer(groupId);
  const member: Member = { consumer, partitions: [], joins: 0 };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.partitions = payload.memberAssignment[topic] ?? [];
    member.joins += 1;
  });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ eachBatch: () => Promise.resolve() });
  return member;
}

describe('consumer groups over kafkajs', { concurrency: 4 }, () => {
  it('spreads partitions from one member to two and back to one', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'spread', numPartitions: 6 }] });
    const first = await join(fixture, 'g', 'spread');
    await eventually('one member has all', () => first.partitions.length === 6);
    const second = await join(fixture, 'g', 'spread');
    await eventually('both have three', () => first.partitions.length === 3 && second.partitions.length === 3);
    assert.deepEqual(
      [...first.partitions, ...second.partitions].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5],
    );
    await second.consumer.disconnect();
    await eventually('one member has all again', () => first.partitions.length === 6);
  });

  it('gives the partitions of a silent member to the others after its session timeout', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'silent', numPartitions: 2 }] });
    const dying = await fixture.consumer('g', { sessionTimeout: 1_000, heartbeatInterval: 200 });
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    await dying.subscribe({ topics: ['silent'], fromBeginning: true });
    let reached = false;
    await dying.run({
      eachMessage: async () => {
        reached = true;
        await stuck; // a handler that never comes back sends no heartbeat
      },
    });
    await send(fixture, 'silent', 2, 2);
    await eventually('the first member is stuck', () => reached);
    const survivor = await join(fixture, 'g', 'silent');
    await eventually('the survivor has all', () => survivor.partitions.length === 2);
    release();
  });

  it('goes on from the committed offset in a new process', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'resume', numPartitions: 1 }] });
    await send(fixture, 'resume', 1, 10);
    const first = await fixture.consumer('g');
    await first.subscribe({ topics: ['resume'], fromBeginning: true });
    let committed = false;
    await first.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (committed) return;
        await first.commitOffsets([{ topic: 'resume', partition: batch.partition, offset: '4' }]);
        committed = true;
      },
    });
    await eventually('the offset is committed', () => committed);
    await first.disconnect();
    const seen = await readAll(await fixture.consumer('g'), 'resume', 6);
    assert.deepEqual(
      seen.map(({ offset }) => offset),
      ['4', '5', '6', '7', '8', '9'],
    );
  });

  it('keeps the metadata of a commit up to 4,096 units and refuses more', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'noted', numPartitions: 1 }] });
    const member = await join(fixture, 'g', 'noted');
    await eventually('joined', () => member.joins > 0);
    const metadata = '€'.repeat(4_096);
    const commit = (text: string) => member.consumer.commitOffsets([{ topic: 'noted', partition: 0, offset: '0', metadata: text }]);
    await commit(metadata);
    await assert.rejects(
      commit(`${metadata}.`),
      (error: { cause?: { code?: number } }) => error.cause?.code === ErrorCode.OFFSET_METADATA_TOO_LARGE,
    );
    const [offsets] = await fixture.admin.fetchOffsets({ groupId: 'g', topics: ['noted'] });
    assert.deepEqual(offsets?.partitions, [{ partition: 0, offset: '0', metadata }]);
  });

  it('sets and resets offsets of a group without members, for all its topics', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'set', numPartitions: 2 }] });
    await send(fixture, 'set', 2, 10);
    const partitions = [
      { partition: 0, offset: '3' },
      { partition: 1, offset: '2' },
    ];
    await fixture.admin.setOffsets({ groupId: 'g', topic: 'set', partitions });
    const [all] = await fixture.admin.fetchOffsets({ groupId: 'g' });
    assert.deepEqual(
      all?.partitions.map(({ partition, offset }) => ({ partition, offset })),
      partitions,
    );
    await fixture.admin.resetOffsets({ groupId: 'g', topic: 'set', earliest: true });
    const [reset] = await fixture.admin.fetchOffsets({ groupId: 'g', topics: ['set'], resolveOffsets: true });
    assert.deepEqual(
      reset?.partitions.map(({ offset }) => offset),
      ['0', '0'],
    );
  });

  it('lists, describes and deletes groups', async (t) => {
    const fixture = await startBroker(t);
    const { admin } = fixture;
    await admin.createTopics({ topics: [{ topic: 'described', numPartitions: 2 }] });
    const member = await join(fixture, 'g', 'described');
    await eventually('joined', () => member.partitions.length === 2);
    const { groups } = await admin.describeGroups(['g', 'nobody']);
    assert.deepEqual(
      groups.map(({ groupId, state, protocolType, protocol }) => [groupId, state, protocolType, protocol]),
      [
        ['g', 'Stable', 'consumer', 'RoundRobinAssigner'],
        ['nobody', 'Dead', '', ''],
      ],
    );
    const assignment = AssignerProtocol.MemberAssignment.decode(groups[0]?.members[0]?.memberAssignment ?? Buffer.alloc(0));
    assert.deepEqual(assignment?.assignment, { described: [0, 1] });
    assert.deepEqual((await admin.listGroups()).groups, [{ groupId: 'g', protocolType: 'consumer' }]);
    await assert.rejects(
      admin.deleteGroups(['g']),
      (error: { groups?: { errorCode: number }[] }) => error.groups?.[0]?.errorCode === ErrorCode.NON_EMPTY_GROUP,
    );
    await assert.rejects(
      admin.deleteGroups(['nobody']),
      (error: { groups?: { errorCode: number }[] }) => error.groups?.[0]?.errorCode === ErrorCode.GROUP_ID_NOT_FOUND,
    );
    await member.consumer.disconnect();
    await admin.deleteGroups(['g']);
    assert.deepEqual((await admin.listGroups()).groups, []);
  });

  it('seeks, pauses and resumes', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'paused', numPartitions: 1 }] });
    await send(fixture, 'paused', 1, 5);
    const consumer = await fixture.consumer('g');
    const seen: string[] = [];
    await consumer.subscribe({ topics: ['paused'], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        seen.push(message.offset);
        if (seen.length === 5) consumer.pause([{ topic: 'paused' }]);
        return Promise.resolve();
      },
    });
    await eventually('all are read', () => seen.length === 5);
    assert.deepEqual(consumer.paused(), [{ topic: 'paused', partitions: [0] }]);
    consumer.seek({ topic: 'paused', partition: 0, offset: '3' });
    consumer.resume([{ topic: 'paused' }]);
    await eventually('the last two are read again', () => seen.length === 7);
    assert.deepEqual(seen.slice(5), ['3', '4']);
  });

  it('refuses commits of a member that is no longer one', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'fenced', numPartitions: 1 }] });
    const member = await join(fixture, 'g', 'fenced');
    await eventually('joined', () => member.joins > 0);
    fixture.broker.faults.push({ api: 'OffsetCommit', topic: 'fenced', action: { error: ErrorCode.ILLEGAL_GENERATION } });
    await assert.rejects(member.consumer.commitOffsets([{ topic: 'fenced', partition: 0, offset: '0' }]), /generation id is not valid/);
  });

  it('wakes a waiting fetch as soon as a record is there', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'awake', numPartitions: 1 }] });
    const consumer = await fixture.consumer('g', { maxWaitTimeInMs: 4_000 });
    await consumer.subscribe({ topics: ['awake'], fromBeginning: true });
    const arrivals: number[] = [];
    let fetching = 0;
    consumer.on(consumer.events.FETCH_START, () => {
      fetching += 1;
    });
    await consumer.run({
      eachMessage: () => {
        arrivals.push(performance.now());
        return Promise.resolve();
      },
    });
    await eventually('it fetches', () => fetching > 0);
    const sent = performance.now();
    await send(fixture, 'awake', 1, 1);
    await eventually('the record arrives', () => arrivals.length === 1);
    assert.ok((arrivals[0] ?? 0) - sent < 1_000, 'long before the wait of four seconds is over');
  });
});
