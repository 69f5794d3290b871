import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openPipeline } from './pipeline.ts';
import { numbers, openRelayWorld } from './relay-world.ts';

const NEXT = fileURLToPath(new URL('./fixtures/relay-next', import.meta.url));

describe('a message of a newer schema than the plugin knows', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('pauses the unit, costs no attempt and no record, and is handled once the newer plugin is there', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const message = (n: number) => ({ key: `key ${n}`, n });
    const host = await world.start({ workers: ['relay'] });
    await world.send(numbers(10).map(message), { headers: { 'ph.schema': 'work@1' } });
    // Not a message at all for the old plugin: it would be a dead letter.
    const producer = await world.producer();
    await producer.send({ topic: world.source, key: 'key 10', value: '{"key":"key 10","number":10}', headers: { 'ph.schema': 'work@2' } });
    await world.send([11, 12].map(message));

    const relay = () => {
      const unit = host.status().units.find(({ worker }) => worker === 'relay');
      assert.ok(unit);
      return unit;
    };
    await until('the unit to pause', () => relay().state.kind === 'paused');
    const { state } = relay();
    assert.ok(state.kind === 'paused');
    assert.equal(state.code, 'PH_SCHEMA_NEWER');
    assert.match(state.reason, /newer schema: .*work\/0 waits at offset 10 for a plugin that knows version 2/);
    await until('what came before it to be committed', async () => (await world.committed('relay')) === 10);
    const { counts, open } = relay();
    assert.deepEqual({ ...counts, open }, { received: 10, done: 10, skipped: 0, retried: 0, dead: 0, open: 0 });
    assert.deepEqual(await world.deadLetters(), []);
    assert.equal(relay().state.kind, 'paused');
    await host.stop();

    await using next = await openPipeline({
      brokers: broker.brokers,
      plugin: 'relay',
      root: NEXT,
      settings: { prefix: world.source.slice(0, -'.work'.length) },
      config: { kafka: { partitions: 1 } },
    });
    const newer = await next.start({ workers: ['relay'] });
    await next.untilThrough({ workers: ['relay'] });
    const unit = newer.status().units[0];
    assert.equal(unit?.state.kind, 'idle');
    assert.deepEqual([unit?.counts.done, unit?.counts.dead], [3, 0]);
  });
});
