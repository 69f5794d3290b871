import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isPipelineError } from '@pipeline-host/sdk';
import { type DemoOptions, runDemo } from '../../../host/src/cli/demo/run.ts';
import type { DemoSummary } from '../../../host/src/cli/demo/summary.ts';
import { firstOutput, outcomeOf, startCommand } from './command-line.ts';

/** A plugin as a third party writes it: doubles numbers, rejects negative ones, puts odd ones off once (so many failures without a wish would be an outage). Seed 13 brings a sum that cannot hold. */
const PLUGIN = `
import { column, dead, defineTable, defineTableWriter, defineTopic, defineWorker, definePlugin, done, Id, output, retry, Secret, TransientError, Type } from '@pipeline-host/sdk';
const Num = Type.Object({ id: Id(), n: Type.Number() });
const numbers = defineTopic('numbers', Num, { key: (m) => m.id });
const doubles = defineTopic('doubles', Num, { key: (m) => m.id });
const table = defineTable('doubles', Type.Object({ id: column.string(), n: column.double() }), { mode: 'merge', key: ['id'] });
export default definePlugin({
  name: 'sums',
  config: Type.Object({ token: Secret() }),
  topics: [numbers, doubles],
  tables: [table],
  workers: {
    doubler: defineWorker({
      consumes: numbers,
      produces: [doubles],
      async handle(m, ctx) {
        ctx.log.info({ note: 'sent with ' + ctx.config.token }, 'doubling');
        if (m.n < 0) return dead('SUMS_NEGATIVE', 'no negative numbers');
        if (m.n % 2 === 1 && ctx.attempt === 1) return retry(new TransientError('SUMS_ODD', 'later'), { after: '100ms' });
        return done([output(doubles, { id: m.id, n: m.n * 2 })]);
      },
    }),
    writer: defineTableWriter({ consumes: doubles, writes: [table], rows: (m) => ({ doubles: [m] }) }),
  },
});
`;
const SIMULATION = `
import { defineSimulation } from '@pipeline-host/sdk';
export default defineSimulation({
  async start({ seed, messages = 40 }) {
    function* send(limit) {
      for (let n = 0; n < limit; n++) yield { topic: 'numbers', key: String(n), value: JSON.stringify({ id: String(n), n: n % 10 === 3 ? -n : n }) };
    }
    return {
      config: { config: { token: 'Zx81Qk77Lm' }, workers: { doubler: { retry: { delays: ['200ms'] } }, writer: { flush: { age: '200ms' } } } },
      messages: () => send(messages),
      stream: () => send(Infinity),
      async sums(results) {
        const rows = await results.rows('doubles', ['id', 'n']);
        const dead = await results.deadLetters();
        const files = await results.files();
        return [
          { name: 'sent = rows + dead', expected: seed === 13 ? -1 : messages, actual: rows.length + dead.length },
          { name: 'sum', expected: rows.reduce((sum, { id }) => sum + 2 * Number(id), 0), actual: rows.reduce((sum, { n }) => sum + n, 0) },
          { name: 'dead', expected: messages / 10, actual: dead.filter(({ worker, code, value }) => worker === 'doubler' && code === 'SUMS_NEGATIVE' && JSON.parse(Buffer.from(value)).n < 0).length },
          { name: 'all dead', expected: messages / 10, actual: dead.length },
          { name: 'files', expected: 0, actual: files.length },
        ];
      },
      async stop() { globalThis.__stoppedSimulations = (globalThis.__stoppedSimulations ?? 0) + 1; },
    };
  },
});
`;

describe('the demo of a plugin', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'ph-demo-run-'));
    const plugin = join(root, 'node_modules', 'pipeline-host-plugin-sums');
    await mkdir(join(plugin, 'simulation'), { recursive: true });
    await mkdir(join(root, 'node_modules', '@pipeline-host'), { recursive: true });
    await symlink(resolve(import.meta.dirname, '../../../sdk'), join(root, 'node_modules', '@pipeline-host', 'sdk'));
    await writeFile(
      join(plugin, 'package.json'),
      JSON.stringify({
        name: 'pipeline-host-plugin-sums',
        version: '1.0.0',
        type: 'module',
        exports: './index.js',
        pipelineHost: { plugin: 'sums', sdk: '*', simulation: './simulation/index.js' },
      }),
    );
    await writeFile(join(plugin, 'index.js'), PLUGIN);
    await writeFile(join(plugin, 'simulation', 'index.js'), SIMULATION);
    // A config of the user's own must not matter to the demo.
    await writeFile(join(root, 'package.json'), '{}');
    await writeFile(join(root, 'pipeline-host.config.yaml'), 'kafka: { brokers: ["production.example:9092"] }\n');
  });
  after(() => rm(root, { recursive: true }));

  function run(changes: Partial<DemoOptions> = {}): {
    readonly summaries: DemoSummary[];
    readonly written: () => string;
    readonly end: Promise<DemoSummary | null>;
  } {
    const summaries: DemoSummary[] = [];
    let written = '';
    const end = runDemo({
      plugins: [],
      data: undefined,
      seed: 1,
      messages: undefined,
      keep: false,
      chaos: false,
      cwd: root,
      screen: { write: (text) => (written += text) },
      signal: new AbortController().signal,
      onSummary: (summary) => summaries.push(summary),
      ...changes,
    });
    return { summaries, written: () => written, end };
  }
  const stopped = (): number => (globalThis as { __stoppedSimulations?: number }).__stoppedSimulations ?? 0;

  it('publishes, waits until all is through, adds up and stops what it started', async () => {
    const before = stopped();
    const { end, summaries, written } = run();
    const summary = await end;
    assert.ok(summary?.ok, JSON.stringify(summary));
    assert.deepEqual(summaries, [summary]);
    assert.deepEqual(summary.workers, [
      { id: 'sums.doubler', received: 56, done: 36, skipped: 0, retried: 16, dead: 4 },
      { id: 'sums.writer', received: 36, done: 36, skipped: 0, retried: 0, dead: 0 },
    ]);
    const [plugin] = summary.plugins;
    assert.equal(plugin?.published, 40);
    assert.equal(plugin?.tables[0]?.rows, 36);
    assert.deepEqual(plugin?.deadLetters, { topic: 'sums.dlq', count: 4, byCode: { SUMS_NEGATIVE: 4 } });
    assert.equal(stopped(), before + 1);
    assert.match(written(), /single machine, not replicated/);
    const log = await readFile(join(summary.data, 'demo.log'), 'utf8');
    assert.match(
      log,
      /"plugin":"sums","worker":"doubler","topic":"sums\.numbers","partition":\d,"offset":\d+,.*"note":"sent with <redacted>","msg":"doubling"/,
    );
    assert.doesNotMatch(log, /Zx81Qk77Lm/);
    const config = JSON.parse(await readFile(join(summary.data, 'pipeline-host.config.json'), 'utf8')) as { kafka: { brokers: string } };
    assert.equal(config.kafka.brokers, 'embedded');
  });

  it('says so when a sum does not hold', async () => {
    const summary = await run({ seed: 13 }).end;
    assert.equal(summary?.ok, false);
    assert.deepEqual(
      summary?.plugins[0]?.sums.map(({ holds }) => holds),
      [false, true, true, true, true],
    );
  });

  it('stops cleanly in the middle, and refuses to continue in the folder', async () => {
    const stop = new AbortController();
    const data = join(root, 'stopped');
    const before = stopped();
    const { end, summaries } = run({
      signal: stop.signal,
      messages: 5_000,
      data,
      screen: { isTTY: true, write: (text) => /[1-9][0-9,]* published/.test(text) && stop.abort() },
    });
    assert.equal(await end, null);
    assert.deepEqual(summaries, []);
    assert.equal(stopped(), before + 1);
    await assert.rejects(run({ data }).end, (error) => isPipelineError(error) && error.code === 'PH_DEMO_DATA_USED');
  });

  it('goes on with a steady stream until it is stopped, when it is to keep running', async () => {
    const stop = new AbortController();
    const { end, summaries } = run({
      keep: true,
      signal: stop.signal,
      screen: { write: (text) => /(4[1-9]|[5-9]\d) published · steady stream/.test(text) && stop.abort() },
    });
    assert.equal((await end)?.ok, true);
    assert.equal(summaries.length, 1);
  });

  for (const [seed, verdict, exit] of [
    ['1', 'all 5 sums hold', 0],
    ['13', '1 of 5 sums does not hold', 1],
  ] as const) {
    it(`that is to keep running ends with ${exit} by Ctrl-C after a summary that says: ${verdict}`, async () => {
      const child = startCommand(['demo', '--keep', '--seed', seed], { cwd: root });
      const ended = outcomeOf(child, 100_000);
      await firstOutput(child, new RegExp(verdict));
      child.kill('SIGINT');
      const { code, stderr } = await ended;
      assert.equal(code, exit, stderr);
    });
  }

  it('has nothing to show where no plugin brings a simulation', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'ph-demo-none-'));
    await assert.rejects(run({ cwd: empty }).end, (error) => isPipelineError(error) && error.code === 'PH_DEMO_NOTHING');
    await rm(empty, { recursive: true });
  });
});
