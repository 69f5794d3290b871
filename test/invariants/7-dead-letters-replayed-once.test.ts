import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { DeadLetters } from '../../host/src/dlq/dead-letters.ts';
import { retryShape } from '../../host/src/engine/topics.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import type { ResolvedWorker } from '../../host/src/plugins/topology.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import { openStore } from '../../host/src/storage/index.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { AdminClient, adminSettings, urlOf } from '../integration/admin-client.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from '../integration/relay-world.ts';

type Source = NonNullable<ResolvedWorker['consumes']>;

/** Kills of a host that is replaying. */
const KILLS = 6;

describe('promise 7: a dead letter is replayed to the one worker that failed it, once', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  const settings = adminSettings();
  before(async () => {
    broker = await openSharedBroker();
  });
  after(async () => {
    await broker.close();
    settings[Symbol.dispose]();
  });

  /** Dead letters that are mended, one for each number, and nobody who reads yet what is replayed. */
  const openWithDead = async (count: number): Promise<RelayWorld> => {
    const world = await openRelayWorld({
      brokers: broker.brokers,
      config: { http: settings.http, kafka: { sessionTimeout: '2s' } },
    });
    const host = await world.start({ workers: ['relay'] });
    await world.send(numbers(count).map((n) => ({ key: `key ${n}`, n, needs: 'mended' })));
    await until('the dead letters', async () => (await world.deadLetters()).length === count);
    await host.stop();
    world.openGate('mended');
    return world;
  };

  /** The dead letters as another process sees them, which settles what is left unfinished soon. */
  const openDeadLetters = (world: RelayWorld, patience: number): DeadLetters => {
    const worker = world.worker('relay');
    const { plugin, name, cluster, deadLetterTopic, retryTopic, consumes } = worker;
    return new DeadLetters({
      workers: [{ plugin: plugin.name, name, cluster, deadLetterTopic, retryTopic, source: consumes as Source, retry: retryShape(worker) }],
      clusters: { get: (found) => world.cluster(found) },
      defaultCluster: 'default',
      create: true,
      files: openStore(tmpdir()),
      log: createLogger({ level: 'error' }),
      patience,
    });
  };
  const laneOf = async (world: RelayWorld) => {
    const { retryTopic } = world.worker('relay');
    return (await (await world.cluster()).read({ topic: retryTopic })).filter(({ headers }) => headers[HEADER.replay] !== undefined);
  };
  const idsOf = async (world: RelayWorld): Promise<readonly string[]> =>
    (await world.deadLetters()).map(({ topic, partition, offset }) => `${topic}:${partition}:${offset}`);

  it('though two hosts are asked for it at once, several times each', async () => {
    await using world = await openWithDead(3);
    const hosts = await Promise.all([world.start({ workers: ['relay'] }), world.start({ workers: ['relay'] })]);
    const clients = hosts.map(({ url }) => new AdminClient(url));
    for (const id of await idsOf(world)) {
      const answers = await Promise.all([...clients, ...clients, ...clients].map((client) => client.change(id, 'replay')));
      assert.equal(
        answers
          .map(({ status }) => status)
          .toSorted((a, b) => a - b)
          .join(),
        '200,409,409,409,409,409',
      );
      for (const { status, body } of answers) if (status === 409) assert.match(body.code, /^PH_DLQ_(ALREADY_DISPOSED|IN_PROGRESS)$/);
      for (const client of clients) assert.equal((await client.show(id)).disposition.replays, 1);
    }
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(3));
    assert.equal((await laneOf(world)).length, 3);
  });

  it(`though the host that replays is killed ${KILLS} times between its intent and the end`, async () => {
    await using world = await openWithDead(KILLS);
    await world.start({ workers: ['relay'] });
    const others = openDeadLetters(world, 500);
    const ids = await idsOf(world);
    for (const [round, id] of ids.entries()) {
      const host = await world.spawn(['keeper']);
      const asked = new AdminClient(urlOf(host)).change(id, 'replay').then(
        ({ status }) => status,
        () => 'cut off',
      );
      // The first is killed as soon as its intent is to be seen, each further one some steps later.
      const steps = { left: 1 + round };
      const journal = `${world.worker('relay').deadLetterTopic}.dispositions`;
      await until('the intent', async () => {
        const seen = await (await world.cluster()).read({ topic: journal }).catch(() => []);
        return seen.some(({ key }) => key?.includes(`${id.split(':').slice(1).join(':')}:`)) && --steps.left <= 0;
      });
      await host.kill('SIGKILL');
      await asked;
      await until('what is left unfinished to be settled', async () => {
        const { state } = (await others.get(id)).disposition;
        return state === 'open' || state === 'replayed';
      });
      if ((await others.get(id)).disposition.state === 'open') await others.replay(id, { actor: 'other', reason: null, again: false });
      await assert.rejects(others.replay(id, { actor: 'other', reason: null, again: false }), { code: 'PH_DLQ_ALREADY_DISPOSED' });
    }
    others.close();
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(KILLS));
  });

  it('whatever the process that ended had done of it: nothing but its intent, or all but the note that it is sent', async () => {
    await using world = await openWithDead(2);
    const [unsent = '', sent = ''] = await idsOf(world);
    const producer = await world.producer();
    const { retryTopic, deadLetterTopic } = world.worker('relay');
    const dispositions = `${deadLetterTopic}.dispositions`;
    await (await world.admin()).createTopics([{ name: dispositions, partitions: 4 }]);
    for (const letter of await world.deadLetters()) {
      const target = { topic: retryTopic, partition: letter.partition * 3, from: 0 };
      const id = `${letter.topic}:${letter.partition}:${letter.offset}`;
      const { partition, offset, timestamp } = letter;
      const claim = { v: 1, kind: 'claimed', token: id, at: new Date().toISOString(), actor: 'gone', reason: null, again: false, target };
      await producer.send({ topic: dispositions, partition, key: id, value: JSON.stringify({ ...claim, partition, offset, timestamp }) });
      if (id === sent) await producer.send({ ...letter, ...target, headers: replayHeaders(letter.headers, id, 0) });
    }
    await world.start({ workers: ['relay'] });
    const letters = openDeadLetters(world, 200);
    await letters.watch();
    await until('both to be settled', async () => {
      const states = await Promise.all([unsent, sent].map(async (id) => (await letters.get(id)).disposition.state));
      return states.join() === 'open,replayed';
    });
    await assert.rejects(letters.replay(sent, { actor: 'other', reason: null, again: false }), { code: 'PH_DLQ_ALREADY_DISPOSED' });
    assert.equal((await letters.replay(unsent, { actor: 'other', reason: null, again: false })).replays, 1);
    letters.close();
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(2));
  });

  it('though a process that was taken for dead sends it after all', async () => {
    await using world = await openWithDead(1);
    const [id = ''] = await idsOf(world);
    const letters = openDeadLetters(world, 200);
    await letters.replay(id, { actor: 'other', reason: null, again: false });
    const [copy] = await laneOf(world);
    assert.ok(copy);
    const { topic, partition, key, value, headers } = copy;
    await (await world.producer()).send({ topic, partition, key, value, headers });
    const host = await world.start({ workers: ['relay'] });
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), [0]);
    assert.equal(host.status().units[0]?.counts.skipped, 1, 'the second copy');

    await letters.replay(id, { actor: 'other', reason: 'wanted', again: true });
    await until('the replay that was asked for again', async () => (await world.relayed()).length === 2);
    letters.close();
  });

  it('with every byte and header of the record, and its origin', async () => {
    await using world = await openWithDead(1);
    const odd = { trace_id: 't', retry_count: '7', raw: Buffer.from([0xff, 0]) };
    const host = await world.start({ workers: ['relay'] });
    await world.send([{ key: 'odd', n: 1, needs: 'mended later', says: 'ä\u0000' }], { headers: odd });
    await until('it to be dead', async () => (await world.deadLetters()).length === 2);
    world.openGate('mended later');
    const dead = (await world.deadLetters()).find(({ key }) => key?.toString() === 'odd');
    assert.ok(dead);
    const letters = openDeadLetters(world, 200);
    await letters.replay(`${dead.topic}:${dead.partition}:${dead.offset}`, { actor: 'other', reason: null, again: false });
    letters.close();
    const [lane] = await laneOf(world);
    assert.ok(lane);
    assert.deepEqual([lane.key, lane.value], [dead.key, dead.value]);
    const own = (headers: typeof dead.headers) => Object.entries(headers).filter(([name]) => !name.startsWith('ph.'));
    assert.deepEqual(own(lane.headers), own(dead.headers));
    for (const name of [HEADER.originTopic, HEADER.originPartition, HEADER.originOffset, HEADER.originTimestamp])
      assert.equal(headerText(lane.headers, name), headerText(dead.headers, name), name);
    await until('it to be relayed', async () => (await world.relayed()).length === 1);
    assert.equal(world.journal().at(-1)?.attempt, 1, 'its attempts count anew, whatever the sender says');
    await host.stop();
  });
});

const replayHeaders = (headers: object, id: string, from: number) => ({
  ...headers,
  [HEADER.attempts]: '0',
  [HEADER.replay]: id,
  [HEADER.replayCount]: '1',
  [HEADER.replayFrom]: String(from),
});
