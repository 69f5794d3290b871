import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerKind, brokerMissing, openTestBroker, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from '../integration/relay-world.ts';

const stateOf = (host: RunningHost, worker: string) => host.status().units.find((unit) => unit.worker === worker)?.state;

function isOut(host: RunningHost, worker: string): boolean {
  const state = stateOf(host, worker);
  return state?.kind === 'paused' && state.reason.startsWith('outage: ');
}

/** Members give their partitions up when nobody answers them for so long. */
const SOON_NOTICED = { kafka: { sessionTimeout: '2s' } };

const untilNoticed = (host: RunningHost): Promise<void> =>
  until('all workers to have lost their partitions', () => host.status().units.every(({ partitions }) => partitions === 0), 90_000);

/** Two probes fail after what was in work when the worker paused. */
async function untilProbed(world: RelayWorld): Promise<void> {
  const started = world.journal().filter(({ step }) => step === 'start').length;
  await until('two probes', () => world.journal().filter(({ step }) => step === 'end').length >= started + 2);
}

/** Takes the tables away, as a share that is not mounted, and gives the way back. */
async function unmountTables(world: RelayWorld): Promise<() => Promise<void>> {
  const [tables, away] = [join(world.folder, 'tables'), join(world.folder, 'away')];
  await rename(tables, away);
  return () => rename(away, tables);
}

describe('promise 12: the host survives any outage, without restart or loss', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  /** Everything went through once, in one attempt, and nothing is dead. */
  async function assertWhole(world: RelayWorld, count: number): Promise<void> {
    await world.untilThrough({ timeout: 110_000 });
    assert.deepEqual([...new Set(await world.relayed())], numbers(count));
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(count));
    assert.deepEqual(await world.numbersIn('relay_latest'), numbers(count));
    assert.deepEqual(await world.deadLetters(), []);
  }

  const send = (world: RelayWorld, from: number, count: number): Promise<void> =>
    world.send(numbers(count).map((n) => ({ key: `key ${n % 30}`, n: from + n })));

  it('of an API that is unavailable: no attempt is burned, and the worker says why it waits', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers });
    const host = await world.start();
    await send(world, 0, 100);
    await until('the first to be relayed', async () => (await world.relayed()).length === 100);
    world.breakApi('unavailable');
    await send(world, 100, 200);
    await until('the worker to pause', () => isOut(host, 'relay'));
    await untilProbed(world);
    const state = stateOf(host, 'relay');
    assert.match(state?.kind === 'paused' ? state.reason : '', /RELAY_API_DOWN: the API is down/);
    assert.equal(host.status().units.find(({ worker }) => worker === 'relay')?.counts.retried, 0);
    world.mendApi();
    await assertWhole(world, 300);
    assert.deepEqual(new Set(world.journal().map(({ attempt }) => attempt)), new Set([1]));
    assert.equal((await world.relayed()).length, 300, 'nothing was sent twice');
  });

  it('of an API that fails each request: it is no poison, however short the retry policy is', async () => {
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      workers: { relay: { outage: { share: 0.2 }, retry: { delays: ['10ms'] } } },
    });
    const host = await world.start();
    world.breakApi('failing');
    await send(world, 0, 400);
    await until('the worker to pause', () => isOut(host, 'relay'));
    await untilProbed(world);
    world.mendApi();
    await assertWhole(world, 400);
    const retried = host.status().units.find(({ worker }) => worker === 'relay')?.counts.retried ?? 0;
    assert.ok(retried < 10, `${retried} attempts were burned before it was seen to be an outage`);
  });

  it('of the storage: table writers hold what they have, and go on where they were', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers });
    const host = await world.start();
    await send(world, 0, 100);
    await world.untilThrough();
    const mount = await unmountTables(world);
    await send(world, 100, 300);
    await until('both table writers to pause', () => isOut(host, 'recorder') && isOut(host, 'keeper'));
    await until('the worker without tables to go on', async () => (await world.relayed()).length === 400);
    await mount();
    await assertWhole(world, 400);
  });

  it('of the broker, with records in work', { skip: brokerKind() === 'external' }, async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, config: SOON_NOTICED });
    const host = await world.start();
    await world.send(numbers(200).map((n) => ({ key: `key ${n % 30}`, n, ms: 20 })));
    await until('some to be in work', () => world.journal().length > 60);
    await broker.kill();
    await untilNoticed(host);
    await broker.restart();
    await send(world, 200, 200);
    await assertWhole(world, 400);
    assert.deepEqual(new Set(world.journal().map(({ attempt }) => attempt)), new Set([1]));
  });

  it('of all of them at once', { skip: brokerKind() === 'external' }, async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, config: SOON_NOTICED });
    const host = await world.start();
    await send(world, 0, 100);
    world.breakApi('unavailable');
    const mount = await unmountTables(world);
    await send(world, 100, 200);
    await until('all workers with something to do to be out', () => isOut(host, 'relay') && isOut(host, 'recorder'));
    await broker.kill();
    await untilNoticed(host);
    await broker.restart();
    await mount();
    world.mendApi();
    await assertWhole(world, 300);
    assert.deepEqual(new Set(world.journal().map(({ attempt }) => attempt)), new Set([1]));
  });
});
