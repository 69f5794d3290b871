import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from '../integration/relay-world.ts';

const RECORDS = 2_000;

describe('promise 4: a row is in the table exactly once', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  const open = (): Promise<RelayWorld> => openRelayWorld({ brokers: broker.brokers, config: { kafka: { sessionTimeout: '2s' } } });
  const rowsIn = async (world: RelayWorld): Promise<number> => (await world.numbersIn('relay_log').catch(() => [])).length;

  /** Sends records bit by bit, so that the writer is at work whenever it is looked at. */
  const sendSlowly = async (world: RelayWorld): Promise<void> => {
    for (let at = 0; at < RECORDS; at += 20) {
      await world.send(numbers(20).map((n) => ({ key: `key ${(at + n) % 60}`, n: at + n })));
      await until('the writer to follow', async () => at - (await world.committed('recorder')) < 400, 60_000);
    }
  };

  it('though the writer is killed again and again', async () => {
    await using world = await open();
    let writer = await world.spawn(['recorder']);
    const sending = sendSlowly(world);
    for (const point of [300, 800, 1_300]) {
      await until(`${point} rows`, async () => (await rowsIn(world)) >= point, 60_000);
      await writer.kill('SIGKILL');
      writer = await world.spawn(['recorder']);
    }
    await sending;
    await until('all to be committed', async () => (await world.committed('recorder')) === RECORDS, 60_000);
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(RECORDS));
  });

  it('though offsets of rows that are stored are forgotten, and come again', async () => {
    await using world = await open();
    const { group, consumes } = world.worker('recorder');
    const first = await world.start({ workers: ['recorder'] });
    await world.send(numbers(300).map((n) => ({ key: `key ${n}`, n })));
    await until('all to be committed', async () => (await world.committed('recorder')) === 300);
    await first.stop();
    const admin = await world.admin();
    const topic = consumes?.topic ?? '';
    const start = (await admin.offsets(topic)).map(({ partition, low }) => ({ partition, offset: low }));
    await admin.setOffsets(group, topic, start);
    assert.equal(await world.committed('recorder'), 0);

    await world.start({ workers: ['recorder'] });
    await world.send(numbers(100).map((n) => ({ key: `key ${n}`, n: 300 + n })));
    await until('all to be committed again', async () => (await world.committed('recorder')) === 400);
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(400));
  });

  it('though several writers share the table, and one of them is killed', async () => {
    await using world = await open();
    const [first, second] = await Promise.all([world.spawn(['recorder'], '--count', '2'), world.spawn(['recorder'])]);
    const sending = sendSlowly(world);
    await until('some rows', async () => (await rowsIn(world)) >= 500, 60_000);
    await first?.kill('SIGKILL');
    await sending;
    await until('all to be committed', async () => (await world.committed('recorder')) === RECORDS, 60_000);
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(RECORDS));
    assert.equal(await second?.kill('SIGTERM'), 0);
  });
});
