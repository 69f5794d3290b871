import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld } from '../integration/relay-world.ts';

describe('promise 2: the committed offset never passes an open record', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('stays at the lowest open record while all after it are settled, also through a crash', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const first = await world.spawn(['relay']);
    const gated = 7;
    await world.send(numbers(50).map((n) => ({ key: `key ${n}`, n, ...(n === gated && { gate: 'open' }) })));
    const ended = () => new Set(world.journal().flatMap(({ step, n }) => (step === 'end' ? [n] : [])));
    await until('all others to be handled', () => ended().size === 49);
    await until('their outputs to be there', async () => (await world.relayed()).length === 49);
    await until('all before it to be committed', async () => (await world.committed('relay')) >= gated);
    assert.equal(await world.committed('relay'), gated);
    await world.send(numbers(20).map((n) => ({ key: `later ${n}`, n: 50 + n })));
    await until('the later ones to be through as well', async () => (await world.relayed()).length === 69);
    assert.equal(await world.committed('relay'), gated);
    await first.kill('SIGKILL');

    world.openGate('open');
    await world.start({ workers: ['relay'] });
    await until('the rest to be committed', async () => (await world.committed('relay')) === 70);
    assert.ok((await world.relayed()).includes(gated), 'the open record was lost by the crash');
  });

  it('carries along what is settled above it: a crash repeats the open record alone, in source and retry partitions', async () => {
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      partitions: 1,
      workers: { relay: { retry: { delays: ['1s'] } } },
    });
    const first = await world.spawn(['relay']);
    const { retryTopic } = world.worker('relay');
    const retried = async () => (await (await world.admin()).offsets(retryTopic))[1]?.high ?? 0;
    // Its retry waits behind the live record of its key, and those of other keys are settled above it.
    await world.send([{ key: 'key 0', n: 0, fails: 1 }]);
    await until('it to be stored for its retry', async () => (await retried()) === 1);
    await world.send(
      numbers(40)
        .slice(1)
        .map((n) => ({ key: n === 1 ? 'key 0' : `key ${n}`, n, fails: n % 3 === 0 ? 1 : 0, ...(n === 1 && { gate: 'open' }) })),
    );
    const twice = numbers(40).filter((n) => n % 3 === 0 && n > 0);
    await until('all others to be relayed', async () => (await world.relayed()).length === 38);
    await until('what is settled above the open ones to be stored', async () => {
      const [source, retry] = await Promise.all([world.stored(world.source), world.stored(retryTopic, 1)]);
      return source.committed === 1 && source.ahead.length === 38 && retry.committed === 0 && retry.ahead.length === twice.length;
    });
    await first.kill('SIGKILL');

    world.openGate('open');
    await world.start({ workers: ['relay'] });
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(40));
    const expected = numbers(40).map((n) => [n, n === 0 || n === 1 || twice.includes(n) ? 2 : 1]);
    assert.deepEqual(
      [...world.starts()].toSorted(([left], [right]) => left - right),
      expected,
    );
  });

  it('is never ahead of what handlers have finished, whatever the order in which they do', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 2 });
    await world.start({ workers: ['relay'] });
    const sending = world.send(numbers(400).map((n) => ({ key: `key ${n % 37}`, n, ms: (n * 7919) % 40, fails: n % 50 === 0 ? 1 : 0 })));
    const { group, consumes } = world.worker('relay');
    const admin = await world.admin();
    let looks = 0;
    await until('all records to be committed', async () => {
      // What is committed first, what is finished after it: so the second can only be more.
      const committed = await admin.committed(group, [consumes?.topic ?? '']);
      const finished = new Map<number, Set<number>>();
      for (const { step, topic, partition, offset } of world.journal()) {
        if (step !== 'end' || topic !== world.source) continue;
        finished.set(partition, (finished.get(partition) ?? new Set()).add(offset));
      }
      for (const { partition, offset } of committed) {
        for (let before = 0; before < (offset ?? 0); before++) {
          assert.ok(finished.get(partition)?.has(before), `${partition}/${before} is not finished, and ${offset} is committed`);
        }
      }
      looks++;
      return committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0) === 400;
    });
    await sending;
    assert.ok(looks > 5, 'looked too seldom to have seen anything');
  });
});
