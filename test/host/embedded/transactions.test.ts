import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Consumer, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import type { KafkaCluster } from '../../../host/src/kafka/driver.ts';
import { brokerKind, brokerMissing, openSharedBroker, type TestBroker } from '../../integration/brokers.ts';
import { clusterOf, unique, until } from '../kafka/contract-kit.ts';

describe(`transactions over kafkajs on ${brokerKind()}`, { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  let kafka: Kafka;
  let cluster: KafkaCluster;
  const clients: { disconnect(): Promise<void> }[] = [];

  before(async () => {
    broker = await openSharedBroker();
    cluster = clusterOf(broker.brokers);
    kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 8 } });
  });
  after(async () => {
    await Promise.allSettled([cluster?.close(), ...clients.map((client) => client.disconnect())]);
    await broker?.close();
  });

  const topic = async (partitions = 1): Promise<string> => {
    const name = unique('transacted');
    // kafkajs gives up where the broker does not know a topic yet that it has just made.
    await (await cluster.admin()).createTopics([{ name, partitions }]);
    return name;
  };
  const transactional = async (transactionalId: string, transactionTimeout = 60_000): Promise<Producer> => {
    const createPartitioner = Partitioners.DefaultPartitioner;
    const producer = kafka.producer({ transactionalId, transactionTimeout, idempotent: true, maxInFlightRequests: 1, createPartitioner });
    await producer.connect();
    clients.push(producer);
    return producer;
  };
  /** What a consumer is handed, as it comes. */
  const follow = async (name: string, readUncommitted = false): Promise<readonly string[]> => {
    const seen: string[] = [];
    const consumer: Consumer = kafka.consumer({ groupId: unique('g'), readUncommitted, maxWaitTimeInMs: 100 });
    await consumer.connect();
    clients.push(consumer);
    await consumer.subscribe({ topics: [name], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        seen.push(String(message.value));
        return Promise.resolve();
      },
    });
    return seen;
  };
  const send = (to: { send: Producer['send'] }, name: string, ...values: string[]) =>
    to.send({ topic: name, messages: values.map((value) => ({ value, partition: 0 })) });
  const committed = async (groupId: string, name: string): Promise<string | undefined> => {
    const admin = kafka.admin();
    await admin.connect();
    const [found] = await admin.fetchOffsets({ groupId, topics: [name] });
    await admin.disconnect();
    return found?.partitions[0]?.offset;
  };

  test('records are seen when their transaction commits, and those behind them no sooner', async () => {
    const name = await topic();
    const producer = await transactional(unique('tx'));
    const plain = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await plain.connect();
    clients.push(plain);
    const [all, decided] = [await follow(name, true), await follow(name)];
    const transaction = await producer.transaction();
    await send(transaction, name, 'in it 1', 'in it 2');
    await send(plain, name, 'behind it');
    await until('who reads everything sees all', () => all.length === 3);
    assert.deepEqual(decided, []);
    await transaction.commit();
    await until('all are seen', () => decided.length === 3);
    assert.deepEqual(decided, ['in it 1', 'in it 2', 'behind it']);
  });

  test('aborted records are never handed on, whatever is between them', async () => {
    const name = await topic();
    const [one, two] = [await transactional(unique('tx')), await transactional(unique('tx'))];
    const [first, second] = [await one.transaction(), await two.transaction()];
    await send(first, name, 'aborted 1');
    await send(second, name, 'kept 1');
    await send(first, name, 'aborted 2');
    await first.abort();
    await send(second, name, 'kept 2');
    const third = await one.transaction();
    await send(third, name, 'kept 3');
    await second.commit();
    await third.commit();
    const seen = await follow(name);
    await until('what was committed', () => seen.length === 3);
    assert.deepEqual(seen, ['kept 1', 'kept 2', 'kept 3']);
    const all = await follow(name, true);
    await until('everything', () => all.length === 5);
  });

  test('offsets that are sent in a transaction are committed with it, and not without it', async () => {
    const name = await topic();
    const groupId = unique('g');
    const producer = await transactional(unique('tx'));
    const offsets = (offset: string) => ({ consumerGroupId: groupId, topics: [{ topic: name, partitions: [{ partition: 0, offset }] }] });
    const aborted = await producer.transaction();
    await send(aborted, name, 'x');
    await aborted.sendOffsets(offsets('1'));
    await aborted.abort();
    assert.ok(['-1', undefined].includes(await committed(groupId, name)));
    const kept = await producer.transaction();
    await send(kept, name, 'y');
    await kept.sendOffsets(offsets('2'));
    assert.ok(['-1', undefined].includes(await committed(groupId, name)), 'not before the end');
    await kept.commit();
    await until('it is committed', async () => (await committed(groupId, name)) === '2');
  });

  test('a second producer of the same id shuts out the first and aborts what it left open', async () => {
    const name = await topic();
    const id = unique('tx');
    const zombie = await transactional(id);
    const abandoned = await zombie.transaction();
    await send(abandoned, name, 'abandoned');
    const heir = await transactional(id);
    const transaction = await heir.transaction(); // kafkajs asks for its epoch only now
    const fenced = { type: /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED|INVALID_TXN_STATE/ };
    await assert.rejects(send(abandoned, name, 'too late'), fenced);
    await assert.rejects(abandoned.commit(), fenced);
    await send(transaction, name, 'of the heir');
    await transaction.commit();
    const seen = await follow(name);
    await until('what the heir wrote', () => seen.length > 0);
    assert.deepEqual(seen, ['of the heir']);
  });

  test('a transaction that takes too long is aborted, and its producer shut out', async () => {
    const name = await topic();
    const producer = await transactional(unique('tx'), 1_000);
    const transaction = await producer.transaction();
    await send(transaction, name, 'forgotten');
    const plain = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await plain.connect();
    clients.push(plain);
    await send(plain, name, 'behind it');
    const seen = await follow(name);
    await until('readers go on', () => seen.length === 1);
    assert.deepEqual(seen, ['behind it']);
    await assert.rejects(transaction.commit(), { type: /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED/ });
  });

  test('one transaction covers several partitions, and a producer can have many after one another', async () => {
    const name = await topic(3);
    const producer = await transactional(unique('tx'));
    for (let i = 0; i < 10; i++) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: name, messages: [0, 1, 2].map((partition) => ({ partition, value: `${i}` })) });
      await (i % 3 === 0 ? transaction.abort() : transaction.commit());
    }
    const seen = await follow(name);
    await until('six of ten on three partitions', () => seen.length >= 18);
    assert.deepEqual([...new Set(seen)].sort(), ['1', '2', '4', '5', '7', '8']);
  });
});
