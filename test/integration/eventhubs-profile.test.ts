import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { unique } from '../host/kafka/contract-kit.ts';
import { spawnHost } from './host-process.ts';
import { numbers, openRelayWorld } from './relay-world.ts';
import { openXactWorld } from './xact-world.ts';

/** `pipeline-host broker --profile eventhubs` with topics; its address. */
async function startNamespace(t: TestContext, topics: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'namespace-'));
  const flags = topics.flatMap((topic) => ['--topic', topic]);
  const broker = spawnHost(['broker', '--data', folder, '--profile', 'eventhubs', '--drop-commit-metadata', ...flags], folder);
  t.after(async () => {
    await broker.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const address = /127\.0\.0\.1:\d+/.exec((await broker.ready).join('\n'))?.[0];
  assert.ok(address, broker.output());
  return address;
}

describe('a host on a broker with the limits of an Event Hubs namespace', () => {
  it('does its work with the topics that the namespace has, commits throttled and their metadata dropped', async (t) => {
    const prefix = unique('relay');
    // Lane 0 and two delays: a retry topic of three partitions for each of the source.
    const topics = [`${prefix}.work:4`, `${prefix}.relayed:4`, `${prefix}.retry:12`, `${prefix}.dlq:4`];
    const address = await startNamespace(t, topics);
    await using world = await openRelayWorld({ brokers: [address], settings: { prefix, retry: { topology: 'plugin' } } });
    const host = await world.start();
    await world.send(
      numbers(300).map((n) => ({ key: `k${n % 7}`, n, ...(n % 50 === 1 && { fails: 1 }), ...(n % 100 === 99 && { poison: true }) })),
    );
    await world.untilThrough();
    const alive = numbers(300).filter((n) => n % 100 !== 99);
    assert.deepEqual(await world.relayed(), alive);
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(300));
    assert.deepEqual(await world.numbersIn('relay_latest'), alive);
    assert.equal((await world.deadLetters()).length, 3);
    await host.stop();
  });

  it('runs all of xact in one namespace', async (t) => {
    const prefix = unique('xact');
    // Its workers wait three spans of the simulation and four by default: eight lanes with that of replays.
    const topics = ['events.raw:4', 'downloads.pending:4', 'downloads.cached:4', 'downloads.results:4', 'retry:32', 'dlq:4'];
    const address = await startNamespace(
      t,
      topics.map((topic) => `${prefix}.${topic}`),
    );
    const settings = { prefix, retry: { topology: 'plugin' } };
    await using world = await openXactWorld({ brokers: [address], seed: 5, messages: 300, settings });
    await world.start();
    await world.publish();
    await world.untilThrough();
    await world.assertSums();
  });

  it('runs such a broker itself where its config says so', async () => {
    const prefix = unique('relay');
    const topics = { [`${prefix}.work`]: 4, [`${prefix}.relayed`]: 4, [`${prefix}.retry`]: 12, [`${prefix}.dlq`]: 4 };
    const embedded = { profile: 'eventhubs', topics, commitMetadata: 'drop' };
    await using world = await openRelayWorld({ brokers: { embedded }, settings: { prefix, retry: { topology: 'plugin' } } });
    const host = await world.start();
    await world.send(numbers(20).map((n) => ({ key: 'k', n })));
    await world.untilThrough();
    assert.deepEqual(await world.numbersIn('relay_latest'), numbers(20));
    await assert.rejects((await world.admin()).createTopics([{ name: 'another', partitions: 1 }]), { code: 'PH_KAFKA_ACL' });
    const committed = await (await world.admin()).committed(world.worker('relay').group, [world.source]);
    assert.ok(committed.every(({ metadata }) => metadata === null));
    await host.stop();
  });

  it('says which topics are missing and who makes them', async (t) => {
    const prefix = unique('relay');
    const address = await startNamespace(t, [`${prefix}.work:4`]);
    await using world = await openRelayWorld({ brokers: [address], settings: { prefix } });
    await assert.rejects(world.start(), {
      code: 'PH_TOPIC_CREATION',
      exitCode: 3,
      message: `the cluster does not let this client create topics: ${prefix}.relayed (4 partitions)`,
      hint: /kafka\.embedded\.topics, or "broker --topic NAME:PARTITIONS"/,
    });
  });
});
