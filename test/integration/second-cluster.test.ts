import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import { unique } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, openTestBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld } from './relay-world.ts';
import { openXactWorld } from './xact-world.ts';

describe('a source topic on a second cluster', { skip: brokerMissing() }, () => {
  let own: TestBroker;
  let partner: TestBroker;
  before(async () => {
    [own, partner] = await Promise.all([openSharedBroker(), openTestBroker('embedded')]);
  });
  after(() => Promise.all([own.close(), partner.close()]));

  const kafka = () => ({ clusters: { partner: { brokers: partner.brokers } } });

  it('runs xact on events of a partner, with everything of its own on its own cluster', async () => {
    const name = unique('partner.events');
    await using world = await openXactWorld({
      brokers: own.brokers,
      seed: 4,
      messages: 400,
      settings: { topics: { 'events.raw': { cluster: 'partner', name } } },
      config: { kafka: kafka() },
    });
    await world.start();
    await world.publish();
    await world.untilThrough();
    // The sums count the dead letters of ingester and event-writer, whose records lie on the partner's cluster.
    await world.assertSums();

    const theirs = await (await world.admin('partner')).listTopics();
    assert.deepEqual(
      theirs.filter((topic) => !topic.startsWith('__')),
      [name],
    );
    assert.ok(!(await (await world.admin()).listTopics()).includes(name));
    const letters = (await world.deadLetters()).filter(({ headers }) => headerText(headers, HEADER.originTopic) === name);
    assert.ok(letters.length >= 4, 'a dead letter of each of two workers for each of two records that are no events');
    for (const { headers } of letters) assert.equal(headerText(headers, HEADER.originCluster), 'partner');
  });

  it('brings a retried record back from its own cluster, and gives it up there', async () => {
    const name = unique('partner.work');
    await using world = await openRelayWorld({
      brokers: own.brokers,
      settings: { topics: { work: { cluster: 'partner', name } } },
      config: { kafka: kafka() },
    });
    const host = await world.start();
    await world.send([
      { key: 'a', n: 1 },
      { key: 'a', n: 2, fails: 1 },
      { key: 'b', n: 3, fails: 2 },
      { key: 'c', n: 4, fails: 9 },
    ]);
    await world.untilThrough();
    assert.deepEqual(await world.relayed(), [1, 2, 3]);
    const letters = await world.deadLetters();
    assert.deepEqual(
      letters.map(({ key, headers }) => [String(key), headerText(headers, HEADER.attempts), headerText(headers, HEADER.originTopic)]),
      [['c', '3', name]],
    );
    assert.deepEqual(
      world
        .journal()
        .filter(({ step, n }) => step === 'start' && n === 3)
        .map(({ topic, attempt }) => [topic, attempt]),
      [
        [name, 1],
        [world.worker('relay').retryTopic, 2],
        [world.worker('relay').retryTopic, 3],
      ],
    );
    const retried = host.status().units.find(({ id }) => id.endsWith('relay~retry'));
    assert.equal(retried?.counts.received, 1 + 2 + 2);
  });
});
