import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CompressionTypes } from 'kafkajs';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { readAll, startBroker } from './broker-fixture.ts';

describe('records over kafkajs', () => {
  it('keeps key, value, headers and timestamp as they were sent', async (t) => {
    const { admin, producer, consumer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'events', numPartitions: 1 }] });
    const headers = { one: Buffer.from([0, 255]), many: ['a', 'b'], empty: '' };
    const messages = [
      { key: 'k', value: Buffer.from([1, 2, 3]), headers, timestamp: '1700000000123' },
      { key: null, value: null },
      { key: '', value: '' },
    ];
    const [acknowledged] = await producer.send({ topic: 'events', messages });
    assert.equal(acknowledged?.baseOffset, '0');

    const [first, second, third] = await readAll(await consumer('g'), 'events', 3);
    assert.deepEqual([first?.key, first?.value, first?.timestamp], ['k', Buffer.from([1, 2, 3]), '1700000000123']);
    assert.deepEqual(first?.headers, { one: Buffer.from([0, 255]), many: [Buffer.from('a'), Buffer.from('b')], empty: Buffer.from('') });
    assert.deepEqual([second?.key, second?.value], [undefined, null]);
    assert.deepEqual([third?.key, third?.value], ['', Buffer.from('')]);
  });

  it('sends batches to several topics in one call', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'a', numPartitions: 2 }, { topic: 'b' }] });
    const acknowledged = await producer.sendBatch({
      topicMessages: [
        { topic: 'a', messages: [{ partition: 1, value: 'x' }] },
        { topic: 'b', messages: [{ value: 'y' }, { value: 'z' }] },
      ],
    });
    assert.deepEqual(
      acknowledged.map(({ topicName, partition, errorCode, baseOffset }) => [topicName, partition, errorCode, baseOffset]),
      [
        ['a', 1, 0, '0'],
        ['b', 0, 0, '0'],
      ],
    );
    const [end] = await admin.fetchTopicOffsets('b');
    assert.equal(end?.high, '2');
  });

  it('brings gzip batches back unchanged', async (t) => {
    const { admin, producer, consumer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'zipped', numPartitions: 1 }] });
    const values = Array.from({ length: 200 }, (_, i) => `value ${i} `.repeat(20));
    await producer.send({ topic: 'zipped', compression: CompressionTypes.GZIP, messages: values.map((value) => ({ value })) });
    const seen = await readAll(await consumer('g'), 'zipped', 200);
    assert.deepEqual(
      seen.map(({ value }) => String(value)),
      values,
    );
  });

  it('refuses a message over the limit and takes 10 MB where the topic allows it', async (t) => {
    const { admin, producer, consumer } = await startBroker(t);
    const configEntries = [{ name: 'max.message.bytes', value: '12000000' }];
    await admin.createTopics({ topics: [{ topic: 'small' }, { topic: 'large', configEntries }] });
    const value = Buffer.alloc(10_000_000, 'x');
    await assert.rejects(producer.send({ topic: 'small', messages: [{ value }] }), { type: 'MESSAGE_TOO_LARGE' });
    await producer.send({ topic: 'large', messages: [{ value }] });
    const [seen] = await readAll(await consumer('g'), 'large', 1);
    assert.ok(seen?.value?.equals(value));
  });

  it('has the limit of Apache Kafka to the byte', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'limit' }] });
    await producer.send({ topic: 'limit', messages: [{ value: Buffer.alloc(1_048_516) }] });
    await assert.rejects(producer.send({ topic: 'limit', messages: [{ value: Buffer.alloc(1_048_517) }] }), { type: 'MESSAGE_TOO_LARGE' });
  });

  it('stores a repeated batch of an idempotent producer once', async (t) => {
    const { broker, admin, kafka } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'once', numPartitions: 1 }] });
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    await producer.send({ topic: 'once', messages: [{ value: 'first' }] });
    // The broker stores the batch and dies before it answers: the client sends it again.
    broker.faults.push({ api: 'Produce', topic: 'once', action: 'drop-answer' });
    const [again] = await producer.send({ topic: 'once', messages: [{ value: 'second' }] });
    assert.equal(again?.baseOffset, '1');
    await producer.send({ topic: 'once', messages: [{ value: 'third' }] });
    await producer.disconnect();
    const [end] = await admin.fetchTopicOffsets('once');
    assert.equal(end?.high, '3');
  });

  it('stores the batch twice when the producer is not idempotent', async (t) => {
    const { broker, admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'twice', numPartitions: 1 }] });
    broker.faults.push({ api: 'Produce', action: 'drop-answer' });
    await producer.send({ topic: 'twice', messages: [{ value: 'x' }] });
    const [end] = await admin.fetchTopicOffsets('twice');
    assert.equal(end?.high, '2');
  });

  it('answers an injected error for one partition alone', async (t) => {
    const { broker, admin, producer } = await startBroker(t, { client: { retry: { retries: 0 } } });
    await admin.createTopics({ topics: [{ topic: 'faulty', numPartitions: 2 }] });
    broker.faults.push({ api: 'Produce', topic: 'faulty', partition: 1, action: { error: ErrorCode.REQUEST_TIMED_OUT } });
    await producer.send({ topic: 'faulty', messages: [{ partition: 0, value: 'x' }] });
    await assert.rejects(producer.send({ topic: 'faulty', messages: [{ partition: 1, value: 'x' }] }), /timed out/i);
    await producer.send({ topic: 'faulty', messages: [{ partition: 1, value: 'x' }] });
  });

  it('answers without acknowledgement, with that of the leader, and of all', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'acks', numPartitions: 1 }] });
    for (const acks of [0, 1, -1]) await producer.send({ topic: 'acks', acks, messages: [{ value: 'x' }] });
    const [end] = await admin.fetchTopicOffsets('acks');
    assert.equal(end?.high, '3');
  });

  it('finds offsets by time to the record, also within gzip batches', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({
      topics: [
        { topic: 'timed', numPartitions: 1 },
        { topic: 'timed-gzip', numPartitions: 1 },
      ],
    });
    for (const [topic, compression] of [
      ['timed', CompressionTypes.None],
      ['timed-gzip', CompressionTypes.GZIP],
    ] as const) {
      for (let batch = 0; batch < 4; batch++) {
        const messages = Array.from({ length: 5 }, (_, i) => ({
          value: 'x'.repeat(2_000),
          timestamp: String(1_000_000 + batch * 500 + i * 100),
        }));
        await producer.send({ topic, compression, messages });
      }
      for (let i = 0; i < 20; i++) {
        const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_000_000 + i * 100 - 50);
        assert.equal(found?.offset, String(i), `${topic} at ${i}`);
      }
      const [past] = await admin.fetchTopicOffsetsByTimestamp(topic, 2_000_000);
      assert.equal(past?.offset, '20', 'a time after the last record means the end');
    }
  });

  it('moves the start of a partition when records are deleted', async (t) => {
    const { admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'cut', numPartitions: 1 }] });
    await producer.send({ topic: 'cut', messages: Array.from({ length: 10 }, () => ({ value: 'x' })) });
    await admin.fetchTopicOffsets('cut'); // the client looks for the leader in what it has cached
    await admin.deleteTopicRecords({ topic: 'cut', partitions: [{ partition: 0, offset: '4' }] });
    assert.equal((await admin.fetchTopicOffsets('cut'))[0]?.low, '4');
    await admin.deleteTopicRecords({ topic: 'cut', partitions: [{ partition: 0, offset: '-1' }] });
    assert.equal((await admin.fetchTopicOffsets('cut'))[0]?.low, '10');
    await assert.rejects(admin.deleteTopicRecords({ topic: 'cut', partitions: [{ partition: 0, offset: '11' }] }));
  });
});
