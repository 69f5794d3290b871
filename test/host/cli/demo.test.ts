import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { isPipelineError } from '@pipeline-host/sdk';
import { startDisplay } from '../../../host/src/cli/demo/display.ts';
import { prepareDemoFolder } from '../../../host/src/cli/demo/folder.ts';
import { progressLine, progressLines, workerProgress } from '../../../host/src/cli/demo/progress.ts';
import { openPartitions } from '../../../host/src/cli/demo/quiet.ts';
import { loadSimulation, simulationFile } from '../../../host/src/cli/demo/simulation.ts';
import { allHold, type DemoSummary, judge, pythonLine, summaryText } from '../../../host/src/cli/demo/summary.ts';
import { waitUntilThrough } from '../../../host/src/cli/demo/wait.ts';
import type { HostStatus, UnitStatus } from '../../../host/src/engine/status.ts';
import type { KafkaCluster } from '../../../host/src/kafka/driver.ts';
import type { ResolvedWorker } from '../../../host/src/plugins/topology.ts';

const unit = (worker: string, changes: Partial<UnitStatus> = {}): UnitStatus => ({
  id: `weather.${worker}`,
  plugin: 'weather',
  worker,
  state: { kind: 'working' },
  counts: { received: 1_500, done: 1_000, skipped: 100, retried: 30, dead: 4 },
  open: 366,
  delayed: 12,
  lag: 480,
  oldestOpen: null,
  partitions: 6,
  balance: null,
  exactResume: null,
  alerts: [],
  held: [],
  postponed: 0,
  ...changes,
});
const status = (...units: UnitStatus[]): HostStatus => ({ startedAt: '2026-01-05T14:22:07Z', version: '1.2.3', clusters: [], units });
const code = (expected: string) => (error: unknown) => {
  assert.ok(isPipelineError(error), String(error));
  assert.equal(error.code, expected);
  return true;
};

const folders: string[] = [];
async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'ph-demo-'));
  folders.push(made);
  return made;
}
afterEach(async () => {
  for (const each of folders.splice(0)) await rm(each, { recursive: true });
});

describe('the progress of the demo', () => {
  it('sums the members of a worker and counts the rate from the moment before', () => {
    const [worker] = workerProgress(
      status(unit('writer'), unit('writer', { id: 'weather.writer#2', lag: null })),
      new Map([['weather.writer', 2_000]]),
      2,
    );
    assert.deepEqual(worker, {
      id: 'weather.writer',
      received: 3_000,
      done: 2_200,
      retried: 60,
      dead: 8,
      rate: 134,
      lag: 480,
      delayed: 24,
      state: 'working',
    });
  });

  it('shows the state that wants attention first', () => {
    const failed = unit('writer', { id: 'weather.writer#2', state: { kind: 'failed', reason: 'r', code: 'c' } });
    assert.equal(workerProgress(status(unit('writer'), failed), new Map(), 0)[0]?.state, 'failed');
  });

  const moment = { status: status(unit('writer')), elapsed: 12_340, published: 3_000, phase: 'publishing' };
  it('has a line a worker, cut to the width of the terminal', () => {
    const workers = workerProgress(moment.status, new Map(), 1);
    assert.deepEqual(progressLines(moment, workers, 120), [
      '12.3 s · 3,000 published · publishing',
      '',
      '  worker               in     done  retried     dead   rate/s      lag  state',
      '  weather.writer    1,500    1,100       30        4    1,134   480+12  working',
    ]);
    for (const line of progressLines(moment, workers, 40)) assert.ok(line.length < 40);
  });

  it('is one line where there is no terminal', () => {
    assert.equal(
      progressLine(moment, workerProgress(moment.status, new Map(), 1)),
      '12.3 s · 3,000 published · publishing · weather.writer 1100/1500, 30 retried, 4 dead',
    );
  });

  it('redraws in place on a terminal and keeps what is said above it', () => {
    let written = '';
    const stream = { isTTY: true, columns: 100, rows: 40, write: (text: string) => (written += text) };
    const display = startDisplay(stream, () => moment);
    display.draw();
    display.say('hello');
    display.close();
    display.close();
    const screen: string[] = [];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal of a few lines
    for (const part of written.split(/(\u001b\[\d+F\u001b\[0J)/)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal of a few lines
      const up = /^\u001b\[(\d+)F/.exec(part);
      if (up === null) screen.push(...stripVTControlCharacters(part).split('\n').slice(0, -1));
      else screen.splice(screen.length - Number(up[1]));
    }
    assert.equal(screen.length, 5);
    assert.deepEqual(screen.slice(0, 2), ['hello', '12.3 s · 3,000 published · publishing']);
  });

  it('writes no control sequence where there is no terminal', () => {
    let written = '';
    const display = startDisplay({ write: (text: string) => (written += text) }, () => moment);
    display.say('hello');
    display.close();
    assert.equal(written, stripVTControlCharacters(written));
    assert.match(written, /^hello\n12\.3 s/);
  });
});

describe('the summary of the demo', () => {
  const summary = (sums: DemoSummary['plugins'][number]['sums']): DemoSummary => {
    const plugins = [
      {
        plugin: 'weather',
        published: 3_000,
        tables: [{ name: 'readings', uri: '/data/tables/readings', rows: 3_000, version: 4 }],
        files: { uri: '/data/files', count: 2, bytes: 1_234_567 },
        deadLetters: { topic: 'weather.dlq', count: 3, byCode: { PH_A: 1, PH_B: 2 } },
        sums,
      },
    ];
    const workers = [{ id: 'weather.writer', received: 3_000, done: 2_997, skipped: 0, retried: 0, dead: 3 }];
    return {
      ok: allHold(plugins),
      seconds: 12.34,
      seed: 7,
      data: '/data',
      workers,
      chaos: null,
      plugins,
      python: pythonLine('/data/tables/readings'),
    };
  };
  const plain = (value: DemoSummary): string => stripVTControlCharacters(summaryText(value));

  it('ticks each sum that holds and says where everything is', () => {
    const text = plain(summary(judge([{ name: 'events sent = rows', expected: 3_000, actual: 3_000 }])));
    for (const part of [
      '✓ events sent = rows: 3,000',
      'readings: 3,000 rows, version 4, /data/tables/readings',
      '2 files, 1.2 MB, /data/files',
      '3 in weather.dlq: 2 PH_B, 1 PH_A',
      'DeltaTable',
      '✓ the one sum holds (12.3 s, seed 7)',
    ]) {
      assert.ok(text.includes(part), `${part}\n${text}`);
    }
  });

  it('tells what was killed and what came twice', () => {
    const sums = judge([{ name: 'a', expected: 1, actual: 1 }]);
    const chaos = { kills: 8, openWhenKilled: 1_071, messages: 2_944, sentAgain: 118 };
    const text = plain({ ...summary(sums), chaos });
    assert.match(text, /8 processes by kill -9, with 1,071 records open in all/);
    assert.match(text, /118 of 2,944 messages between the workers came twice/);
    assert.doesNotMatch(plain(summary(sums)), /kill -9/);
  });

  it('fails with the first sum that does not hold, and with none at all', () => {
    const wrong = summary(
      judge([
        { name: 'a', expected: 2, actual: 1, detail: 'missing: x' },
        { name: 'b', expected: 1, actual: 1 },
      ]),
    );
    assert.equal(wrong.ok, false);
    assert.match(plain(wrong), /✗ a: 2 expected, 1 found\n +missing: x\n[\s\S]*✗ 1 of 2 sums does not hold/);
    assert.equal(summary([]).ok, false);
  });

  it('quotes the path of the table for Python and the shell', () => {
    const path = '/tmp/it\'s "a" $HOME `id` back\\slash!';
    const command = pythonLine(path)
      .replace(/from deltalake.*DeltaTable\(/, 'print((')
      .replace(/\)\)\.execute.*'$/, "))'");
    for (const shell of [['/bin/sh'], ['/bin/bash', '-H', '-o', 'history']].filter(([file = '']) => existsSync(file))) {
      const [file = '', ...options] = shell;
      assert.equal(execFileSync(file, [...options, '-c', command], { encoding: 'utf8' }), `${path}\n`);
    }
  });
});

describe('the folder of the demo', () => {
  it('is fresh by default, and refused where an earlier run left something', async () => {
    const cwd = await folder();
    const made = await prepareDemoFolder(undefined, cwd, new Date('2026-01-05T14:22:07Z'));
    assert.match(made, /\.pipeline-host\/demo-20260105-142207-\d+$/);
    assert.equal(await prepareDemoFolder('mine', cwd, new Date()), join(cwd, 'mine'));
    await prepareDemoFolder('mine', cwd, new Date());
    await writeFile(join(cwd, 'mine', 'x'), '');
    await assert.rejects(prepareDemoFolder('mine', cwd, new Date()), code('PH_DEMO_DATA_USED'));
    for (const inTheWay of ['mine/x', 'mine/x/y']) {
      await assert.rejects(prepareDemoFolder(inTheWay, cwd, new Date()), (error) => {
        assert.ok(code('PH_DEMO_DATA_DENIED')(error) && isPipelineError(error));
        assert.match(error.message, /a file is there/);
        assert.doesNotMatch(error.hint, /right/);
        return true;
      });
    }
  });
});

describe('a simulation', () => {
  it('is imported from the build, or from its source where that is what runs', async () => {
    const root = await folder();
    await mkdir(join(root, 'simulation'));
    await writeFile(join(root, 'simulation', 'index.ts'), 'export default 1;');
    assert.equal(simulationFile(root, './dist/simulation/index.js', true), join(root, 'simulation', 'index.ts'));
    assert.equal(simulationFile(root, './dist/simulation/index.js', false), null);
    await mkdir(join(root, 'dist', 'simulation'), { recursive: true });
    await writeFile(join(root, 'dist', 'simulation', 'index.js'), '');
    assert.equal(simulationFile(root, './dist/simulation/index.js', false), join(root, 'dist', 'simulation', 'index.js'));
    assert.equal(simulationFile(root, '../x.js', true), null);
  });

  it('is refused where the module is missing, broken or no simulation', async () => {
    const root = await folder();
    const load = (simulation: string | undefined) =>
      loadSimulation(
        { name: 'weather', root, manifest: { plugin: 'weather', sdk: '*', ...(simulation !== undefined && { simulation }) } },
        false,
      );
    await writeFile(join(root, 'broken.mjs'), 'throw new Error("boom");');
    await writeFile(join(root, 'other.mjs'), 'export default {};');
    await assert.rejects(load(undefined), code('PH_SIMULATION_MISSING'));
    await assert.rejects(load('./none.mjs'), code('PH_SIMULATION_MISSING'));
    await assert.rejects(load('./broken.mjs'), code('PH_SIMULATION_INVALID'));
    await assert.rejects(load('./other.mjs'), code('PH_SIMULATION_INVALID'));
  });
});

/** Offsets of a broker as plain data: ends by topic, commits by group and topic. One partition each. */
function clusterOf(
  ends: Record<string, number>,
  commits: Record<string, number | null>,
  onEnds = (): void => undefined,
): (name: string) => Promise<KafkaCluster> {
  const admin = {
    describeTopics: async (names: readonly string[]) => new Map(names.map((name) => [name, name in ends ? { partitions: 1 } : null])),
    committed: async (group: string, topics: readonly string[]) =>
      topics.map((topic) => ({ topic, partition: 0, offset: commits[`${group}/${topic}`] ?? null, metadata: null })),
    offsets: async (topic: string) => {
      onEnds();
      return [{ partition: 0, low: 0, high: ends[topic] ?? 0 }];
    },
  };
  return async () => ({ admin: async () => admin }) as unknown as KafkaCluster;
}
const worker = (name: string): ResolvedWorker =>
  ({
    id: `weather.${name}`,
    name,
    group: `weather-${name}`,
    cluster: 'default',
    retryTopic: `weather.${name}.retry`,
    consumes: { topic: 'in', cluster: 'default' },
  }) as unknown as ResolvedWorker;

describe('all is through', () => {
  it('only when source and retry topic are committed to their ends', async () => {
    const workers = [worker('a'), worker('b')];
    const ends = { in: 10, 'weather.a.retry': 3 };
    const open = (commits: Record<string, number | null>) => openPartitions(workers, clusterOf(ends, commits));
    const through = { 'weather-a/in': 10, 'weather-b/in': 10, 'weather-a/weather.a.retry': 3 };
    assert.deepEqual(await open(through), []);
    assert.deepEqual(await open({ ...through, 'weather-a/weather.a.retry': null }), [
      { worker: 'weather.a', group: 'weather-a', topic: 'weather.a.retry', partition: 0, committed: null, end: 3 },
    ]);
    assert.equal((await open({ ...through, 'weather-b/in': 9 })).length, 1);
    assert.deepEqual(await openPartitions(workers, clusterOf({ in: 0 }, {})), []);
  });

  it('reads the commits before the ends: a record that comes in between keeps it open', async () => {
    const commits: Record<string, number | null> = { 'weather-a/in': 10 };
    const ends = { in: 10 };
    const open = await openPartitions(
      [worker('a')],
      clusterOf(ends, commits, () => {
        ends.in = 11;
        commits['weather-a/in'] = 11;
      }),
    );
    assert.equal(open.length, 1);
  });

  const wait = (commits: Record<string, number | null>, changes: Partial<Parameters<typeof waitUntilThrough>[0]> = {}) =>
    waitUntilThrough({
      workers: [worker('a')],
      cluster: clusterOf({ in: 10 }, commits),
      status: () => status(unit('a')),
      signal: new AbortController().signal,
      patience: 400,
      ...changes,
    });

  it('is waited for until it is so, and given up where nothing moves, a unit failed or the user stops it', async () => {
    assert.equal(await wait({ 'weather-a/in': 10 }), true);
    await assert.rejects(wait({ 'weather-a/in': 7 }), (error) => {
      code('PH_DEMO_STUCK')(error);
      assert.match(String(error), /weather\.a on in: 3/);
      return true;
    });
    const failed = status(unit('a', { state: { kind: 'failed', reason: 'no rights', code: 'PH_X' } }));
    await assert.rejects(wait({}, { status: () => failed }), /no rights/);
    assert.equal(await wait({}, { signal: AbortSignal.abort() }), false);
  });
});
