import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isPipelineError } from '@pipeline-host/sdk';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { connectCluster } from '../../../host/src/kafka/cluster.ts';
import type { ClusterConfig } from '../../../host/src/kafka/cluster-config.ts';
import { loopbackTls } from '../http/loopback-tls.ts';
import { clusterOf, join, silent, unique, until } from './contract-kit.ts';

/** What only a broker with fault hooks can be made to do. */
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
const NOT_LEADER = 6;
const REQUEST_TIMED_OUT = 7;
const COORDINATOR_LOADING = 14;
const COORDINATOR_NOT_AVAILABLE = 15;
const NOT_COORDINATOR = 16;
const UNKNOWN_MEMBER_ID = 25;
const TOPIC_AUTHORIZATION_FAILED = 29;
const GROUP_AUTHORIZATION_FAILED = 30;
const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;

type Options = Omit<Parameters<typeof openEmbeddedBroker>[0], 'dataDir'>;

async function disturbed(t: { after(fn: () => Promise<void>): void }, options: Options = {}) {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'disturbed-'));
  let broker = await openEmbeddedBroker({ dataDir, ...options });
  const cluster = clusterOf([broker.address]);
  t.after(async () => {
    broker.faults.clear();
    await cluster.close();
    await broker.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  /** Ends the broker with its faults, and starts another on its data and address. */
  const restart = async () => {
    await broker.close();
    broker = await openEmbeddedBroker({ dataDir, ...options, port: Number(broker.address.split(':').at(-1)) });
  };
  return { broker, cluster, faults: broker.faults, restart };
}

test('a failing partition costs a concurrent stream neither records nor order, and stores nothing twice', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 2 }]);
  const producer = await cluster.producer();
  await producer.send({ topic, partition: 0, key: null, value: '-1' });
  const sends: Promise<void>[] = [];
  for (let i = 0; i < 400; i++) {
    if (i % 50 === 0) faults.push({ api: 'Produce', topic, partition: 1, action: { error: REQUEST_TIMED_OUT } });
    if (i % 70 === 0) faults.push({ api: 'Produce', action: 'drop-answer' });
    if (i % 90 === 0) faults.push({ api: 'Produce', action: 'drop' });
    sends.push(producer.send({ topic, partition: i % 2, key: null, value: String(i) }));
    if (i % 10 === 0) await new Promise(setImmediate);
  }
  await Promise.all(sends);
  const read = await cluster.read({ topic });
  for (const partition of [0, 1]) {
    const values = read.filter((record) => record.partition === partition).map(({ value }) => Number(value));
    const expected = Array.from({ length: 200 }, (_, i) => i * 2 + partition);
    assert.deepEqual(values, partition === 0 ? [-1, ...expected] : expected);
  }
});

test('batches that were stored in part, and never answered before the broker started anew, are stored once and in order', async (t) => {
  const { cluster, faults, restart } = await disturbed(t);
  const topic = unique('t');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 4 }]);
  const producer = await cluster.producer();
  await producer.sendAll([0, 1, 2, 3].map((partition) => ({ topic, partition, key: null, value: String(partition) })));
  faults.push({ api: 'Produce', action: 'drop-answer', count: 10_000 });
  faults.push({ api: 'Produce', topic, partition: 1, action: { error: NOT_LEADER }, count: 10_000 });
  const sends: Promise<void>[] = [];
  for (let i = 4; i < 400; i++) {
    sends.push(producer.send({ topic, partition: i % 4, key: null, value: String(i) }));
    if (i % 20 === 0) await new Promise(setImmediate);
  }
  await until('three partitions to be stored', async () => (await admin.offsets(topic)).filter(({ high }) => high > 1).length === 3);
  await restart();
  await Promise.all(sends);
  const read = await cluster.read({ topic });
  for (const partition of [0, 1, 2, 3]) {
    assert.deepEqual(
      read.filter((record) => record.partition === partition).map(({ value }) => Number(value)),
      Array.from({ length: 100 }, (_, i) => i * 4 + partition),
    );
  }
  assert.equal(producer.doubtfulRecords, 0);
});

test('a producer id that is refused after an answer was lost costs no record: it may stand twice, and is counted', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  const producer = await cluster.producer();
  faults.push({ api: 'Produce', action: 'drop-answer', count: 10_000 });
  const sends = [0, 1].map((partition) => producer.send({ topic, partition, key: null, value: `first ${partition}` }));
  await until('both to be stored', async () => (await admin.offsets(topic)).every(({ high }) => high === 1));
  faults.clear();
  faults.push({ api: 'Produce', topic, partition: 1, action: { error: OUT_OF_ORDER_SEQUENCE_NUMBER } });
  await Promise.all(sends);
  await producer.sendAll([0, 1].map((partition) => ({ topic, partition, key: null, value: `next ${partition}` })));
  const read = await cluster.read({ topic });
  const values = (of: number) => read.filter(({ partition }) => partition === of).map(({ value }) => String(value));
  assert.deepEqual(values(0), ['first 0', 'next 0'], 'another partition is not touched');
  assert.deepEqual(values(1), ['first 1', 'first 1', 'next 1']);
  assert.equal(producer.doubtfulRecords, 1);
});

test('a record that is given up unanswered does not spoil the sequence of those behind it', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer({ deliveryTimeout: 300 });
  await producer.send({ topic, partition: 0, key: null, value: 'before' });
  faults.push({ api: 'Produce', action: 'drop-answer', count: 10_000 });
  await assert.rejects(producer.send({ topic, partition: 0, key: null, value: 'given up' }), isPipelineError);
  faults.clear();
  for (const value of ['after', 'last']) await producer.send({ topic, partition: 0, key: null, value });
  assert.deepEqual(
    (await cluster.read({ topic })).map(({ value }) => String(value)),
    ['before', 'given up', 'after', 'last'],
  );
});

test('a refused sequence gives the producer a new id and loses nothing', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer();
  await producer.send({ topic, partition: 0, key: null, value: '0' });
  faults.push({ api: 'Produce', action: { error: OUT_OF_ORDER_SEQUENCE_NUMBER } });
  await producer.sendAll([1, 2, 3].map((i) => ({ topic, partition: 0, key: null, value: String(i) })));
  assert.deepEqual(
    (await cluster.read({ topic })).map(({ value }) => String(value)),
    ['0', '1', '2', '3'],
  );
});

test('a topic that we may not write rejects its own records with PH_KAFKA_ACL', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const [open, closed] = [unique('open'), unique('closed')];
  await (await cluster.admin()).createTopics([open, closed].map((name) => ({ name, partitions: 1 })));
  const producer = await cluster.producer();
  faults.push({ api: 'Produce', topic: closed, action: { error: TOPIC_AUTHORIZATION_FAILED }, count: 10 });
  const [good, bad] = await Promise.allSettled(
    [open, closed].map((topic) => producer.send({ topic, partition: 0, key: null, value: 'v' })),
  );
  assert.equal(good?.status, 'fulfilled');
  assert.ok(bad?.status === 'rejected' && isPipelineError(bad.reason));
  assert.deepEqual([bad.reason.code, bad.reason.kind, bad.reason.place], ['PH_KAFKA_ACL', 'auth', `topic '${closed}'`]);
  assert.equal((await cluster.read({ topic: open })).length, 1);
});

test('a topic is described though the broker that is asked has not heard of it yet', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 3 }]);
  faults.push({ api: 'Metadata', topic, action: { error: UNKNOWN_TOPIC_OR_PARTITION } });
  assert.equal((await admin.describeTopics([topic])).get(topic)?.partitions, 3);
});

test('where it is told to wait, a topic that we may not write keeps its records in order until we may, and holds no other up', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const [open, closed] = [unique('open'), unique('closed')];
  await (await cluster.admin()).createTopics([open, closed].map((name) => ({ name, partitions: 2 })));
  const producer = await cluster.producer({ whenRefused: 'wait' });
  const send = (topic: string, n: number) => producer.send({ topic, partition: n % 2, key: null, value: String(n) });
  await Promise.all([0, 1].map((n) => send(closed, n)));
  faults.push({ api: 'Produce', topic: closed, action: { error: TOPIC_AUTHORIZATION_FAILED }, count: 1_000 });
  const waiting = [2, 3, 4, 5].map((n) => send(closed, n));
  await until('the topic to be refused', () => producer.refusal([closed]) !== null);
  waiting.push(...[6, 7, 8, 9].map((n) => send(closed, n)));
  for (const n of [0, 1, 2]) await send(open, n);
  assert.equal(producer.refusal([open]), null);
  const refusal = producer.refusal([open, closed]);
  assert.deepEqual([refusal?.code, refusal?.place], ['PH_KAFKA_ACL', `topic '${closed}'`]);
  assert.ok(producer.bufferedBytes > 0);
  faults.clear();
  await Promise.all(waiting);
  await producer.flush();
  assert.equal(producer.refusal([closed]), null);
  assert.equal(producer.bufferedBytes, 0);
  const read = await cluster.read({ topic: closed });
  for (const partition of [0, 1]) {
    const values = read.filter((record) => record.partition === partition).map(({ value }) => Number(value));
    assert.deepEqual(
      values,
      [0, 2, 4, 6, 8].map((n) => n + partition),
    );
  }
});

test('a producer that waits for access gives its records back when it is closed', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('closed');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer({ whenRefused: 'wait' });
  faults.push({ api: 'Produce', topic, action: { error: TOPIC_AUTHORIZATION_FAILED }, count: 1_000 });
  const waiting = producer.send({ topic, key: null, value: 'v' });
  const flushed = producer.flush();
  await until('the topic to be refused', () => producer.refusal([topic]) !== null);
  await Promise.all([producer.close(), flushed, assert.rejects(waiting, { code: 'PH_KAFKA_CLOSED' })]);
  assert.equal(producer.bufferedBytes, 0);
});

test('a member that may not read any more stays a member, and reads on where it was when it may', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer();
  const member = await join(cluster, { group: unique('g'), topics: [topic] });
  await producer.send({ topic, key: null, value: '0' });
  await until('the first record', () => member.records.length === 1);
  faults.push({ api: 'Fetch', action: { error: TOPIC_AUTHORIZATION_FAILED }, count: 1_000 });
  await until('the refusal', () => member.refusals.length === 2);
  await producer.send({ topic, key: null, value: '1' });
  faults.clear();
  await until('the second record', () => member.records.length === 2);
  assert.deepEqual(
    member.refusals.map((refused) => refused?.code),
    [undefined, 'PH_KAFKA_ACL', undefined],
  );
  assert.deepEqual([member.epoch, member.errors], [1, []]);
  await member.consumer.close();
  assert.deepEqual(member.violations, []);
});

test('a group that we may not use is refused with PH_KAFKA_ACL and its name', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const [topic, group] = [unique('t'), unique('g')];
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  faults.push({ api: 'FindCoordinator', action: { error: GROUP_AUTHORIZATION_FAILED }, count: 1_000 });
  await assert.rejects(async () => (await cluster.admin()).committed(group, [topic]), { code: 'PH_KAFKA_ACL', place: `group '${group}'` });
});

test('a producer whose password is refused waits, and sends on with every record once when it is taken again', async (t) => {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'password-'));
  const openWith = (password: string, port = 0) => openEmbeddedBroker({ dataDir, port, sasl: { users: { alice: password } } });
  let broker = await openWith('right');
  const port = Number(broker.address.split(':').at(-1));
  const cluster = secured(broker.address, { sasl: { mechanism: 'plain', username: 'alice', password: 'right' } });
  t.after(async () => {
    await cluster.close();
    await broker.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer({ whenRefused: 'wait' });
  const send = (n: number) => producer.send({ topic, key: null, value: String(n) });
  await send(0);
  await broker.close();
  broker = await openWith('another', port);
  const waiting = [1, 2, 3].map(send);
  await until('the password to be refused', () => producer.refusal([]) !== null);
  assert.equal(producer.refusal([topic])?.code, 'PH_KAFKA_AUTH');
  await broker.close();
  broker = await openWith('right', port);
  await Promise.all(waiting);
  assert.equal(producer.refusal([topic]), null);
  assert.deepEqual(
    (await cluster.read({ topic })).map(({ value }) => Number(value)),
    [0, 1, 2, 3],
  );
});

test('a record that cannot be encoded is refused alone', async (t) => {
  const { cluster } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const producer = await cluster.producer();
  const outcomes = await Promise.allSettled(
    [{}, { bad: 5 as unknown as string }, {}].map((headers) => producer.send({ topic, partition: 0, key: null, value: 'v', headers })),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal((await cluster.read({ topic })).length, 2);
});

test('a member that the broker forgot hears onLost, its commit is stale, and it reads on under a new epoch', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const member = await join(cluster, { group: unique('g'), topics: [topic], sessionTimeout: 1_500 });
  await until('assignment', () => member.assigned.length === 1);
  const epoch = member.epoch;
  faults.push({ api: 'Heartbeat', action: { error: UNKNOWN_MEMBER_ID }, count: 2 });
  await until('a new epoch', () => member.epoch > epoch && member.assigned.length === 1);
  assert.ok(member.steps.some((step) => step.step === 'lost' && step.epoch === epoch));
  assert.ok(!member.steps.some(({ step }) => step === 'revoking'));
  assert.equal(await member.consumer.commit(epoch, [{ topic, partition: 0, offset: 1 }]), 'stale');
  assert.deepEqual(member.violations, []);
  await member.consumer.close();
});

test('a commit that meets a moved coordinator fails as unavailable, not as stored', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  const group = unique('g');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 1 }]);
  const member = await join(cluster, { group, topics: [topic] });
  await until('assignment', () => member.assigned.length === 1);
  for (const error of [COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR]) {
    faults.push({ api: 'OffsetCommit', action: { error } });
    await assert.rejects(
      member.consumer.commit(member.epoch, [{ topic, partition: 0, offset: 3 }]),
      (thrown) => isPipelineError(thrown) && thrown.kind === 'unavailable',
    );
  }
  assert.equal((await admin.committed(group, [topic]))[0]?.offset, null);
  assert.equal(await member.consumer.commit(member.epoch, [{ topic, partition: 0, offset: 3 }]), 'committed');
  await member.consumer.close();
});

test('a leader and a coordinator that change end no assignment: reading goes on where it was, and the next rebalance is heard of', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  const group = unique('g');
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  const producer = await cluster.producer();
  const member = await join(cluster, { group, topics: [topic] });
  await until('assignment', () => member.assigned.length === 2);
  // All faults hit one request together, the first of them is answered: these one after the other.
  for (const [api, errors] of [
    ['Fetch', [NOT_LEADER, LEADER_NOT_AVAILABLE]],
    ['Heartbeat', [NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOADING]],
  ] as const) {
    for (const [i, error] of errors.entries()) faults.push({ api, action: { error }, count: i + 1 });
  }
  await producer.sendAll([0, 1].map((partition) => ({ topic, partition, key: null, value: 'v' })));
  await until('both records', () => member.records.length === 2);
  // It hears of the other one by a heartbeat that comes through.
  const other = await join(cluster, { group, topics: [topic] });
  await until('both to read', () => [member, other].every(({ assigned }) => assigned.length === 1));
  assert.deepEqual(
    member.steps.filter(({ step }) => step !== 'batch').map(({ step, epoch }) => `${step} ${epoch}`),
    ['assigned 1', 'revoking 1', 'revoked 1', 'assigned 2'],
  );
  await Promise.all([member.consumer.close(), other.consumer.close()]);
  assert.deepEqual([member.errors, member.violations], [[], []]);
});

test('a member that no coordinator answers for as long as its session gives its partitions up, and has them back later', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const member = await join(cluster, { group: unique('g'), topics: [topic], sessionTimeout: 1_500 });
  await until('assignment', () => member.assigned.length === 1);
  faults.push({ api: 'Heartbeat', action: { error: COORDINATOR_NOT_AVAILABLE }, count: 1_000 });
  await until('the loss', () => member.steps.some(({ step, epoch }) => step === 'lost' && epoch === 1));
  assert.equal(await member.consumer.commit(1, [{ topic, partition: 0, offset: 1 }]), 'stale');
  faults.clear();
  await until('a later assignment', () => member.assigned.length === 1);
  assert.ok(member.errors.length > 0 && member.errors.every((error) => isPipelineError(error) && error.kind === 'unavailable'));
  await member.consumer.close();
  assert.deepEqual(member.violations, []);
});

test('a fault in onBatch crashes no process: the consumer is rebuilt and the records come again', async (t) => {
  const { cluster } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  let throws = 2;
  const member = await join(
    cluster,
    { group: unique('g'), topics: [topic] },
    {
      onBatch: () => {
        if (throws-- > 0) throw throws === 1 ? new TypeError('a defect') : new Error('another');
      },
    },
  );
  const producer = await cluster.producer();
  await producer.send({ topic, partition: 0, key: null, value: 'v' });
  await until('the record after two crashes', () => member.records.length === 3);
  assert.equal(member.errors.length, 2);
  assert.deepEqual(member.violations, []);
  assert.equal(member.steps.filter(({ step }) => step === 'lost').length, 2);
  await member.consumer.close();
});

test('dropped connections end in a rebuild or a retry, and every record arrives', async (t) => {
  const { cluster, faults } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 2 }]);
  const producer = await cluster.producer();
  const member = await join(cluster, { group: unique('g'), topics: [topic] });
  await until('assignment', () => member.assigned.length === 2);
  for (let i = 0; i < 100; i++) {
    if (i % 20 === 0) for (const api of ['Fetch', 'Heartbeat', 'Produce', 'Metadata']) faults.push({ api, action: 'drop' });
    await producer.send({ topic, partition: i % 2, key: null, value: String(i) });
  }
  await until('all', () => new Set(member.records.map(({ value }) => String(value))).size === 100);
  assert.deepEqual(member.violations, []);
  await member.consumer.close();
});

test('a stop in the middle of a rebuild ends at once', async (t) => {
  const { broker, cluster } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  const member = await join(cluster, { group: unique('g'), topics: [topic], sessionTimeout: 1_500 });
  await until('assignment', () => member.assigned.length === 1);
  await broker.close();
  await until('a failed rebuild', () => member.errors.length >= 2);
  const start = Date.now();
  await member.consumer.close();
  assert.ok(Date.now() - start < 5_000, `${Date.now() - start} ms`);
});

test('a close during onAssigned waits for it, then revokes', async (t) => {
  const { cluster } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const member = await join(cluster, { group: unique('g'), topics: [topic] }, { onAssigned: () => held });
  await until('onAssigned', () => member.epoch === 1);
  const closed = member.consumer.close();
  await new Promise(setImmediate);
  assert.deepEqual(
    member.steps.map(({ step }) => step),
    ['assigned'],
  );
  release();
  await closed;
  assert.deepEqual(
    member.steps.map(({ step }) => step),
    ['assigned', 'revoking', 'revoked'],
  );
  assert.deepEqual(member.violations, []);
});

test('an assignment that is refused by its handler is lost, and comes again', async (t) => {
  const { cluster } = await disturbed(t);
  const topic = unique('t');
  await (await cluster.admin()).createTopics([{ name: topic, partitions: 1 }]);
  await (await cluster.producer()).send({ topic, key: null, value: 'x' });
  let refusals = 2;
  const member = await join(
    cluster,
    { group: unique('g'), topics: [topic] },
    {
      onAssigned: async () => {
        if (refusals-- > 0) throw new Error('not yet');
      },
    },
  );
  await until('the record', () => member.records.length === 1);
  assert.deepEqual(
    member.steps.map(({ step }) => step),
    ['assigned', 'lost', 'error', 'assigned', 'lost', 'error', 'assigned', 'batch'],
  );
  await member.consumer.close();
  assert.deepEqual(member.violations, []);
});

const secured = (address: string, extra: Partial<ClusterConfig>) =>
  connectCluster({ name: 'main', brokers: [address], clientId: 'c', ...extra }, silent);

test('a wrong password, an untrusted authority and a plain client on a TLS port each have their own error, exit 3', async (t) => {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'secured-'));
  const broker = await openEmbeddedBroker({ dataDir, sasl: { users: { alice: 'right' } }, tls: loopbackTls });
  t.after(async () => {
    await broker.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const tls = { ca: loopbackTls.cert };
  const sasl = { mechanism: 'plain', username: 'alice', password: 'right' } as const;
  const good = secured(broker.address, { tls, sasl });
  assert.match(await (await good.admin()).clusterId(), /./);
  await good.close();
  const web = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
  await once(web, 'listening');
  t.after(async () => void web.close());
  const noBroker = `127.0.0.1:${(web.address() as AddressInfo).port}`;
  const cases = [
    [broker.address, { tls, sasl: { ...sasl, password: 'wrong-secret' } }, 'PH_KAFKA_AUTH', /kafka\.sasl/],
    [broker.address, { tls: true, sasl }, 'PH_KAFKA_TLS', /kafka\.tls: ca must hold/],
    [broker.address, { sasl }, 'PH_KAFKA_UNREACHABLE', /a port that wants TLS or SASL/],
    [noBroker, { tls }, 'PH_KAFKA_UNREACHABLE', /seems not to speak TLS/],
  ] as const;
  for (const [address, config, code, hint] of cases) {
    const cluster = secured(address, config);
    const start = Date.now();
    await assert.rejects(cluster.admin(), (error) => {
      assert.ok(isPipelineError(error));
      assert.deepEqual([error.code, error.exitCode], [code, 3], error.message);
      assert.doesNotMatch(error.message, /wrong-secret/);
      assert.match(error.hint, hint);
      return true;
    });
    assert.ok(Date.now() - start < 12_000, `${code} took ${Date.now() - start} ms`);
    await cluster.close();
  }
});
