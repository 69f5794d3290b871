import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { pipeline } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPipelineError } from '@pipeline-host/sdk';
import kafkajs from 'kafkajs';
import type { CommitOffset, KafkaAdmin, KafkaCluster, KafkaProducer } from '../../../host/src/kafka/driver.ts';
import { brokerKind, brokerMissing, openTestBroker, type TestBroker } from '../../integration/brokers.ts';
import { clusterOf, join, type TestMember, unique, until } from './contract-kit.ts';

function ipv6Missing(): string | false {
  if (Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))) return false;
  console.error('\n*** SKIPPED: this machine has no ::1, so a broker at an IPv6 address was not reached ***\n');
  return 'no ::1';
}

describe(`the Kafka port on ${brokerKind()}`, { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  let cluster: KafkaCluster;
  let admin: KafkaAdmin;
  let producer: KafkaProducer;

  before(async () => {
    broker = await openTestBroker();
    cluster = clusterOf(broker.brokers);
    admin = await cluster.admin();
    producer = await cluster.producer();
  });
  after(async () => {
    await cluster?.close();
    await broker?.close();
  });

  const topic = async (name: string, partitions: number, config: Record<string, string> = {}): Promise<string> => {
    const made = unique(name);
    await admin.createTopics([{ name: made, partitions, config }]);
    return made;
  };

  const fill = async (name: string, count: number, partitions: number): Promise<void> => {
    await producer.sendAll(
      Array.from({ length: count }, (_, i) => ({ topic: name, partition: i % partitions, key: `k${i}`, value: `v${i}` })),
    );
  };

  /** Commits the next offset of everything a member has been handed, as an engine that is always done would. */
  const positions = (member: TestMember): CommitOffset[] => {
    const next = new Map<string, CommitOffset>();
    for (const { topic: name, partition, offset, epoch } of member.records) {
      if (epoch === member.epoch) next.set(`${name}/${partition}`, { topic: name, partition, offset: offset + 1 });
    }
    return [...next.values()];
  };

  test('a broker is reached by its IPv6 address', { skip: ipv6Missing() }, async (t) => {
    const [seed = ''] = broker.brokers;
    const relay = createServer((client) => {
      const upstream = connect(Number(seed.split(':')[1]), seed.split(':')[0]);
      pipeline(client, upstream, client, () => {});
    }).listen(0, '::1');
    await once(relay, 'listening');
    t.after(() => relay.close());
    const { port } = relay.address() as AddressInfo;
    const other = clusterOf([`[::1]:${port}`]);
    t.after(() => other.close());
    const name = await topic('six', 1);
    await (await other.producer()).send({ topic: name, key: null, value: 'v' });
    assert.equal(String((await cluster.read({ topic: name }))[0]?.value), 'v');
  });

  test('a record comes back as it was sent: key, value, headers, time', async () => {
    const name = await topic('echo', 1);
    const binary = Buffer.from([0, 255, 128, 10]);
    await producer.send({
      topic: name,
      partition: 0,
      key: 'k',
      value: binary,
      headers: { one: 'a', many: ['b', Buffer.from('c')], empty: '' },
      timestamp: 1_700_000_000_123,
    });
    await producer.send({ topic: name, key: null, value: null });
    await producer.send({ topic: name, key: '', value: '' });
    const [first, second, third] = await cluster.read({ topic: name });
    assert.deepEqual([first?.key?.toString(), first?.value, first?.timestamp, first?.offset], ['k', binary, 1_700_000_000_123, 0]);
    assert.deepEqual(first?.headers, { one: Buffer.from('a'), many: [Buffer.from('b'), Buffer.from('c')], empty: Buffer.alloc(0) });
    assert.deepEqual([second?.key, second?.value, third?.key?.length, third?.value?.length], [null, null, 0, 0]);
  });

  test('a consumer hands on the same record that reading gives', async () => {
    const name = await topic('same', 1);
    await producer.send({ topic: name, key: 'k', value: 'v', headers: { one: 'a', many: ['b', 'c'] }, timestamp: 1_700_000_000_123 });
    const member = await join(cluster, { group: unique('g'), topics: [name] });
    await until('the record', () => member.records.length === 1);
    const [read] = await cluster.read({ topic: name });
    assert.deepEqual(member.records[0], { ...read, epoch: 1 });
    await member.consumer.close();
  });

  test('records of one partition stay in the order of the send calls', async () => {
    const name = await topic('order', 3);
    await Promise.all(
      Array.from({ length: 3_000 }, (_, i) => producer.send({ topic: name, partition: i % 3, key: null, value: String(i) })),
    );
    const read = await cluster.read({ topic: name });
    assert.equal(read.length, 3_000);
    for (const partition of [0, 1, 2]) {
      const values = read.filter((record) => record.partition === partition).map(({ value }) => Number(value));
      assert.deepEqual(
        values,
        Array.from({ length: 1_000 }, (_, i) => i * 3 + partition),
      );
    }
  });

  test('keys without a partition spread as the Java client spreads them', async () => {
    const name = await topic('murmur', 6);
    // org.apache.kafka.common.utils.UtilsTest gives the hashes; the partition is toPositive(hash) % 6.
    const java = new Map([
      ['21', (-973932308 & 0x7fffffff) % 6],
      ['a-little-bit-long-string', (-985981536 & 0x7fffffff) % 6],
      ['abc', 479470107 % 6],
    ]);
    for (const key of java.keys()) await producer.send({ topic: name, key, value: key });
    const read = await cluster.read({ topic: name });
    assert.deepEqual(new Map(read.map(({ key, partition }) => [String(key), partition])), new Map([...java].sort((a, b) => a[1] - b[1])));
  });

  test('records sent one by one leave in few requests, and buffered bytes fall back to none', async () => {
    const name = await topic('batch', 1);
    const sent = Array.from({ length: 5_000 }, (_, i) => producer.send({ topic: name, partition: 0, key: null, value: `x${i}` }));
    assert.ok(producer.bufferedBytes > 5_000);
    await Promise.all(sent);
    assert.equal(producer.bufferedBytes, 0);
    await producer.flush();
  });

  test('a record that is too large is refused alone', async () => {
    const name = await topic('large', 2, { 'max.message.bytes': '100000' });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        producer.send({ topic: name, partition: i % 2, key: null, value: i === 17 ? randomBytes(200_000) : `v${i}` }),
      ),
    );
    const refused = outcomes.flatMap((outcome, i) => (outcome.status === 'rejected' ? [[i, outcome.reason.code]] : []));
    assert.deepEqual(refused, [[17, 'PH_MESSAGE_TOO_LARGE']]);
    const read = await cluster.read({ topic: name });
    assert.deepEqual(
      read.map(({ value }) => Number(String(value).slice(1))).sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 17),
    );
  });

  test('a record that is too large goes out compressed, and the order of its partition stays', async () => {
    const name = await topic('compressed', 2, { 'max.message.bytes': '100000' });
    const values = Array.from({ length: 40 }, (_, i) => (i === 17 ? 'B'.repeat(8_000_000) : `v${i}`));
    await Promise.all(values.map((value, i) => producer.send({ topic: name, partition: i % 2, key: null, value })));
    const read = await cluster.read({ topic: name });
    for (const partition of [0, 1]) {
      const found = read.filter((record) => record.partition === partition).map(({ value }) => String(value));
      assert.ok(found.join() === values.filter((_, i) => i % 2 === partition).join(), `partition ${partition}`);
    }
  });

  test('a record for a partition that the topic does not have is refused alone', async () => {
    const name = await topic('unknown-partition', 2);
    const partitions = [0, 2, 1, -1, undefined, 0, 2];
    const outcomes = await Promise.allSettled(
      partitions.map((partition, i) =>
        producer.send({ topic: name, ...(partition !== undefined && { partition }), key: 'k', value: String(i) }),
      ),
    );
    const refused = outcomes.flatMap((outcome, i) =>
      outcome.status === 'rejected' ? [[i, outcome.reason.code, outcome.reason.kind]] : [],
    );
    assert.deepEqual(
      refused,
      [1, 3, 6].map((i) => [i, 'PH_KAFKA_UNKNOWN_PARTITION', 'fatal']),
    );
    const read = await cluster.read({ topic: name });
    assert.deepEqual(read.map(({ value }) => String(value)).toSorted(), ['0', '2', '4', '5']);
    assert.equal(producer.bufferedBytes, 0);
  });

  test('an unknown topic refuses its own records and no others', async () => {
    const name = await topic('known', 1);
    const missing = unique('missing');
    const [good, bad] = await Promise.allSettled([
      producer.send({ topic: name, key: null, value: 'v' }),
      producer.send({ topic: missing, key: null, value: 'v' }),
    ]);
    assert.equal(good.status, 'fulfilled');
    assert.ok(
      bad.status === 'rejected' && isPipelineError(bad.reason) && bad.reason.code === 'PH_KAFKA_UNKNOWN_TOPIC',
      String(bad.status === 'rejected' && bad.reason),
    );
  });

  test('a batch in any codec is read back', async () => {
    const name = await topic('packed', 1);
    const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
    for (const compression of codecs) {
      const compressing = clusterOf(broker.brokers, { compression });
      const records = Array.from({ length: 50 }, (_, i) => ({ topic: name, partition: 0, key: null, value: `${compression} ${i}` }));
      await (await compressing.producer()).sendAll(records);
      await compressing.close();
    }
    const member = await join(cluster, { group: unique('g'), topics: [name] });
    await until('200 records', () => member.records.length === 200);
    assert.deepEqual(
      member.records.map(({ offset, value }) => [offset, String(value)]),
      Array.from({ length: 200 }, (_, i) => [i, `${codecs[Math.floor(i / 50)]} ${i % 50}`]),
    );
    await member.consumer.close();
  });

  test('a batch that is too large when it is unpacked comes as one record with its stored bytes, and the next as they are', async () => {
    const name = await topic('bomb', 1);
    const compressing = await cluster.producer({ compression: 'zstd' });
    const send = (value: Buffer | string) => compressing.send({ topic: name, partition: 0, key: 'k', value });
    await send('before');
    await send(Buffer.alloc(65 * 1024 * 1024));
    await send('after');
    await compressing.close();
    const member = await join(cluster, { group: unique('g'), topics: [name] });
    await until('three records', () => member.records.length === 3);
    assert.deepEqual(
      member.records.map(({ offset, value, unreadable }) => [offset, unreadable === undefined ? String(value) : unreadable.records]),
      [
        [0, 'before'],
        [1, 1],
        [2, 'after'],
      ],
    );
    assert.ok((member.records[1]?.value?.length ?? 0) < 100_000, 'the batch as it is stored');
    assert.deepEqual(member.errors, []);
    await member.consumer.close();
  });

  test('committed offsets and metadata come back on the next assignment', async () => {
    const name = await topic('commit', 2);
    await fill(name, 20, 2);
    const group = unique('g');
    const first = await join(cluster, { group, topics: [name] });
    await until('20 records', () => first.records.length === 20);
    assert.deepEqual(
      first.assigned.map(({ committed, metadata }) => [committed, metadata]),
      [
        [null, null],
        [null, null],
      ],
    );
    const metadata = `v1:${'é'.repeat(4_000)}`;
    assert.equal(
      await first.consumer.commit(first.epoch, [
        { topic: name, partition: 0, offset: 4, metadata },
        { topic: name, partition: 1, offset: 7 },
      ]),
      'committed',
    );
    await first.consumer.close();

    const second = await join(cluster, { group, topics: [name] });
    await until('the rest', () => second.records.length === 6 + 3);
    const assigned = second.assigned.toSorted((a, b) => a.partition - b.partition);
    assert.deepEqual(
      assigned.map(({ partition, committed, metadata: text }) => [partition, committed, text]),
      [
        [0, 4, metadata],
        [1, 7, null],
      ],
    );
    assert.deepEqual(await admin.committed(group, [name]), [
      { topic: name, partition: 0, offset: 4, metadata },
      { topic: name, partition: 1, offset: 7, metadata: null },
    ]);
    await second.consumer.close();
  });

  test('a planned join and leave repeats nothing and loses nothing', async () => {
    const name = await topic('rebalance', 6);
    const group = unique('g');
    const seen: string[] = [];
    const member = () => {
      const held: { current?: TestMember } = {};
      const joined = join(
        cluster,
        { group, topics: [name] },
        {
          onBatch: (batch) => seen.push(...batch.records.map(({ offset }) => `${batch.partition}/${offset}`)),
          onRevoking: async (epoch, consumer) => {
            assert.equal(await consumer.commit(epoch, positions(held.current as TestMember)), 'committed');
          },
        },
      );
      return joined.then((one) => {
        held.current = one;
        return one;
      });
    };
    let sent = 0;
    let sending = true;
    const stream = (async () => {
      while (sending) {
        await producer.sendAll(Array.from({ length: 60 }, (_, i) => ({ topic: name, partition: i % 6, key: null, value: 'v' })));
        sent += 60;
      }
    })();
    const a = await member();
    await until('a reads', () => a.records.length > 100);
    const b = await member();
    await until('both hold three', () => a.holds(name).length === 3 && b.holds(name).length === 3);
    await until('b reads', () => b.records.length > 100);
    await b.consumer.close();
    await until('a holds all again', () => a.holds(name).length === 6);
    sending = false;
    await stream;
    await until('all is read', () => new Set(seen).size === sent);
    await a.consumer.close();
    assert.equal(seen.length, sent, 'repeated records');
    assert.deepEqual([...a.violations, ...b.violations], []);
    assert.deepEqual([a.errors, b.errors], [[], []]);
  });

  test('onRevoking is awaited before the member rejoins, with its session kept alive', async () => {
    const name = await topic('drain', 2);
    const group = unique('g');
    let drained = false;
    const a = await join(
      cluster,
      { group, topics: [name], sessionTimeout: 3_000 },
      {
        onRevoking: async (epoch, consumer) => {
          if (drained) return;
          const start = Date.now();
          // Longer than the session: only heartbeats keep the member in.
          await until('time to drain', () => Date.now() - start > 4_000);
          assert.equal(await consumer.commit(epoch, [{ topic: name, partition: 0, offset: 0, metadata: 'late' }]), 'committed');
          drained = true;
        },
      },
    );
    await until('a holds both', () => a.holds(name).length === 2);
    let early = false;
    const b = await join(
      cluster,
      { group, topics: [name] },
      {
        onAssigned: () => {
          early ||= !drained;
        },
      },
    );
    await until('both hold one', () => a.holds(name).length === 1 && b.holds(name).length === 1);
    assert.equal(early, false);
    await Promise.all([a.consumer.close(), b.consumer.close()]);
  });

  test('lanes stay with the owner of their source partition over join and leave', async () => {
    const name = await topic('source', 4);
    const lanes = await topic('source.retry', 12);
    const group = unique('g');
    const options = { group, topics: [name], laneTopic: { source: name, topic: lanes, lanes: 3 } };
    const follows = (member: TestMember) =>
      assert.deepEqual(
        member.holds(lanes),
        member.holds(name).flatMap((p) => [p * 3, p * 3 + 1, p * 3 + 2]),
      );
    const a = await join(cluster, options);
    await until('a holds all', () => a.holds(name).length === 4 && a.holds(lanes).length === 12);
    const b = await join(cluster, options);
    await until('both hold two', () => a.holds(name).length === 2 && b.holds(name).length === 2);
    follows(a);
    follows(b);
    await a.consumer.close();
    await until('b holds all', () => b.holds(name).length === 4);
    follows(b);
    await b.consumer.close();
  });

  test('a paused partition gives nothing until it is resumed, and then goes on without gap or repeat', async () => {
    const name = await topic('pause', 2);
    const member = await join(
      cluster,
      { group: unique('g'), topics: [name] },
      { onAssigned: (_epoch, _partitions, consumer) => consumer.pause([{ topic: name, partition: 0 }]) },
    );
    await until('assignment', () => member.assigned.length === 2);
    await fill(name, 200, 2);
    await until('the open partition', () => member.records.length === 100);
    assert.ok(member.records.every(({ partition }) => partition === 1));
    member.consumer.resume([{ topic: name, partition: 0 }]);
    await until('the resumed partition', () => member.records.length === 200);
    assert.deepEqual(
      member.records.filter(({ partition }) => partition === 0).map(({ offset }) => offset),
      Array.from({ length: 100 }, (_, i) => i),
    );
    await member.consumer.close();
  });

  test('pausing from inside onBatch gives the next records after the pause', async () => {
    const name = await topic('budget', 1);
    await producer.sendAll(Array.from({ length: 2_000 }, (_, i) => ({ topic: name, partition: 0, key: null, value: `${i}`.padEnd(500) })));
    const member = await join(
      cluster,
      { group: unique('g'), topics: [name], maxBytesPerPartition: 50_000 },
      {
        onBatch: (_batch, consumer) => {
          consumer.pause([{ topic: name, partition: 0 }]);
          setImmediate(() => consumer.resume([{ topic: name, partition: 0 }]));
        },
      },
    );
    await until('all', () => member.records.length === 2_000);
    assert.deepEqual(
      member.records.map(({ offset }) => offset),
      Array.from({ length: 2_000 }, (_, i) => i),
    );
    await member.consumer.close();
  });

  test('seek inside onAssigned decides where reading starts, and stores nothing', async () => {
    const name = await topic('seek', 1);
    await fill(name, 50, 1);
    const group = unique('g');
    const member = await join(
      cluster,
      { group, topics: [name] },
      { onAssigned: (_epoch, _partitions, consumer) => consumer.seek({ topic: name, partition: 0, offset: 40 }) },
    );
    await until('the tail', () => member.records.length === 10);
    assert.equal(member.records[0]?.offset, 40);
    assert.equal((await admin.committed(group, [name]))[0]?.offset, null);
    await member.consumer.close();
  });

  // With a session of a minute a member that did not leave would hold its group up for longer than these tests wait.
  test('a member that is closed while it joins for the first time leaves the group', async () => {
    const name = await topic('hasty', 2);
    const options = { group: unique('g'), topics: [name], sessionTimeout: 60_000 };
    for (const milliseconds of [0, 2, 5, 10, 20, 40]) {
      const hasty = await join(cluster, options);
      await sleep(milliseconds);
      await hasty.consumer.close();
    }
    const member = await join(cluster, options);
    await until('it holds both', () => member.holds(name).length === 2);
    await member.consumer.close();
  });

  test('a member that is closed while it waits for others to join does not wait for them, and leaves', async () => {
    const name = await topic('impatient', 2);
    const options = { group: unique('g'), topics: [name], sessionTimeout: 60_000, drainDeadline: 30_000 };
    const drained = Promise.withResolvers<void>();
    const slow = await join(cluster, options, { onRevoking: () => drained.promise });
    await until('the first holds both', () => slow.holds(name).length === 2);
    const newcomer = await join(cluster, options);
    const isDraining = (): boolean => slow.steps.at(-1)?.step === 'revoking';
    await until('the first drains, and the second waits for it', isDraining);
    await newcomer.consumer.close();
    assert.ok(isDraining());
    drained.resolve();
    await until('the first holds both again', () => slow.epoch === 2 && slow.holds(name).length === 2);
    await slow.consumer.close();
  });

  test('a member whose assignment failed is no member any more when it joins again', async () => {
    const name = await topic('again', 2);
    let refusals = 3;
    const member = await join(
      cluster,
      { group: unique('g'), topics: [name], sessionTimeout: 60_000 },
      {
        onAssigned: () => {
          if (refusals-- > 0) throw new Error('not ready');
        },
      },
    );
    await until('it holds both', () => member.holds(name).length === 2);
    await member.consumer.close();
  });

  test('a commit of an ended epoch is stale and stores nothing; one of a foreign partition is an error', async () => {
    const name = await topic('stale', 2);
    const group = unique('g');
    const a = await join(cluster, { group, topics: [name] });
    await until('a holds both', () => a.holds(name).length === 2);
    const old = a.epoch;
    const b = await join(cluster, { group, topics: [name] });
    await until('both hold one', () => a.holds(name).length === 1 && b.holds(name).length === 1);
    const [lost] = b.holds(name);
    assert.equal(await a.consumer.commit(old, [{ topic: name, partition: 0, offset: 5 }]), 'stale');
    await assert.rejects(a.consumer.commit(a.epoch, [{ topic: name, partition: lost as number, offset: 5 }]), {
      code: 'PH_KAFKA_NOT_ASSIGNED',
    });
    assert.deepEqual(
      (await admin.committed(group, [name])).map(({ offset }) => offset),
      [null, null],
    );
    await Promise.all([a.consumer.close(), b.consumer.close()]);
    assert.equal(await a.consumer.commit(a.epoch, [{ topic: name, partition: 0, offset: 5 }]), 'stale');
  });

  test('offsets, offsets by time, and offsets set for a group without members', async () => {
    const name = await topic('offsets', 2);
    for (let i = 0; i < 10; i++)
      await producer.send({ topic: name, partition: 0, key: null, value: 'v', timestamp: 1_700_000_000_000 + i * 1_000 });
    assert.deepEqual(await admin.offsets(name), [
      { partition: 0, low: 0, high: 10 },
      { partition: 1, low: 0, high: 0 },
    ]);
    assert.deepEqual(await admin.offsetsAt(name, 1_700_000_004_500), [
      { partition: 0, offset: 5 },
      { partition: 1, offset: 0 },
    ]);
    const group = unique('g');
    await admin.setOffsets(group, name, [{ partition: 0, offset: 7 }]);
    assert.deepEqual(
      (await admin.committed(group, [name])).map(({ offset }) => offset),
      [7, null],
    );
    const member = await join(cluster, { group, topics: [name] });
    await until('three records', () => member.records.length === 3);
    await member.consumer.close();
    assert.deepEqual(
      (await cluster.read({ topic: name, from: new Map([[0, 3]]), to: new Map([[0, 6]]) })).map(({ offset }) => offset),
      [3, 4, 5],
    );
  });

  test('topics are created once, described, listed and deleted', async () => {
    const name = unique('admin');
    const spec = { name, partitions: 3, config: { 'max.message.bytes': '200000' } };
    assert.deepEqual(await admin.createTopics([spec]), { created: [name], existing: [] });
    assert.deepEqual(await admin.createTopics([spec]), { created: [], existing: [name] });
    const described = await admin.describeTopics([name, 'no-such-topic']);
    assert.equal(described.get(name)?.partitions, 3);
    assert.equal(described.get('no-such-topic'), null);
    assert.equal(await admin.maxMessageBytes(name), 200_000);
    assert.ok((await admin.listTopics()).includes(name));
    assert.match(await admin.clusterId(), /^[\w-]{8,}$/);
    await admin.deleteTopics([name]);
    await until('deleted', async () => !(await admin.listTopics()).includes(name));
    await assert.rejects(admin.offsets(name), { code: 'PH_KAFKA_UNKNOWN_TOPIC' });
  });

  test('metadata that is too large is refused by a code of its own, and the stored commit stays', async () => {
    const name = await topic('metadata', 1);
    const group = unique('g');
    const member = await join(cluster, { group, topics: [name] });
    await until('assignment', () => member.holds(name).length === 1);
    await fill(name, 3, 1);
    const commit = (offset: number, metadata: string) =>
      member.consumer.commit(member.epoch, [{ topic: name, partition: 0, offset, metadata }]);
    assert.equal(await commit(1, 'm'.repeat(4_096)), 'committed');
    await assert.rejects(commit(2, 'm'.repeat(4_097)), { code: 'PH_KAFKA_METADATA' });
    const [stored] = await admin.committed(group, [name]);
    assert.deepEqual([stored?.offset, stored?.metadata?.length], [1, 4_096]);
    await member.consumer.close();
  });

  test('a member that divides the lane topic in another way is refused, and those that are there hear nothing of it', async () => {
    const source = await topic('divided', 2);
    const lanes = await topic('lanes', 12);
    const group = unique('g');
    const optionsWith = (count: number) => ({ group, topics: [source], laneTopic: { source, topic: lanes, lanes: count } });
    const isRefused = ({ errors, assigned, steps }: TestMember): boolean =>
      errors.length === 1 &&
      isPipelineError(errors[0]) &&
      errors[0].code === 'PH_RETRY_DIVISION' &&
      steps.length === 1 &&
      assigned.length === 0;
    const old = await join(cluster, optionsWith(2));
    await until('the old assignment', () => old.holds(lanes).length === 12);
    const other = await join(cluster, optionsWith(3));
    await until('a refusal', () => isRefused(other));
    // A third one of the old division comes in, and takes its half: the group is as it was.
    const companion = await join(cluster, optionsWith(2));
    await until('a half for each', () => [old, companion].every((each) => each.holds(lanes).length === 6));
    assert.deepEqual([old.epoch, old.errors, isRefused(other)], [2, [], true]);
    await Promise.all([old, other, companion].map(({ consumer }) => consumer.close()));
    const later = await join(cluster, optionsWith(3));
    await until('an assignment of the new division', () => later.holds(lanes).length === 12);
    await later.consumer.close();
    assert.deepEqual(
      [old, other, companion, later].flatMap(({ violations }) => violations),
      [],
    );
  });

  test('aborted records are not seen, but the batches that hold them move lastOffset on', async () => {
    const name = await topic('aborted', 1);
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const transactional = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 });
    await transactional.connect();
    for (const end of ['commit', 'abort', 'commit', 'abort'] as const) {
      const transaction = await transactional.transaction();
      await transaction.send({ topic: name, messages: [{ value: `${end} 1` }, { value: `${end} 2` }] });
      await transaction[end]();
    }
    // The broker writes the end of a transaction after it has said that it will.
    let [ended] = await admin.offsets(name);
    for (; ended?.high !== 12; [ended] = await admin.offsets(name)) await new Promise((resolve) => setTimeout(resolve, 10));
    const open = await transactional.transaction();
    await open.send({ topic: name, messages: [{ value: 'open' }] });
    assert.deepEqual(await admin.offsets(name), [ended], 'what an open transaction holds back is beyond the end');
    let last = -1;
    const member = await join(
      cluster,
      { group: unique('g'), topics: [name] },
      {
        onBatch: (batch) => {
          last = batch.lastOffset;
        },
      },
    );
    await until('the end', () => last === 11);
    assert.equal(ended?.high, last + 1);
    await open.abort();
    await transactional.disconnect();
    await until('the end of a log that ends with an abort', async () => last === 13 && (await admin.offsets(name))[0]?.high === 14);
    assert.deepEqual(
      member.records.map(({ offset, value }) => [offset, String(value)]),
      [
        [0, 'commit 1'],
        [1, 'commit 2'],
        [6, 'commit 1'],
        [7, 'commit 2'],
      ],
    );
    await member.consumer.close();
  });

  test('aborted records of transactions that overlap are not seen, wherever the reading begins', async () => {
    const name = await topic('overlap', 1);
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const open = async () => {
      const transactional = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 });
      await transactional.connect();
      const transaction = await transactional.transaction();
      return { transactional, transaction, send: (value: string) => transaction.send({ topic: name, messages: [{ value }] }) };
    };
    const [first, second, kept] = await Promise.all([open(), open(), open()]);
    await first.send('first 1');
    await second.send('second 1');
    await kept.send('kept 1');
    await first.send('first 2');
    await second.send('second 2');
    // The broker lists aborted transactions by their end: the one that began first comes last.
    await second.transaction.abort();
    await first.send('first 3');
    await kept.send('kept 2');
    await first.transaction.abort();
    await kept.transaction.commit();
    for (const { transactional } of [first, second, kept]) await transactional.disconnect();
    // Seven records, and a marker for each transaction: a broker writes these after it has answered.
    const end = 10;
    await until('the ends of the transactions', async () => (await admin.offsets(name))[0]?.high === end);
    for (const from of [0, 1, 3, 4]) {
      let last = -1;
      const member = await join(
        cluster,
        { group: unique('g'), topics: [name] },
        {
          onBatch: (batch) => {
            last = batch.lastOffset;
          },
          onAssigned: (_epoch, _partitions, consumer) => consumer.seek({ topic: name, partition: 0, offset: from }),
        },
      );
      await until('the end', () => last === end - 1);
      assert.deepEqual(
        member.records.map(({ value }) => String(value)),
        from <= 2 ? ['kept 1', 'kept 2'] : ['kept 2'],
        `from ${from}`,
      );
      await member.consumer.close();
    }
  });

  test('a consumer of a topic that does not exist fails at its start', async () => {
    await assert.rejects(join(cluster, { group: unique('g'), topics: [unique('missing')] }), { code: 'PH_KAFKA_UNKNOWN_TOPIC' });
  });

  test('an address where nothing listens is named within ten seconds', async () => {
    const nowhere = clusterOf(['127.0.0.1:1']);
    const start = Date.now();
    const opened = [nowhere.admin(), nowhere.producer(), join(nowhere, { group: 'g', topics: ['t'] })];
    for (const outcome of await Promise.allSettled(opened)) {
      assert.ok(outcome.status === 'rejected' && isPipelineError(outcome.reason));
      const { code, exitCode, message } = outcome.reason;
      assert.deepEqual([code, exitCode], ['PH_KAFKA_UNREACHABLE', 3]);
      assert.match(message, /127\.0\.0\.1:1\b/);
    }
    assert.ok(Date.now() - start < 10_000, `${Date.now() - start} ms`);
  });

  test('an outage is waited out: sends resolve, nothing is lost, and only a member whose session is over is built anew', {
    skip: brokerKind() === 'external',
  }, async () => {
    const name = await topic('outage', 2);
    const member = await join(cluster, { group: unique('g'), topics: [name], sessionTimeout: 2_000 });
    const patient = await join(cluster, { group: unique('g'), topics: [name], sessionTimeout: 60_000 });
    await until('assignment', () => [member, patient].every((each) => each.holds(name).length === 2));
    await fill(name, 10, 2);
    await until('10 records', () => [member, patient].every((each) => each.records.length === 10));
    for (const each of [member, patient]) assert.equal(await each.consumer.commit(each.epoch, positions(each)), 'committed');
    await broker.kill();
    const sends = Array.from({ length: 20 }, (_, i) => producer.send({ topic: name, partition: i % 2, key: null, value: `later ${i}` }));
    await until('the consumer noticed', () => member.errors.length > 0, 60_000);
    await broker.restart();
    await Promise.all(sends);
    for (const each of [member, patient]) {
      await until('30 records', () => new Set(each.records.map(({ partition, offset }) => `${partition}/${offset}`)).size === 30, 60_000);
      assert.deepEqual(each.violations, []);
      assert.ok(each.errors.every(isPipelineError));
    }
    // Apache Kafka keeps its groups with their members; the embedded broker only what they committed.
    if (brokerKind() === 'apache') assert.deepEqual([patient.epoch, patient.errors, patient.records.length], [1, [], 30]);
    const read = await cluster.read({ topic: name });
    assert.equal(read.length, 30, 'a retried send stores nothing twice');
    await Promise.all([member.consumer.close(), patient.consumer.close()]);
  });
});
