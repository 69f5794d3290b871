import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Bench, limitRow, type Row } from './bench.ts';
import { fresh, openBenchCluster, PARTITIONS, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { median } from './measure.ts';

/** Beside the host in its process. */
const LOOP_WATCH = fileURLToPath(new URL('./loop-watch.ts', import.meta.url));
const BIN = fileURLToPath(new URL('../../host/bin/pipeline-host.js', import.meta.url));
const PLUGIN = fileURLToPath(new URL('./events-plugin', import.meta.url));
/** Ends a run that does not come to its end. */
const LONGEST = 120_000;

interface Commit {
  readonly at: number;
  readonly rows: number;
}

/**
 * From Kafka into a table of 31 columns, exactly once and with fsync, 10,000 rows a commit: a whole host process of built
 * code (`npm run build`). Timed by the commits themselves, from the first to the last, so that its start does not count.
 */
export const tables: Bench = {
  name: 'tables',
  usesKafka: true,
  async run({ brokers, messages, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('events', PARTITIONS);
    await publish(bench.producer, topic, messages, eventJson);
    const measured = { columns: [] as Measured[], rows: [] as Measured[] };
    for (let run = 0; run < repetitions; run++)
      for (const worker of ['columns', 'rows'] as const) measured[worker].push(await writtenBy(brokers, topic, worker, messages));
    return (
      [
        ['columns', 80_000],
        ['rows', 50_000],
      ] as const
    ).flatMap(([worker, goal]) => {
      const value = median(measured[worker].map(({ perSecond }) => perSecond));
      const what = `Kafka to a table of 31 columns, exactly once, by \`${worker}\``;
      const figure = `${Math.round(value).toLocaleString('en')} row/s`;
      return [
        { what, figure, baseline: '', ratio: null, target: `≥ ${goal.toLocaleString('en')} row/s`, holds: value >= goal },
        limitRow(
          `longest hold of its event loop, by \`${worker}\``,
          measured[worker].map(({ longestHold }) => longestHold),
          { unit: 'ms', atMost: 50, baseline: '' },
        ),
      ];
    });
  },
};

interface Measured {
  readonly perSecond: number;
  /** Milliseconds, from the first commit on. */
  readonly longestHold: number;
}

async function writtenBy(brokers: readonly string[], topic: string, worker: 'columns' | 'rows', rows: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-tables-'));
  const config = join(folder, 'pipeline-host.config.json');
  const section = {
    package: PLUGIN,
    prefix: fresh('tables'),
    topics: { events: { name: topic } },
    workers: { [worker]: { start: 'earliest' } },
  };
  writeFileSync(
    config,
    JSON.stringify({ dataDir: folder, log: { level: 'error' }, kafka: { brokers }, plugins: { 'bench-events': section } }),
  );
  const child = spawn(process.execPath, ['--import', LOOP_WATCH, BIN, '--plugin', 'bench-events', '--worker', worker, '--config', config], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  try {
    const [first, ...others] = await commitsOf(child, join(folder, 'tables', `events_by_${worker}`, '_delta_log'), rows);
    const last = others.at(-1);
    if (first === undefined || last === undefined) throw new Error('the bench of tables needs rows for several commits');
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    await ended;
    const perSecond = (others.reduce((sum, commit) => sum + commit.rows, 0) / (last.at - first.at)) * 1000;
    return { perSecond, longestHold: Number(/longest hold ([\d.]+) ms/.exec(said)?.[1]) };
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The commits that hold rows, once they hold all of them. */
async function commitsOf(child: ChildProcess, log: string, rows: number): Promise<readonly Commit[]> {
  const commits = new Map<string, Commit>();
  for (const began = Date.now(); Date.now() - began < LONGEST; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`the worker ended with ${child.exitCode}`);
    const names = (await readdir(log).catch((): string[] => [])).filter((name) => /^\d{20}\.json$/.test(name)).sort();
    for (const name of names) if (!commits.has(name)) commits.set(name, await commitAt(join(log, name)));
    const full = names.flatMap((name) => commits.get(name) ?? []).filter((commit) => commit.rows > 0);
    if (full.length === 1) child.kill('SIGUSR2');
    if (full.reduce((sum, commit) => sum + commit.rows, 0) >= rows) return full;
  }
  throw new Error(`the table did not get its ${rows} rows`);
}

async function commitAt(file: string): Promise<Commit> {
  let [at, rows] = [0, 0];
  for (const line of (await readFile(file, 'utf8')).trim().split('\n')) {
    const action = JSON.parse(line) as { readonly commitInfo?: { readonly timestamp: number }; readonly add?: { readonly stats: string } };
    if (action.commitInfo !== undefined) at = action.commitInfo.timestamp;
    if (action.add !== undefined) rows += (JSON.parse(action.add.stats) as { readonly numRecords: number }).numRecords;
  }
  return { at, rows };
}
