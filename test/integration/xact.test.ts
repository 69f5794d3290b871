import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openXactWorld } from './xact-world.ts';

describe('xact from event to table', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('brings every event into its table, every usable attachment into the store and the rest to the dead letters', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 1, messages: 400 });
    const host = await world.start();
    assert.equal(await world.publish(), 400);
    await world.untilThrough();
    await world.assertSums();

    const units = host.status().units;
    assert.deepEqual(
      units.map(({ state, open }) => [state.kind, open]),
      units.map(() => ['idle', 0]),
    );
    for (const { id, counts } of units) {
      assert.equal(counts.received, counts.done + counts.skipped + counts.retried + counts.dead, id);
    }
  });

  it('shares its work among the members of a group', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 2, messages: 300 });
    const host = await world.start({ count: 2 });
    await until('every member to own partitions', () => host.status().units.every(({ partitions }) => partitions > 0));
    await world.publish();
    await world.untilThrough();
    await world.assertSums();
    for (const { id, counts } of host.status().units) {
      if (id.includes('ingester')) assert.ok(counts.received > 0, `${id} received nothing`);
    }
  });

  it('goes on where it stopped, with no record lost and no row twice', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 3, messages: 400 });
    const first = await world.start();
    const messages = [...(world.simulation.messages() as Iterable<never>)];
    await world.publish(messages.slice(0, 200));
    await first.stop();
    await world.publish(messages.slice(200));
    await world.start();
    await world.untilThrough();
    await world.assertSums();
  });
});
