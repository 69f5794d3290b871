import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SourceMessage } from '@pipeline-host/sdk';
import { FIRST_TOKEN } from '../../plugins/claimx/simulation/api-server.ts';
import { type SimulatedClaimX, simulateClaimX } from '../claimx/simulated.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import type { HostProcess } from './host-process.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

const CLAIMX = fileURLToPath(new URL('../../plugins/claimx', import.meta.url));
const WORKERS = ['ingester', 'enricher', 'downloader', 'uploader', 'result-processor', 'event-writer', 'entity-writer'] as const;
const SECOND_TOKEN = Buffer.from('simulation:second').toString('base64');
const EVENTS = 40;

/** Records wait for a dependency, as the metrics tell it. */
async function holdsRecords(host: HostProcess): Promise<boolean> {
  const url = /^http +(\S+)/m.exec(host.output())?.[1] ?? assert.fail(host.output());
  return /^pipeline_host_held_records\{.*\} [1-9]/m.test(await (await fetch(new URL('/metrics', url))).text());
}

describe('claimx as a process for each worker', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  let world: SimulatedClaimX;
  let folder: string;
  let pipeline: Pipeline;
  before(async () => {
    broker = await openSharedBroker();
    world = await simulateClaimX(11);
    folder = await mkdtemp(join(tmpdir(), 'claimx-secret-'));
    await writeFile(tokenFile(), FIRST_TOKEN);
    const soon = { flush: { age: '200ms' } };
    pipeline = await openPipeline({
      brokers: broker.brokers,
      plugin: 'claimx',
      root: CLAIMX,
      settings: {
        prefix: unique('claimx'),
        config: world.configWith(`\${file:${tokenFile()}}`),
        workers: {
          ...{ 'event-writer': soon, 'entity-writer': soon, 'result-processor': soon },
          // For what storage does not have at first.
          downloader: { retry: { delays: ['200ms', '400ms', '600ms', '800ms'] } },
        },
      },
    });
  });
  after(async () => {
    await pipeline?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    await broker?.close();
    await rm(folder, { recursive: true, force: true });
  });
  const tokenFile = () => join(folder, 'token');

  async function publish(messages: readonly SourceMessage[]): Promise<void> {
    const topic = pipeline.worker('ingester').consumes?.topic ?? assert.fail('no topic of events');
    const producer = await pipeline.producer();
    await producer.sendAll(messages.map(({ key, value }) => ({ topic, key, value: Buffer.from(value) })));
  }

  it('takes events to the rows of all tables, and waits with a revoked token for a process that has the next one', async () => {
    const processes = new Map(await Promise.all(WORKERS.map(async (worker) => [worker, await pipeline.spawn([worker])] as const)));
    const enricher = processes.get('enricher') ?? assert.fail('no enricher');
    await publish(world.events(EVENTS));
    await pipeline.untilThrough();

    world.api.tokens.revoke(FIRST_TOKEN);
    await publish(world.events(EVENTS));
    await until('the enricher to hold what needs the API', () => holdsRecords(enricher));
    assert.equal(await enricher.kill('SIGTERM'), 0, enricher.output());

    await writeFile(tokenFile(), SECOND_TOKEN);
    world.api.tokens.accept(SECOND_TOKEN);
    processes.set('enricher', await pipeline.spawn(['enricher']));
    await pipeline.untilThrough();
    assert.deepEqual(await world.wrongSums(pipeline.results()), []);
    const log = await pipeline.results().rows('claimx_event_log', ['attempt']);
    assert.deepEqual(new Set(log.map(({ attempt }) => attempt)), new Set([1]), 'the refused token burned no attempt');
    for (const [worker, host] of processes) assert.equal(await host.kill('SIGTERM'), 0, `${worker}: ${host.output()}`);
  });

  it('has one more worker, which reads a database and says what it lacks', async () => {
    await assert.rejects(pipeline.spawn(['poller']), /PH_WORKER_UNSUPPORTED[\s\S]*claimx\.poller/);
  });
});
