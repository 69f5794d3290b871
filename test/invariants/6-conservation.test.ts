import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { UnitStatus } from '../../host/src/engine/status.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openTestBroker, type TestBroker } from '../integration/brokers.ts';
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

const settled = ({ counts }: UnitStatus): number => counts.done + counts.skipped + counts.retried + counts.dead;

describe('promise 6: every record ends, provably from offsets', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
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

    world.openGate('open');
    await until('all to be committed', async () => relayOf(host).open === 0 && relayOf(host).counts.received === (await total()));
    const closed = relayOf(host);
    assert.equal(await total(), settled(closed));
    // What failed stands once more in the retry topic for each failure but the last.
    assert.equal(closed.counts.retried, await held(world, retryTopic));
    assert.equal(closed.counts.dead, (await world.deadLetters()).length);
    assert.equal(closed.counts.done, (await world.relayed()).length);
    assert.equal(closed.counts.done + closed.counts.dead, await held(world, world.source));

    await host.stop();
    const { group } = world.worker('relay');
    const committed = await (await world.admin()).committed(group, [world.source, retryTopic]);
    assert.equal(
      committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0),
      await total(),
    );
  });
});
