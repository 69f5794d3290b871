import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { type ApiProcess, startApiProcess } from './api-server-process.ts';
import { type Bench, type Row, rateRow } from './bench.ts';
import { type BenchCluster, fresh, openBenchCluster } from './bench-cluster.ts';
import { figure, inTurns, type Run } from './measure.ts';

const CALLS = 2_000;
/** Calls at both ends that are not timed: the host starts with the first and runs out of work with the last. */
const EDGE = 200;
const CONCURRENCY = 20;
/** Milliseconds that the API takes. */
const WAIT = 50;
/** Ends a run that does not come to its end. */
const LONGEST = 120_000;

const BIN = fileURLToPath(new URL('../../host/bin/pipeline-host.js', import.meta.url));
const PLUGIN = fileURLToPath(new URL('../../plugins/claimx', import.meta.url));

/**
 * The enricher of claimx in a host process of built code (`npm run build`), which asks the simulated API, in a process of its
 * own, once for each event. Timed by the API.
 */
export const apiCalls: Bench = {
  name: 'api',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using api = await startApiProcess({ projects: CALLS, latency: WAIT });
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('enrichment');
    await publishEvents(bench, topic, api.projectIds);
    const [enriched, bare] = await inTurns(repetitions, [() => enrichedBy(brokers, topic, api), () => askedBare(api)]);
    const what = `calls of an API that takes ${WAIT} ms, ${CONCURRENCY} at once`;
    const ours = { ...figure('api', 'call', enriched), cpuMicros: null };
    const waits = { name: 'the waits alone', unit: 'call', perSecond: (CONCURRENCY * 1000) / WAIT, cpuMicros: null };
    return [rateRow(what, ours, waits, 0.95), rateRow(what, ours, { ...figure('bare undici', 'call', bare), cpuMicros: null }, 0.95)];
  },
};

/** The same requests without a host. */
async function askedBare(api: ApiProcess): Promise<Run> {
  const { baseUrl, token, projectIds } = api;
  const agent = new Agent();
  const ids = projectIds.values();
  const askInTurn = async (): Promise<void> => {
    for (const id of ids) {
      const { body } = await request(`${baseUrl}/export/project/${id}`, {
        dispatcher: agent,
        headers: { authorization: `Basic ${token}`, accept: 'application/json' },
      });
      JSON.parse(await body.text());
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, askInTurn));
  await agent.close();
  return runOf(await api.arrivals());
}

function runOf(arrivals: readonly number[]): Run {
  const [first = 0, last = 0] = [arrivals[EDGE], arrivals[CALLS - EDGE]];
  return { amount: CALLS - 2 * EDGE, seconds: (last - first) / 1000, cpuSeconds: 0 };
}

/** One event a project: each asks for that, and nothing keeps them from being handled at once. */
async function publishEvents({ producer }: BenchCluster, topic: string, projectIds: readonly string[]): Promise<void> {
  const created_at = '2026-01-05T10:00:00Z';
  await producer.sendAll(
    projectIds.map((project_id) => ({
      topic,
      key: project_id,
      value: JSON.stringify({ trace_id: `bench-${project_id}`, event_type: 'PROJECT_CREATED', project_id, created_at }),
    })),
  );
}

async function enrichedBy(brokers: readonly string[], topic: string, api: ApiProcess): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-api-'));
  const file = join(folder, 'pipeline-host.config.json');
  const section = {
    package: PLUGIN,
    prefix: fresh('api'),
    topics: { 'enrichment.pending': { name: topic } },
    workers: { enricher: { start: 'earliest' } },
    config: {
      api: {
        baseUrl: api.baseUrl,
        token: '${env:BENCH_TOKEN}',
        senderUsername: 'bench',
        privateRanges: ['127.0.0.1/32'],
        concurrency: CONCURRENCY,
      },
    },
  };
  writeFileSync(file, JSON.stringify({ dataDir: folder, log: { level: 'error' }, kafka: { brokers }, plugins: { claimx: section } }));
  const child = spawn(process.execPath, [BIN, '--plugin', 'claimx', '--worker', 'enricher', '--config', file], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, BENCH_TOKEN: api.token },
  });
  try {
    const arrivals: number[] = [];
    for (const began = Date.now(); arrivals.length < CALLS; await sleep(100)) {
      if (child.exitCode !== null) throw new Error(`the enricher ended with ${child.exitCode}`);
      if (Date.now() - began > LONGEST) throw new Error(`the API was asked ${arrivals.length} times only`);
      arrivals.push(...(await api.arrivals()));
    }
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    await ended;
    return runOf(arrivals);
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
