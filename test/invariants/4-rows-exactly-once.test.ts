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

  it('though a worker sends outputs twice, to one that appends them, and both are killed', async () => {
    await using world = await open();
    const outputs = async (): Promise<number> => (await world.relayed()).length;
    const isRepeated = async (): Promise<boolean> => (await outputs()) > new Set(await world.relayed()).size;
    let [sender, writer] = await Promise.all([world.spawn(['relay']), world.spawn(['keeper'])]);
    let sent = 0;
    // Until something came twice, a few times at least.
    for (let kill = 0; kill < 3 || !(await isRepeated()); kill += 1) {
      await world.send(numbers(200).map((n) => ({ key: `key ${n}`, n: sent + n, ms: 5 })));
      await until('some outputs', async () => (await outputs()) > sent, 60_000);
      sent += 200;
      await sender.kill('SIGKILL');
      if (kill % 2 === 0) await writer.kill('SIGKILL');
      sender = await world.spawn(['relay']);
      if (kill % 2 === 0) writer = await world.spawn(['keeper']);
      await until('all of it to be relayed', async () => (await world.committed('relay')) === sent, 60_000);
    }
    const sends = await outputs();
    await until('all to be written', async () => (await world.committed('keeper')) === sends, 60_000);
    assert.ok(sends > sent);
    assert.deepEqual(await world.numbersIn('relay_once'), numbers(sent));
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
