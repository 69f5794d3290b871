import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import type { TopicBalance, UnitStatus } from '../../host/src/engine/status.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from '../integration/relay-world.ts';

/** Records that a topic holds, by its offsets. Nobody uses transactions or compaction here, so none is invisible. */
async function held(world: RelayWorld, topic: string): Promise<number> {
  return (await (await world.admin()).offsets(topic)).reduce((sum, { low, high }) => sum + high - low, 0);
}

function relayOf(host: RunningHost): UnitStatus {
  const unit = host.status().units.find(({ worker }) => worker === 'relay');
  assert.ok(unit);
  return unit;
}

/** What the status says of a topic, once it has learned where the topic ends. */
async function accountOf(host: RunningHost, topic: string, end: number): Promise<TopicBalance> {
  const account = () => relayOf(host).balance?.find((one) => one.topic === topic);
  await until(`the status to know that ${topic} ends at ${end}`, () => account()?.end === end);
  const found = account();
  assert.ok(found);
  assert.equal(found.end - found.start - found.invisible, found.settled + found.open);
  assert.equal(found.missing, 0);
  return found;
}

const settled = ({ counts }: UnitStatus): number => counts.done + counts.skipped + counts.retried + counts.dead;

describe('promise 6: every record ends, provably from offsets', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('end − start = settled + open over source and retry topic, while records are open and when none is', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers });
    const host = await world.start({ workers: ['relay'] });
    const retryTopic = world.worker('relay').retryTopic;
    const total = async () => (await held(world, world.source)) + (await held(world, retryTopic));
    const what = (n: number) => ({
      fails: [0, 0, 1, 2, 9][n % 5] ?? 0,
      poison: n % 31 === 0,
      gate: n % 60 === 7 ? 'open' : null,
    });
    await world.send(numbers(300).map((n) => ({ key: `key ${n}`, n, ...what(n) })));
    const gated = numbers(300).filter((n) => what(n).gate !== null).length;
    // The retry topic still grows while this is looked at: until it stands still, with the gated records alone open.
    await until(
      'all but the gated records to settle',
      async () => relayOf(host).open === gated && settled(relayOf(host)) + gated === (await total()),
    );
    const open = relayOf(host);
    assert.equal(await total(), settled(open) + open.open);
    assert.equal(open.counts.received, await total());
    const ends = [await held(world, world.source), await held(world, retryTopic)] as const;
    const shown = [await accountOf(host, world.source, ends[0]), await accountOf(host, retryTopic, ends[1])] as const;
    assert.equal(shown[0].settled + shown[1].settled, settled(open));
    assert.equal(shown[0].open + shown[1].open, gated);

    world.openGate('open');
    await until('all to be committed', async () => relayOf(host).open === 0 && relayOf(host).counts.received === (await total()));
    const closed = relayOf(host);
    assert.equal(await total(), settled(closed));
    // What failed stands once more in the retry topic for each failure but the last.
    assert.equal(closed.counts.retried, await held(world, retryTopic));
    assert.equal(closed.counts.dead, (await world.deadLetters()).length);
    assert.equal(closed.counts.done, (await world.relayed()).length);
    assert.equal(closed.counts.done + closed.counts.dead, await held(world, world.source));
    const { start, invisible, open: left } = await accountOf(host, world.source, await held(world, world.source));
    assert.deepEqual({ start, invisible, left }, { start: 0, invisible: 0, left: 0 });

    await host.stop();
    const { group } = world.worker('relay');
    const committed = await (await world.admin()).committed(group, [world.source, retryTopic]);
    assert.equal(
      committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0),
      await total(),
    );
  });

  it('also after a crash: what the metadata of the last commit passes over counts as settled', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const first = await world.spawn(['relay']);
    await world.send(numbers(30).map((n) => ({ key: `key ${n}`, n, ...(n === 10 && { gate: 'open' }) })));
    await until('all others to be stored as settled', async () => {
      const { committed, ahead } = await world.stored(world.source);
      return committed === 10 && ahead.length === 19;
    });
    await first.kill('SIGKILL');
    const host = await world.start({ workers: ['relay'] });
    await until('the open one to be in work again', () => relayOf(host).open === 1);
    const account = await accountOf(host, world.source, 30);
    assert.deepEqual(account, { topic: world.source, start: 10, end: 30, invisible: 0, settled: 19, open: 1, missing: 0 });
    assert.equal(relayOf(host).exactResume, true);
    world.openGate('open');
    await world.untilThrough({ workers: ['relay'] });
    assert.equal((await accountOf(host, world.source, 30)).settled, 20);
  });

  it('where offsets are invisible: markers of transactions and aborted records', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const host = await world.start({ workers: ['relay'] });
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const endings = ['commit', 'abort', 'abort', 'commit', 'abort'] as const;
    for (const [index, ending] of endings.entries()) {
      const transaction = await producer.transaction();
      const messages = [0, 1, 2]
        .map((one) => 3 * index + one)
        .map((n) => ({ key: `key ${n}`, value: JSON.stringify({ key: `key ${n}`, n, ...(n === 1 && { gate: 'open' }) }) }));
      await transaction.send({ topic: world.source, messages });
      await transaction[ending]();
    }
    await producer.disconnect();
    const end = endings.length * 4;
    await until('the visible ones to be settled', () => settled(relayOf(host)) === 5);
    await until('the end to be read', () => relayOf(host).balance?.[0]?.invisible === 3 * 3 + endings.length);
    const { settled: ended, open } = await accountOf(host, world.source, end);
    assert.deepEqual([ended, open], [5, 1]);
    world.openGate('open');
    await until('the watermark to pass them all', async () => (await world.committed('relay')) === end);
    assert.deepEqual(await world.relayed(), [0, 1, 2, 9, 10, 11]);
  });
});
