import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterSettings } from '../../../host/src/engine/clusters.ts';
import { saslConfig } from '../../../host/src/engine/sasl.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { redactText } from '../../../host/src/observability/redact.ts';
import { faultsOf, plugins, useFolder } from './workplace.ts';

const { load, path, write } = useFolder();
const FILE = 'pipeline-host.config.yaml';
const EMBEDDED = 'kafka: { brokers: embedded }';
const placed = async (loading: Parameters<typeof faultsOf>[0]): Promise<readonly string[]> =>
  (await faultsOf(loading)).map(({ message, place }) => `${message} @ ${place?.replace(path(), '.')}`);

describe('a reference', () => {
  it('may stand for any setting of a plugin, whichever type it has', async () => {
    await write(
      FILE,
      `${EMBEDDED}
plugins:
  weather:
    prefix: "\${env:PREFIX}"
    topics: { events.raw: { partitions: "\${env:PARTITIONS}" } }
    workers: { row-writer: { concurrency: "\${env:CC}", timeout: "\${env:TIMEOUT}", start: "\${env:START}", retry: { delays: ["\${env:DELAY}"] } } }`,
    );
    const env = { PREFIX: 'rain', PARTITIONS: '3', CC: '7', TIMEOUT: '9s', START: '2026-01-01T00:00:00Z', DELAY: '1m' };
    const section = (await load({ env })).forPlugins(plugins).config.plugins['weather'];
    assert.equal(section?.prefix, 'rain');
    assert.equal(section.topics?.['events.raw']?.partitions, 3);
    assert.deepEqual(section.workers?.['row-writer'], {
      concurrency: 7,
      timeout: '9s',
      start: '2026-01-01T00:00:00Z',
      retry: { delays: ['1m'] },
    });
  });

  it('to a value that does not fit is refused once the plugin is run, without showing it', async () => {
    await write(FILE, `${EMBEDDED}\nplugins: { weather: { workers: { row-writer: { retry: { delays: ["\${env:DELAY}"] } } } } }`);
    const loaded = await load({ env: { DELAY: 'hunter2' } });
    const [fault] = await faultsOf(() => loaded.forPlugins(plugins));
    assert.equal(fault?.code, 'PH_CONFIG_INVALID');
    assert.doesNotMatch(fault.message, /hunter2/);
  });

  it('that leads nowhere is one fault, not also one of its type', async () => {
    await write(FILE, `${EMBEDDED}\nhttp: { port: "\${env:PORT}" }`);
    assert.deepEqual(
      (await faultsOf(load())).map(({ code }) => code),
      ['PH_CONFIG_SECRET'],
    );
  });
});

describe('a bearer token in a file', () => {
  const tokenOf = async (): Promise<() => Promise<string>> => {
    await write(FILE, 'kafka: { brokers: ["b:1"], sasl: { mechanism: oauthbearer, token: "${file:token}" } }');
    const loaded = await load();
    const sasl = saslConfig('default', clusterSettings(loaded.config, 'default'), loaded, createLogger({ level: 'silent' }));
    assert.ok(sasl?.mechanism === 'oauthbearer');
    return sasl.token;
  };

  it('is read again for each connection, and each is kept out of every text', async () => {
    await write('token', 'first-token\n');
    const token = await tokenOf();
    assert.equal(await token(), 'first-token');
    await write('token', 'second-token\n');
    assert.equal(await token(), 'second-token');
    assert.doesNotMatch(redactText('got second-token from the file'), /second-token/);
  });

  it('is the last one while its file is being written', async () => {
    await write('token', 'first-token');
    const token = await tokenOf();
    await write('token', '');
    assert.equal(await token(), 'first-token');
  });
});

describe('a setting below a value that has no keys is refused', () => {
  for (const [value, shown] of [
    ['kafka-1:9092', '"kafka-1:9092"'],
    ['true', 'true'],
    ['[]', 'a list'],
    ['null', 'null'],
    ['', '""'],
  ] as const) {
    it(`as where PIPELINE_HOST__KAFKA is ${JSON.stringify(value)}, so that no empty broker is started`, async () => {
      assert.deepEqual(await placed(load({ env: { PIPELINE_HOST__KAFKA: value } })), [
        `kafka must be an object, not ${shown} @ environment PIPELINE_HOST__KAFKA: kafka`,
      ]);
    });
  }

  it('in one environment, and over a file', async () => {
    const inEnvironment = await placed(load({ env: { PIPELINE_HOST__HTTP: '1', PIPELINE_HOST__HTTP__PORT: '3' } }));
    assert.deepEqual(inEnvironment, [
      'http.port cannot be set: http is set to a value without keys @ environment PIPELINE_HOST__HTTP__PORT: http.port',
      'http must be an object, not 1 @ environment PIPELINE_HOST__HTTP: http',
    ]);
    await write(FILE, 'kafka: banana');
    assert.deepEqual(await placed(load({ env: { PIPELINE_HOST__KAFKA__BROKERS: 'b:1' } })), [
      'kafka.brokers cannot be set: kafka is set to a value without keys @ environment PIPELINE_HOST__KAFKA__BROKERS: kafka.brokers',
      `kafka must be an object, not "banana" @ ./${FILE}: kafka`,
    ]);
  });

  it('but an object without keys takes nothing away', async () => {
    await write(FILE, 'kafka: { brokers: ["b:1"] }');
    assert.deepEqual((await load({ env: { PIPELINE_HOST__KAFKA: '{}' } })).config.kafka.brokers, ['b:1']);
  });
});

describe('what cannot run is refused', () => {
  for (const [text, expected] of [
    ['dataDir: ""', 'dataDir must be a text that is not empty, not ""'],
    ['storage: []', 'storage must be an object, not a list'],
    ['memory: []', 'memory must be an object, not a list'],
    ['plugins: []', 'plugins must be an object, not a list'],
    [
      'plugins: { weather: { workers: { row-writer: { start: yesterday } } } }',
      'plugins.weather.workers.row-writer.start must be "committed", "earliest", "latest" or an ISO time with zone such as "2026-01-31T12:00:00Z", not "yesterday"',
    ],
  ] as const) {
    it(text, async () => {
      await write(FILE, `${EMBEDDED}\n${text}`);
      assert.deepEqual(await placed(load()), [`${expected} @ ./${FILE}: ${expected.split(' ')[0]}`]);
    });
  }

  it('an empty variable for a folder', async () => {
    assert.deepEqual(await placed(load({ env: { PIPELINE_HOST__STORAGE__TABLES: '' } })), [
      'storage.tables must be a text that is not empty, not "" @ environment PIPELINE_HOST__STORAGE__TABLES: storage.tables',
    ]);
  });

  for (const [sasl, expected] of [
    ['{ mechanism: plain, username: u }', 'kafka.sasl.password is missing'],
    ['{ mechanism: oauthbearer }', 'kafka.sasl.token is missing'],
    ['{ username: u }', 'kafka.sasl.mechanism is missing'],
    [
      '{ mechanism: plan, username: u }',
      'kafka.sasl.mechanism must be "plain", "scram-sha-256", "scram-sha-512" or "oauthbearer", not "plan"',
    ],
  ] as const) {
    it(`sasl: ${sasl}`, async () => {
      await write(FILE, `kafka: { brokers: ["b:1"], sasl: ${sasl} }`);
      assert.deepEqual(await placed(load()), [`${expected} @ ./${FILE}: ${expected.split(' ')[0]}`]);
    });
  }

  it('half a log-in of the environment, with the variable as its place', async () => {
    const env = { PIPELINE_HOST__KAFKA__BROKERS: 'b:1', PIPELINE_HOST__KAFKA__SASL: '{"mechanism":"plain","username":"u"}' };
    assert.deepEqual(await placed(load({ env })), [
      'kafka.sasl.password is missing @ environment PIPELINE_HOST__KAFKA__SASL: kafka.sasl.password',
    ]);
  });

  it('a cluster with the name of the one of kafka.brokers', async () => {
    await write(FILE, 'kafka: { brokers: ["b:1"], clusters: { default: { brokers: ["c:1"] } } }');
    assert.match(
      (await placed(load()))[0] ?? '',
      /^kafka\.clusters\.default would be a second cluster of that name.* @ \.\/.*clusters\.default$/,
    );
  });

  for (const address of ['b:0', 'b:65536', 'b:99999999', '::1:9092', '[::1]', 'b']) {
    it(`the broker ${address}`, async () => {
      await write(FILE, `kafka: { brokers: ["${address}"] }`);
      assert.match((await placed(load()))[0] ?? '', /^kafka\.brokers must be "embedded" or a list of host:port such as "kafka-1:9092"/);
    });
  }

  it('but no IPv6 address in brackets, and no port in range', async () => {
    await write(FILE, 'kafka: { brokers: ["[::1]:9092", "[fe80::a]:1", "b:65535", "10.0.0.1:59999"] }');
    assert.equal((await load()).config.kafka.brokers?.length, 4);
  });
});

describe('a time without quotes', () => {
  it('is the text of that time, and of the day where a day is meant', async () => {
    await write(
      FILE,
      `${EMBEDDED}\nplugins: { weather: { config: { since: 2026-01-31, labels: { all: [2026-01-01T00:00:00Z] } }, workers: { row-writer: { start: 2026-01-01T00:00:00Z } } } }`,
    );
    const section = (await load()).forPlugins(plugins).config.plugins['weather'];
    assert.equal(section?.workers?.['row-writer']?.start, '2026-01-01T00:00:00.000Z');
    assert.deepEqual(section.config, {
      allowedHosts: ['a.test'],
      api: {},
      since: '2026-01-31',
      labels: { all: ['2026-01-01T00:00:00.000Z'] },
    });
  });
});

describe('all faults are told at once', () => {
  it('also a cluster that is not there beside a key that is not', async () => {
    await write(
      FILE,
      'kafka: { brokers: ["b:1"], clusters: { one: { tls: true } } }\nplugins: { weather: { cluster: zzz, topics: { events.raw: { cluster: one } }, workers: { row-writr: {} } } }',
    );
    assert.deepEqual(
      (await faultsOf(load())).map(({ code, message }) => `${code} ${message}`),
      ['PH_CONFIG_INVALID kafka.clusters.one.brokers is missing', 'PH_CLUSTER_UNKNOWN plugins.weather.cluster: no cluster is called "zzz"'],
    );
  });
});
