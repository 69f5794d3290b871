import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld } from '../integration/relay-world.ts';

describe('promise 8: a poison record costs other keys nothing but its own handling time', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('neither while it is in work nor while it waits for its next attempt, in the same partition', async () => {
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      partitions: 1,
      workers: { relay: { concurrency: 4, retry: { delays: ['2s', '10m'] } } },
    });
    const host = await world.start({ workers: ['relay'] });
    const poison = [
      { key: 'stuck', n: 0, gate: 'open' },
      { key: 'fails', n: 1, fails: 9 },
      { key: 'rejected', n: 2, poison: true },
    ];
    await world.send(poison);
    await world.send([{ key: 'unreadable', n: 3 }], { value: 'no JSON' });
    await until('the poison to be in work', () => world.journal().filter(({ n }) => n < 3).length >= 5);
    await world.send(numbers(500).map((n) => ({ key: `key ${n % 100}`, n: 100 + n })));
    await until('all others to be relayed', async () => (await world.relayed()).length === 500);

    const [unit] = host.status().units;
    assert.equal(unit?.open, 1, 'only the stuck one is open');
    assert.equal(unit?.state.kind, 'working');
    assert.equal(unit?.counts.dead, 2);
    const others = world.journal().filter(({ n, step }) => n >= 100 && step === 'start');
    assert.equal(others.length, 500, 'each of them was handled once');
    world.openGate('open');
    await until('the stuck one to go on', async () => (await world.relayed()).includes(0));
  });
});
