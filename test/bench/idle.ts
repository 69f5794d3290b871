import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Bench, limitRow, type Row } from './bench.ts';
import { fresh } from './bench-cluster.ts';
import { median, timed } from './measure.ts';

const BIN = fileURLToPath(new URL('../../host/bin/pipeline-host.js', import.meta.url));
const PLUGIN = fileURLToPath(new URL('../../examples/thermostat', import.meta.url));
/** After its start, before it is called idle: V8 clears away what the start left behind about ten seconds after it. */
const REST = 15_000;
const WINDOW = 10_000;

interface Idle {
  /** Milliseconds from the start of the process until it is ready. */
  readonly start: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly megabytes: number;
}

/** One worker without tables, as a user starts it, from built code (`npm run build`), with nothing to do. */
export const idle: Bench = {
  name: 'idle',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-idle-'));
    const config = join(folder, 'pipeline-host.config.json');
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: folder,
        log: { level: 'error' },
        kafka: { brokers },
        plugins: { thermostat: { package: PLUGIN, prefix: fresh('idle') } },
      }),
    );
    const runs: Idle[] = [];
    const bare: number[] = [];
    try {
      // The first start makes the topics.
      for (let run = 0; run <= repetitions; run++) {
        const { seconds } = await timed(1, () => once(spawn(process.execPath, ['-e', "import('kafkajs')"], { cwd: PLUGIN }), 'exit'));
        const measured = await idleRun(folder, config);
        if (run === 0) continue;
        bare.push(seconds * 1000);
        runs.push(measured);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const of = (part: keyof Idle): readonly number[] => runs.map((run) => run[part]);
    return [
      limitRow('an idle worker', of('cpuPercent'), { unit: '% of a core', atMost: 1, digits: 2, baseline: '' }),
      limitRow('memory of a worker without tables', of('megabytes'), { unit: 'MB', atMost: 150, baseline: '' }),
      limitRow('start to ready, from built code', of('start'), {
        unit: 'ms',
        atMost: 1_000,
        baseline: `node that imports kafkajs and ends: ${Math.round(median(bare))} ms`,
      }),
    ];
  },
};

async function idleRun(folder: string, config: string): Promise<Idle> {
  const began = performance.now();
  const child = spawn(process.execPath, [BIN, '--plugin', 'thermostat', '--worker', 'watcher', '--config', config], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  });
  try {
    const url = await addressOf(child);
    while (!(await fetch(`${url}/health/ready`)).ok) await sleep(5);
    const start = performance.now() - began;
    await sleep(REST);
    const from = performance.now();
    const before = await metric(url, 'process_cpu_seconds_total');
    await sleep(WINDOW);
    const cpuSeconds = (await metric(url, 'process_cpu_seconds_total')) - before;
    const cpuPercent = (cpuSeconds / (performance.now() - from)) * 100_000;
    return { start, cpuPercent, megabytes: (await metric(url, 'process_resident_memory_bytes')) / 1e6 };
  } finally {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
}

/** Where it says that its health and metrics are. */
async function addressOf(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new TypeError('the stdout of the worker is a pipe');
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^http\s+(\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the worker ended before it ran');
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`no metric ${name}`);
  return Number(value);
}
