import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import type { Step } from '../integration/fixtures/relay/index.ts';
import { numbers, openRelayWorld } from '../integration/relay-world.ts';

const KEYS = 24;

/** Fails where a key's record starts while another one of it is in work. The journal is in the order of all processes. */
function assertOneAtATime(journal: readonly Step[]): void {
  const inWork = new Map<string, Step>();
  for (const step of journal) {
    const other = inWork.get(step.key);
    if (step.step === 'end') inWork.delete(step.key);
    else {
      assert.equal(other, undefined, `${JSON.stringify(step)} starts within ${JSON.stringify(other)}`);
      inWork.set(step.key, step);
    }
  }
}

/** Fails where a record that never failed was handled before an earlier one of its key that never failed. */
function assertInOrder(journal: readonly Step[], hasFailed: (n: number) => boolean): void {
  const last = new Map<string, number>();
  for (const { step, key, n } of journal) {
    if (step !== 'start' || hasFailed(n)) continue;
    assert.ok((last.get(key) ?? -1) < n, `${key}: ${n} came after ${last.get(key)}`);
    last.set(key, n);
  }
}

describe('promise 3: records of one key never run two at a time', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('live or retried, in two processes, while members join and leave; and in order, but for the retried', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 6 });
    const fails = (n: number): number => (n % 11 === 0 ? 1 + (n % 2) : 0);
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      const more = numbers(sent + count).slice(sent);
      sent += count;
      await world.send(more.map((n) => ({ key: `key ${n % KEYS}`, n, ms: (n * 31) % 30, fails: fails(n) })));
    };
    const handled = () => new Set(world.journal().map(({ n }) => n)).size;
    const first = await world.spawn(['relay']);
    await send(600);
    await until('some to be handled', () => handled() > 200);
    const second = await world.spawn(['relay']);
    await until('both to work', async () => {
      const pids = world
        .journal()
        .slice(-20)
        .map(({ pid }) => pid);
      if (new Set(pids).size === 2) return true;
      // However long the second takes to join, there is work when it has.
      if (sent - handled() < 100) await send(100);
      return false;
    });
    await send(400);
    assert.equal(await first.kill('SIGTERM'), 0);
    await until('the other one to have all', async () => (await world.committed('relay')) === sent);
    await until('the retried ones to be through', async () => (await world.relayed()).length === sent);

    const journal = world.journal();
    assert.ok(new Set(journal.map(({ pid }) => pid)).has(second.child.pid ?? 0));
    assertOneAtATime(journal);
    assertInOrder(journal, (n) => fails(n) > 0);
    assert.deepEqual(await world.relayed(), numbers(sent), 'a member that leaves in peace repeats nothing');
    const attempts = journal.filter(({ step }) => step === 'start').length;
    assert.equal(
      attempts,
      numbers(sent).reduce((sum, n) => sum + 1 + fails(n), 0),
    );
  });

  it("and in order whatever fails, where the worker holds a failed record (onRetry: 'hold')", async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, workers: { relay: { onRetry: 'hold' } } });
    const host = await world.start({ workers: ['relay'], count: 2 });
    // What is held when its partition moves begins anew with the next owner.
    await until('both members to have partitions', () => host.status().units.every((unit) => unit.partitions > 0));
    const sent = 240;
    await world.send(numbers(sent).map((n) => ({ key: `key ${n % KEYS}`, n, fails: n % 40 === 0 ? 1 : 0 })));
    await world.untilThrough({ workers: ['relay'] });
    const journal = world.journal();
    assertOneAtATime(journal);
    assertInOrder(
      journal.filter(({ attempt }) => attempt === 1),
      () => false,
    );
    assert.equal(journal.filter(({ step, attempt }) => step === 'start' && attempt === 2).length, sent / 40);
    assert.deepEqual(await world.relayed(), numbers(sent));
    const { retryTopic } = world.worker('relay');
    assert.deepEqual(await (await world.cluster()).read({ topic: retryTopic }), []);
  });
});
