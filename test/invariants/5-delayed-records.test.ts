import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '../../host/src/observability/logger.ts';
import { HEADER, headerNumber } from '../../host/src/retry/headers.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld } from '../integration/relay-world.ts';

describe('promise 5: a delayed record never becomes due before its delay, and waits in no memory', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('is tried again when its delay is over, not before and not much later', async () => {
    const delays = [400, 900];
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      workers: { relay: { retry: { delays: delays.map((ms) => `${ms}ms`) } } },
    });
    await world.start({ workers: ['relay'] });
    await world.send(numbers(60).map((n) => ({ key: `key ${n}`, n, fails: n % 3 })));
    await until('all to be relayed', async () => (await world.relayed()).length === 60);
    const attempts = Map.groupBy(world.journal(), ({ n }) => n);
    for (const [n, steps] of attempts) {
      for (let attempt = 1; attempt <= n % 3; attempt++) {
        const failed = steps.find((step) => step.attempt === attempt && step.step === 'end')?.at ?? 0;
        const again = steps.find((step) => step.attempt === attempt + 1 && step.step === 'start')?.at ?? 0;
        const waited = again - failed;
        const delay = delays[attempt - 1] ?? 0;
        assert.ok(waited >= delay, `${n} waited ${waited} of ${delay} ms`);
        assert.ok(waited < delay + 1_500, `${n} waited ${waited} ms, and was due after ${delay}`);
      }
    }
  });

  it('waits in its topic: the host holds nothing of it, stops at once, and the next host is no earlier', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, workers: { relay: { retry: { delays: ['4s'] } } } });
    const first = await world.start({ workers: ['relay'] });
    await world.send(numbers(30).map((n) => ({ key: `key ${n}`, n, fails: 1 })));
    await until('the source to be committed', async () => (await world.committed('relay')) === 30);
    const copies = await (await world.cluster()).read({ topic: world.worker('relay').retryTopic });
    assert.equal(copies.length, 30);
    const dueAt = Math.min(...copies.map(({ headers }) => headerNumber(headers, HEADER.dueAt, 0)));
    const [unit] = first.status().units;
    assert.equal(unit?.open, 0);
    assert.deepEqual([unit?.counts.received, unit?.counts.retried], [30, 30]);
    const began = Date.now();
    await first.stop();
    assert.ok(Date.now() - began < 2_000, 'the stop waited for delayed records');
    assert.ok(Date.now() < dueAt, 'too slow to have shown anything');

    await world.start({ workers: ['relay'] });
    await until('all to be relayed', async () => (await world.relayed()).length === 30);
    const again = world.journal().filter(({ attempt, step }) => attempt === 2 && step === 'start');
    assert.equal(again.length, 30);
    for (const { at } of again) assert.ok(at >= dueAt, `${dueAt - at} ms too early`);
  });

  it('is not read by two divisions at once: a process whose policy has another number of lanes is refused while others run', async () => {
    const settings = { prefix: unique('relay') };
    const open = (...delays: readonly string[]) =>
      openRelayWorld({ brokers: broker.brokers, settings, workers: { relay: { retry: { delays } } } });
    await using world = await open('10m', '20m');
    const host = await world.start({ workers: ['relay'] });
    await world.send([{ key: 'a', n: 0 }]);
    await until('the first to be relayed', async () => (await world.relayed()).length === 1);
    await using changed = await open('10m', '20m', '40m');
    const refused = await changed.start({ workers: ['relay'], log: createLogger({ level: 'silent' }) });
    await assert.rejects(refused.finished, { code: 'PH_RETRY_DIVISION', exitCode: 3, hint: /stop all processes of the worker/ });
    await refused.stop();
    await world.send([{ key: 'a', n: 1 }]);
    await until('the second to be relayed by the one that was there', async () => (await world.relayed()).length === 2);
    await host.stop();
    await changed.start({ workers: ['relay'] });
    await world.send([{ key: 'a', n: 2 }]);
    await until('the third to be relayed by the new division', async () => (await world.relayed()).length === 3);
  });

  it('is not taken for one of another lane: a policy whose lanes fit into the topic otherwise is refused while records wait', async () => {
    const settings = { prefix: unique('relay') };
    const open = (...delays: readonly string[]) =>
      openRelayWorld({ brokers: broker.brokers, settings, workers: { relay: { retry: { delays } } } });
    // 4 source partitions with 3 lanes are 12 partitions, which are 3 sets of 4 lanes as well.
    await using world = await open('10m', '20m');
    const host = await world.start({ workers: ['relay'] });
    await world.send(numbers(30).map((n) => ({ key: `key ${n}`, n, fails: 1 })));
    await until('the source to be committed', async () => (await world.committed('relay')) === 30);
    await host.stop();
    await using changed = await open('10m', '20m', '40m');
    await assert.rejects(changed.start({ workers: ['relay'] }), { code: 'PH_RETRY_TOPIC_SHAPE' });
    await using fewer = await open('10m');
    await fewer.start({ workers: ['relay'] });
  });
});
