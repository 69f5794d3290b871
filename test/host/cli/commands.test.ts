import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { firstOutput, makeWorkplace, type Outcome, outcomeOf, runCommand, startCommand, type Workplace } from './command-line.ts';

let place: Workplace;
before(() => {
  place = makeWorkplace();
  place.install('pipeline-host-plugin-weather');
});
after(() => place.remove());

const run = (args: readonly string[], options: { readonly env?: Record<string, string>; readonly input?: string } = {}): Promise<Outcome> =>
  runCommand(args, { cwd: place.folder, ...options });

async function ok(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly input?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(args, options);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('the help', () => {
  const commands = [
    [[], ['demo'], ['plugins'], ['topics', 'list'], ['topics', 'create'], ['publish'], ['broker']],
    [
      ['tables'],
      ['tables', 'show'],
      ['tables', 'optimize'],
      ['tables', 'vacuum'],
      ['tables', 'checkpoint'],
      ['tables', 'read'],
      ['tables', 'history'],
    ],
    [
      ['config', 'explain'],
      ['config', 'schema'],
      ['config', 'check'],
    ],
  ];
  for (const some of commands)
    it(`says what a command does and gives examples: ${some.map((args) => args.join(' ')).join(', ')}`, async () => {
      for (const args of some) {
        const text = await ok([...args, '--help']);
        assert.match(text, /^Usage: pipeline-host/, args.join(' '));
        assert.match(text, /\nExamples:\n {2}\$ /, args.join(' '));
      }
    });

  it('goes to stdout, the version too', async () => {
    assert.match(await ok(['--version']), /^\d+\.\d+\.\d+\n$/);
    assert.match(await ok(['help', 'publish']), /ndjson/);
  });
});

describe('pipeline-host plugins', () => {
  it('lists what is installed, with workers, topics and tables', async () => {
    const [header = '', line = ''] = (await ok(['plugins'])).split('\n');
    assert.match(header, /^PLUGIN +PACKAGE +VERSION +SDK +WORKERS +TOPICS +TABLES$/);
    assert.match(line, /^weather +pipeline-host-plugin-weather +1\.2\.3 +>=0\.1\.0 +sifter writer +readings warm +weather_warm$/);
    const [plugin] = JSON.parse(await ok(['plugins', '--json'])) as [{ workers: string[]; fault: null }];
    assert.deepEqual(plugin.workers, ['sifter', 'writer']);
    assert.equal(plugin.fault, null);
  });

  it('shows one that cannot be loaded with its reason, beside the others', async () => {
    const other = makeWorkplace();
    other.install('pipeline-host-plugin-weather');
    other.install('pipeline-host-plugin-broken', { packageJson: { pipelineHost: { plugin: 'broken', sdk: '^99.0.0' } } });
    const { code, stdout, stderr } = await runCommand(['plugins'], { cwd: other.folder });
    other.remove();
    assert.equal(code, 0);
    assert.match(stdout, /broken +pipeline-host-plugin-broken.*failed: PH_PLUGIN_SDK_RANGE/);
    assert.match(stdout, /weather .*sifter writer/);
    assert.match(stderr, /broken: PH_PLUGIN_SDK_RANGE: .* works with SDK \^99\.0\.0/);
  });
});

describe('pipeline-host config', () => {
  it('explains settings with their origin and hides secrets', async () => {
    const env = { PIPELINE_HOST__HTTP__PORT: '8080', PIPELINE_HOST__PLUGINS__WEATHER__CONFIG__TOKEN: 'hunter2' };
    const text = await ok(['config', 'explain', '--plugin', 'weather'], { env });
    assert.match(text, /http\.port +8080 +environment PIPELINE_HOST__HTTP__PORT/);
    assert.match(text, /plugins\.weather\.config\.token +\(hidden\) +environment/);
    const all = await ok(['config', 'explain', '--plugin', 'weather', '--all'], { env });
    assert.match(all, /plugins\.weather\.config\.limit +100 +default of plugin weather/);
    assert.doesNotMatch(text + all, /hunter2/);
  });

  it('prints a JSON Schema with the settings of a plugin in it', async () => {
    const schema = JSON.parse(await ok(['config', 'schema', '--plugin', 'weather'])) as {
      $schema: string;
      required?: unknown;
      properties: Record<string, { properties: Record<string, { properties: Record<string, { properties: object }> }> }>;
    };
    assert.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#');
    assert.equal(schema.required, undefined);
    assert.deepEqual(Object.keys(schema.properties['plugins']?.properties['weather']?.properties['config']?.properties ?? {}), [
      'limit',
      'token',
    ]);
    assert.deepEqual(Object.keys(schema.properties['plugins']?.properties['weather']?.properties['workers']?.properties ?? {}), [
      'sifter',
      'writer',
    ]);
  });

  it('checks without connecting anywhere', async () => {
    assert.match(
      await ok(['config', 'check'], { env: { PIPELINE_HOST__KAFKA__BROKERS: 'nowhere.invalid:9092' } }),
      /ok, 1 plugin, 2 workers/,
    );
  });
});

describe('what cannot be understood', () => {
  for (const [args, said, hint] of [
    [['help', 'publsh'], 'there is no command "publsh" to help with', 'did you mean "publish"?'],
    [['tables', 'shw', 'weather_warm'], 'unknown command "tables shw"', 'did you mean "show"?'],
    [['tables', 'list', 'weather_warm'], 'tables list takes no argument "weather_warm"', 'write "tables show weather_warm"'],
  ] as const) {
    it(args.join(' '), async () => {
      const { code, stderr } = await run(args);
      assert.equal(code, 2);
      assert.equal(stderr, `PH_CLI_ARGUMENT: ${said}\n  at command line\n  fix: ${hint}\n`);
    });
  }

  it('a simulation that a plugin does not have', async () => {
    const { code, stderr } = await run(['demo', '--plugin', 'weather', '--data', 'no-demo']);
    assert.equal(code, 2);
    assert.match(stderr, /PH_SIMULATION_MISSING: the plugin has no simulation\n.*\n {2}fix: show a plugin that brings one/);
  });
});

describe('all that is wrong', () => {
  it('with config, plugins and topology is told at once', async () => {
    const config = place.write(
      'faulty.yaml',
      `kafka: { brokers: embedded }
http: { port: six }
plugins:
  weather:
    cluster: zzz
    config: { limt: 3 }
    workers: { writr: {}, sifter: { group: weather-writer } }
  climate: {}
`,
    );
    const { code, stderr } = await run(['config', 'check', '--config', config]);
    assert.equal(code, 2);
    assert.deepEqual(stderr.match(/^PH_\w+: .{0,40}/gm), [
      'PH_PLUGIN_NOT_FOUND: no plugin "climate"; tried the packages ',
      'PH_CONFIG_INVALID: http.port must be a whole number from 0 ',
      'PH_CONFIG_UNKNOWN_KEY: plugins.weather.config.limt is not a set',
      'PH_CONFIG_UNKNOWN_KEY: plugins.weather.workers.writr is not a s',
      'PH_CLUSTER_UNKNOWN: plugins.weather.cluster: no cluster is c',
      'PH_TOPOLOGY_GROUP: weather.sifter and weather.writer have t',
    ]);
  });
});

describe('pipeline-host publish', () => {
  const good = '{"sensor":"a","celsius":21}\n{"sensor":"b","fahrenheit":50}\n';

  it('checks without sending when it is a dry run', async () => {
    assert.match(
      await ok(['publish', 'readings', '-', '--plugin', 'weather', '--dry-run'], { input: good }),
      /2 messages fit weather\.readings; nothing was sent/,
    );
    assert.equal(existsSync(join(place.folder, '.pipeline-host')), false);
  });

  it('names the lines that are wrong and sends none of them', async () => {
    const file = place.write('bad.ndjson', `${good}{"sensor":"c"}\n\nnot json\n`);
    const { code, stdout, stderr } = await run(['publish', 'weather.readings', file, '--data', 'never']);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /bad\.ndjson:3: PH_MESSAGE_INVALID: field \/celsius/);
    assert.match(stderr, /bad\.ndjson:5: PH_MESSAGE_UNREADABLE: not JSON/);
    assert.match(stderr, /PH_PUBLISH_INVALID: 2 of 4 lines .*; nothing was sent\n {2}at .*bad\.ndjson, lines 3, 5\n/);
    assert.equal(existsSync(join(place.folder, 'never')), false);
  });

  it('says with --json on stdout what it refused', async () => {
    const { code, stdout } = await run(['publish', 'weather.readings', '-', '--json', '--data', 'never'], { input: `${good}{}\n` });
    assert.equal(code, 2);
    const { faults, ...counts } = JSON.parse(stdout) as { readonly faults: readonly { readonly line: number; readonly code: string }[] };
    assert.deepEqual(counts, { topic: 'weather.readings', valid: 2, sent: 0, skipped: 1 });
    assert.deepEqual(
      faults.map(({ line, code: fault }) => [line, fault]),
      [[3, 'PH_MESSAGE_INVALID']],
    );
  });

  it('sends nothing of a file with a line that the topic does not take', async () => {
    const file = place.write('large.ndjson', `\ufeff${good}{"sensor":"a","celsius":1,"note":"${'x'.repeat(2_000_000)}"}\n`);
    const { code, stderr } = await run(['publish', 'weather.readings', file, '--data', 'large']);
    assert.equal(code, 1);
    assert.match(stderr, /PH_MESSAGE_TOO_LARGE: 1 line .*; nothing was sent\n {2}at .*large\.ndjson, line 3\n/);
    const topics = JSON.parse(await ok(['topics', 'list', '--data', 'large', '--json'])) as { topic: string; records: number | null }[];
    assert.equal(topics.find(({ topic }) => topic === 'weather.readings')?.records, 0);
  });

  it('sends the good lines with --skip-invalid', async () => {
    const file = place.write('mixed.ndjson', `${good}{}\n`);
    assert.match(
      await ok(['publish', 'weather.readings', file, '--skip-invalid', '--data', 'mixed']),
      /^2 messages sent to weather\.readings, 1 line left out\n$/,
    );
    const topics = JSON.parse(await ok(['topics', 'list', '--data', 'mixed', '--json'])) as {
      topic: string;
      records: number | null;
      kind: string;
    }[];
    assert.equal(topics.find(({ topic }) => topic === 'weather.readings')?.records, 2);
    assert.deepEqual(
      topics.map(({ topic, kind }) => `${topic} ${kind}`),
      [
        'weather.dlq dead letters',
        'weather.dlq.dispositions dispositions',
        'weather.readings own',
        'weather.sifter.retry retry',
        'weather.warm own',
        'weather.writer.retry retry',
      ],
    );
  });
});

describe('pipeline-host topics create', () => {
  it('creates what is missing and leaves the rest', async () => {
    assert.match(
      await ok(['topics', 'create', '--data', 'created']),
      /created weather\.readings with 6 partitions\n[\s\S]*5 created, 0 were there/,
    );
    assert.match(await ok(['topics', 'create', '--data', 'created']), /^0 created, 5 were there\n$/);
  });
});

describe('pipeline-host --plugin', () => {
  it('runs workers against a broker of its own process, until SIGTERM', { timeout: 120_000 }, async () => {
    const data = ['--data', 'pipeline'];
    const broker = startCommand(['broker', ...data], { cwd: place.folder });
    const brokerEnd = outcomeOf(broker, 110_000);
    await firstOutput(broker, /^kafka +127\.0\.0\.1:\d+/m);
    const host = startCommand(['--plugin', 'weather', ...data, '--log-level', 'warn'], { cwd: place.folder });
    const hostEnd = outcomeOf(host, 110_000);
    const printed = await firstOutput(host, /http +http:\/\/127\.0\.0\.1:\d+ [\s\S]*kafka +\S+.*\n/);
    assert.match(printed, /runs weather\.sifter, weather\.writer, weather\.table-maintenance\n/);
    assert.match(printed, /embedded: single machine, not replicated/);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0] ?? '';
    assert.equal((await fetch(`${url}/health/live`)).status, 200);

    await ok(['publish', 'weather.readings', '-', ...data], {
      input: '{"sensor":"a","celsius":21}\n{"sensor":"b","celsius":2}\n{"sensor":"c","fahrenheit":86}\n',
    });
    const rows = await until(async () => {
      const [table] = JSON.parse(await ok(['tables', ...data, '--json'])) as { rows: number | null }[];
      return table?.rows === 2 ? table : null;
    });
    assert.equal(rows.rows, 2);
    const shown = await ok(['tables', 'show', 'weather_warm', ...data]);
    assert.match(shown, /rows +2\n/);
    assert.equal((await ok(['tables', 'read', 'weather_warm', '--columns', 'celsius', ...data])).split('\n').length, 3);
    assert.match(shown, /sensor +string +no\ncelsius +double +yes\n/);
    assert.match(shown, /weather\.writer\/weather\.warm\/\d/);

    host.kill('SIGTERM');
    const { code, stderr } = await hostEnd;
    assert.equal(code, 0, stderr);
    broker.kill('SIGINT');
    assert.equal((await brokerEnd).code, 0);
  });
});

it('the launcher is plain enough for old Nodes', () => {
  const text = readFileSync(new URL('../../../host/bin/pipeline-host.js', import.meta.url), 'utf8');
  assert.doesNotMatch(text, /\?\.|\?\?|await |node:/);
});

async function until<T>(probe: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await probe();
    if (found !== null) return found;
    assert.ok(Date.now() < deadline, 'it never came');
  }
}
