import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld } from './relay-world.ts';

const MINUTE = 60_000;

describe('an open record that is older than half of what its topic keeps', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('raises an alert in status and metrics until it is settled; younger ones do not', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 2 });
    const config = { 'retention.ms': String(4 * MINUTE) };
    await (await world.admin()).createTopics([{ name: world.source, partitions: 2, config }]);
    const host = await world.start({ workers: ['relay'] });
    const alerts = () => host.status().units.flatMap((unit) => unit.alerts);
    const metric = async () =>
      /^pipeline_host_unit_alert\{.*code="PH_RECORD_EXPIRING".*\} 1$/m.test(await (await fetch(`${host.url}/metrics`)).text());

    await world.send([{ key: 'young', n: 0, gate: 'young' }], { partition: 0, timestamp: Date.now() });
    await world.send([{ key: 'old', n: 1, gate: 'old' }], { partition: 1, timestamp: Date.now() - 2.5 * MINUTE });
    await until('the alert', () => alerts().length > 0);
    assert.equal(alerts()[0]?.code, 'PH_RECORD_EXPIRING');
    assert.match(alerts()[0]?.reason ?? '', /partition 1 at offset 0$/);
    assert.ok(await metric());
    assert.equal(host.status().units[0]?.state.kind, 'working');

    world.openGate('old');
    await until('the end of the alert', () => alerts().length === 0);
    assert.equal(await metric(), false);
    assert.equal(host.status().units[0]?.open, 1, 'the young one is open still');
    world.openGate('young');
    await world.untilThrough({ workers: ['relay'] });
  });
});
