import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerKind, brokerMissing, openTestBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from '../integration/relay-world.ts';

const DEADLINE = 30_000;

async function assertStops(host: RunningHost): Promise<void> {
  const began = performance.now();
  await host.stop();
  const took = performance.now() - began;
  assert.ok(took < DEADLINE, `the stop took ${Math.round(took)} ms`);
}

describe('promise 11: stop in 30 s from any state, and continue exactly', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  const open = (workers: Readonly<Record<string, object>> = {}): Promise<RelayWorld> =>
    openRelayWorld({ brokers: broker.brokers, workers });

  it('working: what is in work is finished, and nothing is handled twice', async () => {
    await using world = await open();
    const sent = 900;
    let host = await world.start();
    await world.send(numbers(sent).map((n) => ({ key: `key ${n % 40}`, n, ms: n % 20, fails: n % 17 === 0 ? 1 : 0 })));
    for (const point of [150, 400, 650]) {
      await until(`${point} records to be handled`, () => new Set(world.journal().map(({ n }) => n)).size >= point);
      await assertStops(host);
      host = await world.start();
    }
    await world.untilThrough();
    assert.deepEqual(await world.relayed(), numbers(sent));
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(sent));
    assert.deepEqual(await world.numbersIn('relay_latest'), numbers(sent));
    const starts = world.journal().filter(({ step }) => step === 'start').length;
    assert.equal(starts, sent + numbers(sent).filter((n) => n % 17 === 0).length);
  });

  it('while it starts, and when it is stopped twice', async () => {
    await using world = await open();
    const host = await world.start();
    const [first, second] = [host.stop(), host.stop()];
    await Promise.all([first, second, assertStops(host)]);
    await world.send(numbers(10).map((n) => ({ key: `key ${n}`, n })));
    await world.start();
    await world.untilThrough();
    assert.deepEqual(await world.relayed(), numbers(10));
  });

  it('with a handler that does not end and does not listen: its record is handled again, and no other', async () => {
    await using world = await open();
    const host = await world.start();
    await world.send(numbers(40).map((n) => ({ key: `key ${n}`, n, ...(n === 3 && { gate: 'never', deaf: true }) })));
    await until('all others to be relayed', async () => (await world.relayed()).length === 39);
    await assertStops(host);
    assert.equal((await world.relayed()).length, 39);
    world.openGate('never');
    await world.start();
    await world.untilThrough();
    assert.deepEqual([...new Set(await world.relayed())], numbers(40));
    for (const [n, starts] of world.starts()) assert.equal(starts, n === 3 ? 2 : 1, `${n} was handled ${starts} times`);
  });

  it('handing over to another member: it handles again what was open, and nothing that was settled', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 2 });
    const first = await world.start({ workers: ['relay'] });
    await world.send(numbers(60).map((n) => ({ key: `key ${n}`, n, fails: n % 5 === 0 ? 1 : 0, ...(n === 7 && { gate: 'never' }) })));
    await until('all others to be relayed', async () => (await world.relayed()).length === 59);
    const second = await world.start({ workers: ['relay'] });
    await until('both to hold a partition', () => [first, second].every((host) => (host.status().units[0]?.partitions ?? 0) > 0));
    await assertStops(first);
    world.openGate('never');
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(60));
    const starts = world.starts();
    for (const n of numbers(60)) {
      if (n !== 7) assert.equal(starts.get(n), n % 5 === 0 ? 2 : 1, `${n} was handled ${starts.get(n)} times`);
    }
  });

  it('with a retried record that waits behind live ones of its key: what was handled behind it is not handled again', async () => {
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      partitions: 1,
      workers: { relay: { retry: { delays: ['1s'] } } },
    });
    const host = await world.start({ workers: ['relay'] });
    await world.send([{ key: 'a', n: 0, fails: 1 }]);
    await until('it to wait for its delay', () => host.status().units[0]?.counts.retried === 1);
    await world.send([
      { key: 'b', n: 1, fails: 1 },
      // Long enough to be in work when the stop begins to drain.
      { key: 'a', n: 2, ms: 3_000 },
      { key: 'a', n: 3 },
    ]);
    await until('the retried record behind it to be handled', async () => (await world.relayed()).includes(1));
    assert.ok(!(await world.relayed()).includes(0), 'it waits in the lane of its key');
    await host.stop();

    await world.start({ workers: ['relay'] });
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), [0, 1, 2, 3]);
    assert.equal(world.journal().filter(({ step, n }) => step === 'start' && n === 1).length, 2);
  });

  it('while the broker is away', { skip: brokerKind() === 'external' }, async () => {
    await using world = await open();
    const host = await world.start();
    await world.send(numbers(300).map((n) => ({ key: `key ${n % 30}`, n, ms: 10 })));
    await until('some to be handled', () => world.journal().length > 100);
    await broker.kill();
    try {
      await assertStops(host);
    } finally {
      await broker.restart();
    }
    await world.start();
    await world.untilThrough();
    assert.deepEqual([...new Set(await world.relayed())], numbers(300));
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(300));
    assert.deepEqual(await world.numbersIn('relay_latest'), numbers(300));
  });
});
