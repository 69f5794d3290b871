import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SourceMessage } from '@pipeline-host/sdk';
import { until } from '../host/kafka/contract-kit.ts';
import { openBrokerProcess } from './broker-process.ts';
import { brokerKind, brokerMissing, type TestBroker } from './brokers.ts';
import type { HostProcess } from './host-process.ts';
import { openXactWorld, XACT_WORKERS, type XactWorld } from './xact-world.ts';

/** So many events may be ahead of the slower reader of events: enough that every worker is at work whenever one is killed. */
const AHEAD = 100;
const CHUNK = 10;
/** A killed member's partitions are free again so soon. */
const FAST_FAIL_OVER = { kafka: { sessionTimeout: '2s' } };

interface Source {
  readonly sent: number;
  /** Resolves when the last event is acknowledged. */
  end(): Promise<void>;
}

/** Publishes events of the simulation, keeping ahead of their readers, until it is told to end. */
function keepPublishing(world: XactWorld): Source {
  const messages = world.simulation.stream?.()[Symbol.iterator]() as Iterator<SourceMessage>;
  let isEnding = false;
  let sent = 0;
  const run = async (): Promise<void> => {
    while (!isEnding) {
      const chunk = Array.from({ length: CHUNK }, () => messages.next().value as SourceMessage);
      sent += await world.publish(chunk);
      await until('the readers of events to follow', async () => isEnding || sent - (await readBy(world)) < AHEAD, 60_000);
    }
  };
  const running = run();
  running.catch(() => {});
  return {
    get sent() {
      return sent;
    },
    end: () => {
      isEnding = true;
      return running;
    },
  };
}

/** Events that both readers have committed. */
async function readBy(world: XactWorld): Promise<number> {
  const committed = ['ingester', 'event-writer'].map((worker) => world.committed(worker));
  return Math.min(...(await Promise.all(committed)));
}

/** Resolves when the worker's group has committed more records than now. */
async function settles(world: XactWorld, worker: string, records: number): Promise<void> {
  const start = await world.committed(worker);
  await until(`${worker} to settle ${records} records`, async () => (await world.committed(worker)) >= start + records);
}

describe('xact as six processes', { skip: brokerMissing() || (brokerKind() === 'external' && 'it kills the broker') }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openBrokerProcess();
  });
  after(() => broker.close());

  it('comes to the same numbers though each worker, and the broker, is killed in mid-run', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 6, config: FAST_FAIL_OVER });
    const processes = new Map<string, HostProcess>();
    for (const worker of XACT_WORKERS) processes.set(worker, await world.spawn([worker]));
    const source = keepPublishing(world);

    for (const worker of XACT_WORKERS) {
      await settles(world, worker, 5);
      await processes.get(worker)?.kill('SIGKILL');
      processes.set(worker, await world.spawn([worker]));
    }
    await settles(world, 'result-processor', 5);
    await broker.kill();
    await broker.restart();
    for (const worker of XACT_WORKERS) await settles(world, worker, 5);

    await source.end();
    await world.untilThrough();
    await world.assertSums();
    for (const [worker, host] of processes) assert.equal(await host.kill('SIGTERM'), 0, `${worker}: ${host.output()}`);
  });

  it('goes on with the other members of a group when one of them is killed', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 7, config: FAST_FAIL_OVER });
    await world.spawn(['ingester', 'uploader', 'result-processor', 'event-writer']);
    const [first, second] = await Promise.all([world.spawn(['downloader']), world.spawn(['downloader'])]);
    const source = keepPublishing(world);
    await settles(world, 'downloader', 20);
    await first?.kill('SIGKILL');
    await settles(world, 'downloader', 20);
    await source.end();
    await world.untilThrough();
    await world.assertSums();
    assert.equal(await second?.kill('SIGTERM'), 0);
  });
});
