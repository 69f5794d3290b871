import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ERROR_CODES } from '@pipeline-host/sdk';
import { openEmbeddedBroker } from '../../host/src/embedded/index.ts';
import { connectCluster } from '../../host/src/kafka/index.ts';
import { makeWorkplace, type Outcome, runCommand, startCommand, type Workplace, weatherPlugin } from '../host/cli/command-line.ts';
import { loopbackTls } from '../host/http/loopback-tls.ts';
import { section, updatesReadme, writeSection } from '../repository/readme.ts';

/** What the folder of a mistake is made with; `open` is closed after the mistake. */
interface Setting extends Workplace {
  open(closing: () => unknown): void;
}

interface Command {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A mistake that a user makes: how it comes about, and what must be said about it. The test's table is README's. */
interface Mistake {
  readonly title: string;
  readonly code: string;
  readonly exit: 1 | 2 | 3;
  /** Makes the mistake in a folder where the plugin `weather` is installed. */
  arrange(setting: Setting): Command | Promise<Command>;
}

const run: Command = { args: ['--plugin', 'weather'] };
const check: Command = { args: ['config', 'check', '--plugin', 'weather'] };
const CONFIG = 'pipeline-host.config.yaml';
const PACKAGE = 'pipeline-host-plugin-weather';

const config =
  (text: string, command: Command = check) =>
  (setting: Setting): Command => {
    setting.write(CONFIG, text);
    return command;
  };
const plugin =
  (changes: Readonly<Record<string, string>>) =>
  (setting: Setting): Command => {
    setting.install(PACKAGE, { code: weatherPlugin(changes) });
    return check;
  };
const manifest =
  (pipelineHost: unknown) =>
  (setting: Setting): Command => {
    setting.install(PACKAGE, { packageJson: { pipelineHost } });
    return check;
  };

async function occupiedPort(setting: Setting): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  setting.open(() => server.close());
  const address = server.address();
  return String(typeof address === 'object' ? address?.port : 0);
}

async function unusedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(typeof address === 'object' ? address?.port : 0);
}

async function openBroker(setting: Setting, options: Partial<Parameters<typeof openEmbeddedBroker>[0]> = {}): Promise<string> {
  const broker = await openEmbeddedBroker({ dataDir: join(setting.folder, 'other-broker'), ...options });
  setting.open(() => broker.close());
  return broker.address;
}

/** Sends a reading again and again until the mistake is over. */
async function publishSteadily(setting: Setting, address: string, topic: string): Promise<void> {
  const cluster = connectCluster(
    { name: 'mistake', brokers: [address], clientId: 'mistake' },
    { debug() {}, info() {}, warn() {}, error() {} },
  );
  const producer = await cluster.producer();
  const timer = setInterval(
    () => void producer.send({ topic, key: 'roof', value: '{"sensor":"roof","celsius":25}' }).catch(() => {}),
    1_200,
  );
  setting.open(async () => {
    clearInterval(timer);
    await cluster.close();
  });
}

async function endOf(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

/** A file system of a few pages without a free one. Only root may mount it. */
function mountFullDisk(setting: Setting, folder: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  setting.open(() => execFileSync('umount', [folder]));
  writeFileSync(join(folder, 'fill'), Buffer.alloc(64 * 1024));
}

/** Why a mistake cannot be made on this machine, or false. */
function cannotBeMade(title: string): string | false {
  if (title !== 'a full disk') return false;
  const folder = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return false;
  } catch {
    console.log('*** SKIPPED: a full disk cannot be made here: no right to mount ***');
    return 'no right to mount';
  } finally {
    rmdirSync(folder);
  }
}

const externalTopic = {
  'const warm = defineTopic': "const reports = externalTopic('partner.reports', Reading);\nconst warm = defineTopic",
  'consumes: readings': 'consumes: reports',
};

const MISTAKES: readonly Mistake[] = [
  { title: 'a typo in an option', code: 'PH_CLI_ARGUMENT', exit: 2, arrange: () => ({ args: ['--plugn', 'weather'] }) },
  { title: 'a typo in a command', code: 'PH_CLI_ARGUMENT', exit: 2, arrange: () => ({ args: ['plugns'] }) },
  { title: 'no plugin named', code: 'PH_CLI_ARGUMENT', exit: 2, arrange: () => ({ args: ['--worker', 'writer'] }) },
  {
    title: 'a number that is none',
    code: 'PH_CLI_ARGUMENT',
    exit: 2,
    arrange: () => ({ args: ['--plugin', 'weather', '--count', 'many'] }),
  },
  {
    title: 'a Node that is too old',
    code: 'PH_NODE_VERSION',
    exit: 3,
    arrange: (setting) => {
      const file = setting.write(
        'old-node.cjs',
        "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } });",
      );
      return { args: ['plugins'], env: { NODE_OPTIONS: `--require=${file}` } };
    },
  },
  { title: 'a plugin that is not installed', code: 'PH_PLUGIN_NOT_FOUND', exit: 2, arrange: () => ({ args: ['--plugin', 'wether'] }) },
  {
    title: "a plugin's folder that is not there",
    code: 'PH_PLUGIN_NOT_FOUND',
    exit: 2,
    arrange: () => ({ args: ['--plugin', './weather'] }),
  },
  {
    title: 'a new plugin in a folder that holds something',
    code: 'PH_PLUGIN_FOLDER_TAKEN',
    exit: 2,
    arrange: (setting) => {
      setting.write('greenhouse/notes.txt', 'mine');
      return { args: ['plugin', 'create', 'greenhouse'] };
    },
  },
  {
    title: 'two packages for one plugin name',
    code: 'PH_PLUGIN_AMBIGUOUS',
    exit: 2,
    arrange: (setting) => {
      setting.install('@pipeline-host/plugin-weather');
      return run;
    },
  },
  {
    title: 'a package that is no plugin',
    code: 'PH_PLUGIN_MANIFEST',
    exit: 2,
    arrange: () => ({ args: ['--plugin', '@pipeline-host/sdk'] }),
  },
  {
    title: 'a key in the manifest that does not exist',
    code: 'PH_PLUGIN_MANIFEST',
    exit: 2,
    arrange: manifest({ plugin: 'weather', skd: '^0.1.0', sdk: '^0.1.0' }),
  },
  {
    title: 'a plugin for another version of the SDK',
    code: 'PH_PLUGIN_SDK_RANGE',
    exit: 2,
    arrange: manifest({ plugin: 'weather', sdk: '^9.0.0' }),
  },
  {
    title: 'a plugin that was not built',
    code: 'PH_PLUGIN_ENTRY',
    exit: 2,
    arrange: (setting) => {
      setting.install(PACKAGE, { packageJson: { exports: './dist/index.js' } });
      return check;
    },
  },
  {
    title: 'a plugin that imports what is not installed',
    code: 'PH_PLUGIN_IMPORT',
    exit: 2,
    arrange: plugin({ "from '@pipeline-host/sdk'": "from '@pipeline-host/skd'" }),
  },
  {
    title: 'a plugin without definePlugin',
    code: 'PH_PLUGIN_EXPORT',
    exit: 2,
    arrange: plugin({ 'export default definePlugin(': 'export default (' }),
  },
  {
    title: 'a plugin called otherwise than its manifest',
    code: 'PH_PLUGIN_NAME',
    exit: 2,
    arrange: plugin({ "name: 'weather'": "name: 'climate'" }),
  },
  {
    title: 'a text format that the SDK does not know',
    code: 'PH_PLUGIN_FORMAT',
    exit: 2,
    arrange: plugin({
      'Type.Object({ sensor: Id(), celsius': "Type.Object({ mail: Type.Optional(Type.String({ format: 'e-mail' })), sensor: Id(), celsius",
    }),
  },
  {
    title: 'a topic that is not in the plugin',
    code: 'PH_TOPOLOGY_TOPIC',
    exit: 2,
    arrange: plugin({ 'topics: [readings, warm]': 'topics: [readings]' }),
  },
  {
    title: 'a worker that writes to an external topic',
    code: 'PH_TOPOLOGY_EXTERNAL',
    exit: 2,
    arrange: plugin({ ...externalTopic, 'consumes: reports': 'consumes: readings', 'produces: [warm]': 'produces: [warm, reports]' }),
  },
  {
    title: 'a worker without a handler',
    code: 'PH_TOPOLOGY_HANDLER',
    exit: 2,
    arrange: plugin({ '  handle: (reading) => done(reading.celsius > 20 ? [output(warm, reading)] : []),': '' }),
  },
  {
    title: 'a typo in a key of a worker',
    code: 'PH_PLUGIN_DEFINITION',
    exit: 2,
    arrange: plugin({ 'consumes: readings': 'consume: readings' }),
  },
  {
    title: 'a typo in a key of the plugin',
    code: 'PH_PLUGIN_DEFINITION',
    exit: 2,
    arrange: plugin({ 'topics: [readings': 'topcs: [readings' }),
  },
  {
    title: 'a table mode that does not exist',
    code: 'PH_PLUGIN_DEFINITION',
    exit: 2,
    arrange: plugin({ "mode: 'merge'": "mode: 'merg'" }),
  },
  {
    title: 'a table key that is no column',
    code: 'PH_TOPOLOGY_COLUMN',
    exit: 2,
    arrange: plugin({ "key: ['sensor']": "key: ['senser']" }),
  },
  {
    title: 'appending what a worker may send twice',
    code: 'PH_TOPOLOGY_DEDUPE',
    exit: 2,
    arrange: plugin({ "mode: 'merge', key: ['sensor']": "mode: 'append'" }),
  },
  {
    title: 'two workers with one consumer group',
    code: 'PH_TOPOLOGY_GROUP',
    exit: 2,
    arrange: config(
      'kafka: { brokers: embedded }\nplugins: { weather: { workers: { sifter: { group: one }, writer: { group: one } } } }',
      check,
    ),
  },
  {
    title: 'a worker that the plugin does not have',
    code: 'PH_WORKER_UNKNOWN',
    exit: 2,
    arrange: () => ({ args: ['--plugin', 'weather', '--worker', 'sitfer'] }),
  },
  {
    title: 'more members than a worker may have handlers',
    code: 'PH_WORKER_COUNT',
    exit: 2,
    arrange: () => ({ args: ['--plugin', 'weather', '--worker', 'sifter', '--count', '11'] }),
  },
  {
    title: 'a config file that is not there',
    code: 'PH_CONFIG_NOT_FOUND',
    exit: 2,
    arrange: () => ({ args: [...run.args, '--config', 'prod.yaml'] }),
  },
  { title: 'a config file that is not YAML', code: 'PH_CONFIG_UNREADABLE', exit: 2, arrange: config('kafka:\n  brokers: [a:1\nhttp: {}') },
  { title: 'a typo in a key', code: 'PH_CONFIG_UNKNOWN_KEY', exit: 2, arrange: config('kafka: { brokers: embedded, partitons: 3 }') },
  {
    title: "a typo in a plugin's own key",
    code: 'PH_CONFIG_UNKNOWN_KEY',
    exit: 2,
    arrange: config('kafka: { brokers: embedded }\nplugins: { weather: { config: { limt: 3 } } }'),
  },
  {
    title: 'a value of the wrong type',
    code: 'PH_CONFIG_INVALID',
    exit: 2,
    arrange: config('kafka: { brokers: embedded }\nhttp: { port: eighty }'),
  },
  { title: 'a config file without brokers', code: 'PH_CONFIG_BROKERS', exit: 2, arrange: config('http: { port: 0 }', run) },
  {
    title: 'a variable that names no setting',
    code: 'PH_CONFIG_ENVIRONMENT',
    exit: 2,
    arrange: () => ({ ...check, env: { PIPELINE_HOST__KAFKA__BROKER: 'a:1' } }),
  },
  {
    title: 'a secret whose variable is not set',
    code: 'PH_CONFIG_SECRET',
    exit: 2,
    arrange: config('kafka: { brokers: embedded }\nplugins: { weather: { config: { token: "${env:WEATHER_TOKEN}" } } }'),
  },
  {
    title: 'a secret in plain text',
    code: 'PH_CONFIG_SECRET_PLAIN',
    exit: 2,
    arrange: config('kafka: { brokers: embedded, sasl: { mechanism: plain, username: me, password: hunter2 } }'),
  },
  {
    title: 'a cluster that is not defined',
    code: 'PH_CLUSTER_UNKNOWN',
    exit: 2,
    arrange: config('kafka: { brokers: embedded }\nplugins: { weather: { topics: { readings: { cluster: events } } } }'),
  },
  {
    title: 'tables in a store that is not supported',
    code: 'PH_STORAGE_SCHEME',
    exit: 2,
    arrange: () => ({ ...run, env: { PIPELINE_HOST__STORAGE__TABLES: 's3://bucket/tables' } }),
  },
  {
    title: 'the HTTP port in use',
    code: 'PH_HTTP_PORT_IN_USE',
    exit: 3,
    arrange: async (setting) => ({ args: [...run.args, '--port', await occupiedPort(setting)] }),
  },
  {
    title: "the broker's port in use",
    code: 'PH_BROKER_PORT_IN_USE',
    exit: 3,
    arrange: async (setting) => ({ args: ['broker', '--port', await occupiedPort(setting)] }),
  },
  {
    title: 'two brokers on one data folder',
    code: 'PH_BROKER_OWNED',
    exit: 3,
    arrange: async (setting) => {
      await openBroker(setting, { dataDir: join(setting.folder, 'data/broker') });
      return { args: ['broker', '--data', 'data'] };
    },
  },
  {
    title: 'a data folder that cannot be written',
    code: 'PH_BROKER_DATA_DIR',
    exit: 3,
    arrange: (setting) => {
      setting.write('data', 'a file where a folder is meant');
      return { args: [...run.args, '--data', 'data'] };
    },
  },
  {
    title: 'the broker is down',
    code: 'PH_KAFKA_UNREACHABLE',
    exit: 3,
    arrange: async () => ({ ...run, env: { PIPELINE_HOST__KAFKA__BROKERS: `127.0.0.1:${await unusedPort()}` } }),
  },
  {
    title: 'a wrong password for the broker',
    code: 'PH_KAFKA_AUTH',
    exit: 3,
    arrange: async (setting) => {
      const address = await openBroker(setting, { sasl: { users: { me: 'right' } } });
      return {
        ...run,
        env: {
          PIPELINE_HOST__KAFKA__BROKERS: address,
          PIPELINE_HOST__KAFKA__SASL: '{"mechanism":"plain","username":"me","password":"wrong"}',
        },
      };
    },
  },
  {
    title: "the broker's certificate is of another authority",
    code: 'PH_KAFKA_TLS',
    exit: 3,
    arrange: async (setting) => ({
      ...run,
      env: { PIPELINE_HOST__KAFKA__BROKERS: await openBroker(setting, { tls: loopbackTls }), PIPELINE_HOST__KAFKA__TLS: 'true' },
    }),
  },
  {
    title: 'no right on the consumer group',
    code: 'PH_KAFKA_ACL',
    exit: 3,
    arrange: async (setting) => {
      const GROUP_AUTHORIZATION_FAILED = 30;
      const broker = await openEmbeddedBroker({ dataDir: join(setting.folder, 'other-broker') });
      setting.open(() => broker.close());
      broker.faults.push({ api: 'FindCoordinator', action: { error: GROUP_AUTHORIZATION_FAILED }, count: 1_000 });
      return { ...run, env: { PIPELINE_HOST__KAFKA__BROKERS: broker.address } };
    },
  },
  {
    title: 'TLS asked of a broker that speaks plain',
    code: 'PH_KAFKA_UNREACHABLE',
    exit: 3,
    arrange: async (setting) => ({
      ...run,
      env: { PIPELINE_HOST__KAFKA__BROKERS: await openBroker(setting), PIPELINE_HOST__KAFKA__TLS: 'true' },
    }),
  },
  {
    title: "another system's topic that does not exist",
    code: 'PH_TOPIC_MISSING',
    exit: 3,
    arrange: (setting) => {
      setting.install(PACKAGE, { code: weatherPlugin(externalTopic) });
      return run;
    },
  },
  {
    title: 'missing topics that may not be created',
    code: 'PH_TOPIC_MISSING',
    exit: 3,
    arrange: () => ({ ...run, env: { PIPELINE_HOST__KAFKA__CREATE_TOPICS: 'false' } }),
  },
  {
    title: 'missing topics on a cluster that lets no client create any',
    code: 'PH_TOPIC_CREATION',
    exit: 3,
    arrange: async (setting) => ({ ...run, env: { PIPELINE_HOST__KAFKA__BROKERS: await openBroker(setting, { profile: 'eventhubs' }) } }),
  },
  {
    title: 'more topics than the profile of the broker has room for',
    code: 'PH_BROKER_TOPICS',
    exit: 2,
    arrange: () => {
      const topics = Array.from({ length: 11 }, (_, index) => ['--topic', `t${index}:1`]).flat();
      return { args: ['broker', '--data', 'data', '--profile', 'eventhubs', ...topics] };
    },
  },
  {
    title: 'a new group on a long topic, with no start',
    code: 'PH_START_REQUIRED',
    exit: 2,
    arrange: async (setting) => {
      const lines = Array.from({ length: 1_001 }, (_, index) => `{"sensor":"s${index}","celsius":1}`).join('\n');
      const sent = await runCommand(['publish', 'weather.readings', setting.write('many.ndjson', lines)], { cwd: setting.folder });
      assert.equal(sent.code, 0, sent.stderr);
      return run;
    },
  },
  {
    title: 'a table folder that holds other files',
    code: 'PH_DELTA_FOLDER_TAKEN',
    exit: 2,
    arrange: (setting) => {
      setting.write('data/tables/weather_warm/notes.txt', 'not a table');
      return { args: [...run.args, '--data', 'data'] };
    },
  },
  {
    title: 'a table whose columns are of other types',
    code: 'PH_DELTA_SCHEMA',
    exit: 2,
    arrange: (setting) => {
      const fields = ['sensor', 'celsius'].map((name) => ({ name, type: 'date', nullable: true, metadata: {} }));
      const schemaString = JSON.stringify({ type: 'struct', fields });
      const metaData = { id: 'x', format: { provider: 'parquet', options: {} }, schemaString, partitionColumns: [], configuration: {} };
      const actions = [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData }];
      const log = actions.map((action) => `${JSON.stringify(action)}\n`).join('');
      setting.write('data/tables/weather_warm/_delta_log/00000000000000000000.json', log);
      return { args: [...run.args, '--data', 'data'] };
    },
  },
  {
    title: 'publishing to a topic that no plugin has',
    code: 'PH_TOPIC_UNKNOWN',
    exit: 2,
    arrange: () => ({ args: ['publish', 'weather.reading', '-'] }),
  },
  {
    title: "publishing to another system's topic",
    code: 'PH_TOPIC_EXTERNAL',
    exit: 2,
    arrange: (setting) => {
      setting.install(PACKAGE, { code: weatherPlugin(externalTopic) });
      return { args: ['publish', 'partner.reports', '-'] };
    },
  },
  {
    title: 'publishing a file that is not there',
    code: 'PH_PUBLISH_FILE',
    exit: 2,
    arrange: () => ({ args: ['publish', 'weather.readings', 'today.ndjson'] }),
  },
  {
    title: 'publishing lines that do not fit the schema',
    code: 'PH_PUBLISH_INVALID',
    exit: 2,
    arrange: (setting) => ({
      args: ['publish', 'weather.readings', setting.write('bad.ndjson', '{"sensor":"a","celsius":1}\n{"sensor":"b"}\n{\n[]\n')],
    }),
  },
  {
    title: 'two hosts that write one table',
    code: 'PH_DELTA_SECOND_WRITER',
    exit: 2,
    arrange: async (setting) => {
      const address = await openBroker(setting, { dataDir: join(setting.folder, '.pipeline-host/broker') });
      const writer = ['--plugin', 'weather', '--worker', 'writer'];
      const first = startCommand(writer, { cwd: setting.folder });
      setting.open(() => endOf(first));
      await once(first.stdout as NodeJS.EventEmitter, 'data');
      await publishSteadily(setting, address, 'weather.warm');
      // The second host flushes later, so it is the one that finds each reading written.
      const section = 'PIPELINE_HOST__PLUGINS__WEATHER__WORKERS__WRITER__';
      // A former owner of partitions learns within its session and its drain that it is one: until then it is taken for that.
      const sooner = { PIPELINE_HOST__KAFKA__SESSION_TIMEOUT: '2s' };
      return { args: writer, env: { ...sooner, [`${section}GROUP`]: 'another-group', [`${section}FLUSH__AGE`]: '400ms' } };
    },
  },
  {
    title: 'a full disk',
    code: 'PH_BROKER_DATA_DIR',
    exit: 3,
    arrange: (setting) => {
      const folder = dirname(setting.write('full/fill', ''));
      mountFullDisk(setting, folder);
      return { args: ['--plugin', 'weather', '--data', folder] };
    },
  },
  { title: 'a table that no plugin has', code: 'PH_TABLE_UNKNOWN', exit: 2, arrange: () => ({ args: ['tables', 'show', 'weather_worm'] }) },
];

describe('a mistake prints code, place and fix, and nothing more', { concurrency: 2 }, () => {
  const fixes = new Map<string, string>();

  for (const { title, code, exit, arrange } of MISTAKES) {
    it(title, { skip: cannotBeMade(title) }, async () => {
      const closings: (() => unknown)[] = [];
      const place = makeWorkplace();
      try {
        place.install(PACKAGE);
        const { args, env } = await arrange({ ...place, open: (closing) => closings.push(closing) });
        const outcome = await runCommand(args, { cwd: place.folder, ...(env !== undefined && { env }) });
        assertSaysWhatIsWrong(outcome, code, exit);
        const fix = /^ {2}fix: (.*)$/m.exec(outcome.stderr)?.[1] ?? '';
        fixes.set(title, fix.replaceAll(place.folder, '.'));
      } finally {
        for (const closing of closings.reverse()) await closing();
        place.remove();
      }
    });
  }

  after(() => {
    if (fixes.size < MISTAKES.length) return;
    const table = readmeTable(fixes);
    if (updatesReadme) writeSection('errors', table);
    else assert.equal(section('errors'), table, 'the table of errors in README is old: run UPDATE_README=1 npm test');
  });
});

/** Log lines are JSON, and the warning of the embedded broker stands between asterisks: neither is the failure's. */
function assertSaysWhatIsWrong({ code: exit, stdout, stderr }: Outcome, code: string, expected: number): void {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{') && !line.startsWith('***'));
  assert.equal(exit, expected, `${stdout}${stderr}`);
  assert.ok(lines.length <= 6, stderr);
  assert.match(stderr, new RegExp(`^${code}: \\S`, 'm'));
  assert.match(stderr, /^ {2}at \S/m);
  assert.match(stderr, /^ {2}fix: \S/m);
  assert.doesNotMatch(stderr, /^ {4,}at .*(\(.*:\d+:\d+\)|[jt]s:\d+:\d+)$|node:internal/m, 'a stack');
  assert.doesNotMatch(stderr, /hunter2/);
}

function readmeTable(fixes: ReadonlyMap<string, string>): string {
  const rows = MISTAKES.map(
    ({ title, code, exit }) =>
      `| ${title} | \`${code}\` | ${exit} | ${(fixes.get(title) ?? '').replaceAll('|', '\\|').replaceAll('<', '\\<')} |\n`,
  );
  return `\n| Mistake | Code | Exit | What it says to do |\n|---|---|---|---|\n${rows.join('')}\n`;
}

before(() => {
  for (const { code } of MISTAKES) assert.ok(code in ERROR_CODES, `${code} is not in the table of errors`);
});
