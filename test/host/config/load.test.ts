import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { faultsOf, plugins, useFolder } from './workplace.ts';

const { load, path, write } = useFolder();

describe('the config', () => {
  it('uses the embedded broker without any file, and says that this is one machine', async () => {
    const loaded = await load();
    assert.equal(loaded.config.kafka.brokers, 'embedded');
    assert.equal(loaded.file, null);
    assert.match(loaded.warnings[0] ?? '', /single machine, not replicated/);
    assert.equal(loaded.config.kafka.partitions, 6);
    assert.equal(loaded.config.dataDir, path('.pipeline-host'));
  });

  it('refuses a file that states no brokers, so that a lost variable never starts an empty broker', async () => {
    await write('pipeline-host.config.yaml', 'kafka:\n  brokers:\n');
    const [fault] = await faultsOf(load());
    assert.equal(fault?.code, 'PH_CONFIG_BROKERS');
    assert.equal(fault.place, path('pipeline-host.config.yaml'));
  });

  for (const [name, text] of [
    ['pipeline-host.config.yaml', 'kafka: { brokers: ["b:1"] }'],
    ['pipeline-host.config.json', '{ "$schema": "./schema.json", "kafka": { "brokers": ["b:1"] } }'],
    ['pipeline-host.config.ts', 'const brokers: string[] = ["b:1"];\nexport default { kafka: { brokers } };'],
    ['pipeline-host.config.mjs', 'export default { kafka: { brokers: ["b:1"] } };'],
  ] as const) {
    it(`reads ${name}`, async () => {
      await write(name, text);
      assert.deepEqual((await load()).config.kafka.brokers, ['b:1']);
    });
  }

  it('lays flag over environment over file over default, and knows where each value is from', async () => {
    await write(
      'pipeline-host.config.yaml',
      'kafka: { brokers: ["b:1"], partitions: 3 }\nhttp: { port: 1000, host: 0.0.0.0 }\nlog: { level: warn }',
    );
    const loaded = await load({
      env: { PIPELINE_HOST__HTTP__PORT: '2000', PIPELINE_HOST__Kafka__Create_Topics: 'false', PIPELINE_HOST__LOG__LEVEL: 'error' },
      flags: [{ flag: '--port', path: ['http', 'port'], value: 3000 }],
    });
    assert.deepEqual([loaded.config.http.host, loaded.config.http.port], ['0.0.0.0', 3000]);
    assert.deepEqual([loaded.config.kafka.partitions, loaded.config.kafka.createTopics, loaded.config.log.level], [3, false, 'error']);
    const origins = ['http.port', 'http.host', 'kafka.createTopics', 'log.level', 'memory.inFlightBytes'].map(
      (path) => loaded.origins.get(path)?.kind,
    );
    assert.deepEqual(origins, ['flag', 'file', 'environment', 'environment', 'default']);
  });

  it('reads a variable as JSON, as text, or as a list, whichever the setting takes', async () => {
    const brokers = async (text: string) => (await load({ env: { PIPELINE_HOST__KAFKA__BROKERS: text } })).config.kafka.brokers;
    assert.deepEqual(await brokers('["a:1","b:2"]'), ['a:1', 'b:2']);
    assert.deepEqual(await brokers('a:1, b:2'), ['a:1', 'b:2']);
    assert.deepEqual(await brokers('embedded'), 'embedded');
    const { config } = await load({
      env: { PIPELINE_HOST__KAFKA__SASL: '{"mechanism":"plain","username":"u"}', PIPELINE_HOST__KAFKA__SASL__PASSWORD: '12345' },
    });
    assert.deepEqual(config.kafka.sasl, { mechanism: 'plain', username: 'u', password: '12345' });
  });

  it('refuses a variable that names no setting, and says which was meant', async () => {
    const [fault] = await faultsOf(load({ env: { PIPELINE_HOST__KAFKA__BROKRS: 'a:1' } }));
    assert.equal(fault?.code, 'PH_CONFIG_ENVIRONMENT');
    assert.equal(fault.hint, 'did you mean PIPELINE_HOST__KAFKA__BROKERS?');
  });

  it('lists all faults at once, each with its place and what was meant', async () => {
    await write('pipeline-host.config.yaml', 'kafka: { brokers: ["nonsense"], partitons: 3 }\nhttp: { port: six }\nlogg: {}');
    const faults = await faultsOf(load());
    assert.deepEqual(faults.map(({ code }) => code).sort(), [
      'PH_CONFIG_INVALID',
      'PH_CONFIG_INVALID',
      'PH_CONFIG_UNKNOWN_KEY',
      'PH_CONFIG_UNKNOWN_KEY',
    ]);
    const text = faults.map(({ message, hint }) => `${message} | ${hint}`).join('\n');
    assert.match(text, /kafka\.partitons is not a setting \| did you mean "partitions"\?/);
    assert.match(text, /logg is not a setting \| did you mean "log"\?/);
    assert.match(text, /http\.port must be a whole number from 0 to 65535, not "six"/);
    assert.ok(faults.every(({ place }) => place?.startsWith(path('pipeline-host.config.yaml'))));
  });

  it('says line and column of a YAML file that cannot be read', async () => {
    await write('pipeline-host.config.yaml', 'kafka:\n  brokers: [unclosed\nhttp: x');
    const [fault] = await faultsOf(load());
    assert.equal(fault?.code, 'PH_CONFIG_UNREADABLE');
    assert.match(fault.place ?? '', /config\.yaml:\d+:\d+$/);
    assert.doesNotMatch(fault.message, /\n/);
  });

  it('names a config file that does not exist', async () => {
    assert.equal((await faultsOf(load({ file: 'nowhere.yaml' })))[0]?.code, 'PH_CONFIG_NOT_FOUND');
  });

  it('keeps paths relative to where they were written', async () => {
    await write('host.yaml', 'kafka: { brokers: embedded }\ndataDir: data\nstorage: { tables: "abfss://x@y/z", files: files }');
    const cwd = tmpdir();
    const loaded = await load({
      cwd,
      file: path('host.yaml'),
      flags: [{ flag: '--staging', path: ['storage', 'staging'], value: 'stage' }],
    });
    assert.equal(loaded.config.dataDir, path('data'));
    const { tables, files, staging } = loaded.config.storage;
    assert.deepEqual({ tables, files, staging }, { tables: 'abfss://x@y/z', files: path('files'), staging: join(cwd, 'stage') });
  });
});

describe('secrets', () => {
  const sasl = (password: string): string =>
    `kafka: { brokers: ["b:1"], sasl: { mechanism: plain, username: u, password: "${password}" } }`;

  it('come from variables and files, and explain shows only the reference', async () => {
    await write('secret.txt', 'from-file\n');
    await write(
      'pipeline-host.config.yaml',
      `${sasl('${env:PASSWORD}')}\nhttp: { port: "\${env:PORT}" }\nlog: { level: "$\{file:level}" }`,
    );
    await write('level', 'warn');
    const loaded = await load({ env: { PASSWORD: 'hunter2', PORT: '8081' } });
    assert.deepEqual(loaded.config.kafka.sasl, { mechanism: 'plain', username: 'u', password: 'hunter2' });
    assert.deepEqual(loaded.secrets, ['hunter2']);
    assert.equal(loaded.config.http.port, 8081);
    assert.equal(loaded.config.log.level, 'warn');
    const shown = JSON.stringify(loaded.explain({ all: true }));
    assert.doesNotMatch(shown, /hunter2/);
    assert.match(shown, /\$\{env:PASSWORD\}/);
  });

  it('that are missing are named with their place', async () => {
    await write('pipeline-host.config.yaml', `${sasl('${env:PASSWORD}')}\ndataDir: "$\{file:nowhere}"`);
    const faults = await faultsOf(load());
    assert.deepEqual(
      faults.map(({ code }) => code),
      ['PH_CONFIG_SECRET', 'PH_CONFIG_SECRET'],
    );
    assert.match(faults[0]?.place ?? '', /config\.yaml: kafka\.sasl\.password$/);
    assert.match(faults[0]?.message ?? '', /PASSWORD is not set/);
  });

  it('are refused in plain text in a file, and never shown when they are wrong', async () => {
    await write('pipeline-host.config.yaml', sasl('hunter2'));
    const faults = await faultsOf(load());
    assert.equal(faults[0]?.code, 'PH_CONFIG_SECRET_PLAIN');
    assert.doesNotMatch(JSON.stringify(faults.map(({ message, hint }) => message + hint)), /hunter2/);
    const [fromEnvironment] = await faultsOf(load({ file: 'x.yaml', env: {} }));
    assert.ok(fromEnvironment);
    await write('y.yaml', 'kafka: { brokers: "${env:B}" }');
    const [wrong] = await faultsOf(load({ file: 'y.yaml', env: { B: 'hunter2' } }));
    assert.doesNotMatch(wrong?.message ?? '', /hunter2/);
  });

  it('the token of the admin API is one: by reference, of a length that nobody guesses, hidden, and its name is not', async () => {
    const writeToken = (token: string) => write('t.yaml', `kafka: { brokers: ["b:1"] }\nhttp: { admin: { token: "${token}", name: ops } }`);
    await writeToken('${env:ADMIN}');
    const loaded = await load({ file: 't.yaml', env: { ADMIN: 'correct-horse-battery' } });
    assert.deepEqual(loaded.config.http.admin, { token: 'correct-horse-battery', name: 'ops' });
    assert.deepEqual(loaded.secrets, ['correct-horse-battery']);
    const explained = new Map(loaded.explain().map(({ path, value }) => [path, value]));
    assert.deepEqual([explained.get('http.admin.token'), explained.get('http.admin.name')], ['${env:ADMIN}', 'ops']);
    const [short] = await faultsOf(load({ file: 't.yaml', env: { ADMIN: 'hunter2' } }));
    assert.equal(short?.code, 'PH_CONFIG_INVALID');
    assert.doesNotMatch(short?.message ?? '', /hunter2/);
    await writeToken('correct-horse-battery');
    assert.equal((await faultsOf(load({ file: 't.yaml' })))[0]?.code, 'PH_CONFIG_SECRET_PLAIN');
    const given = await load({ env: { PIPELINE_HOST__HTTP__ADMIN__TOKEN: '12345678901234567890' } });
    assert.equal(given.config.http.admin.token, '12345678901234567890');
    assert.equal(given.explain().find(({ path }) => path === 'http.admin.token')?.value, '(hidden)');
  });

  it('of plugins that this process does not run may be missing', async () => {
    await write(
      'pipeline-host.config.yaml',
      'kafka: { brokers: ["b:1"] }\nplugins: { weather: { config: { api: { token: "${env:TOKEN}" } } } }',
    );
    const loaded = await load();
    assert.equal((await faultsOf(() => loaded.forPlugins(plugins)))[0]?.code, 'PH_CONFIG_SECRET');
  });
});

describe('the section of a plugin', () => {
  it('is checked against its own schema once the plugin is known, and gets its defaults', async () => {
    await write(
      'pipeline-host.config.yaml',
      'kafka: { brokers: ["b:1"] }\nplugins: { weather: { config: { alowedHosts: [] }, workers: { row-writr: {} }, topics: { events.rw: {} } } }',
    );
    const loaded = await load();
    const faults = await faultsOf(() => loaded.forPlugins(plugins));
    assert.deepEqual(faults.map(({ hint }) => hint).sort(), [
      'did you mean "allowedHosts"?',
      'did you mean "events.raw"?',
      'did you mean "row-writer"?',
    ]);
    await write('pipeline-host.config.yaml', 'kafka: { brokers: ["b:1"] }');
    const complete = (await load()).forPlugins(plugins);
    assert.deepEqual(complete.config.plugins['weather']?.config, { allowedHosts: ['a.test'], api: {}, labels: {} });
    assert.deepEqual(complete.origins.get('plugins.weather.config.allowedHosts'), { kind: 'plugin', plugin: 'weather' });
  });

  it('takes variables by the names of its settings, workers and topics', async () => {
    const loaded = await load({
      env: {
        PIPELINE_HOST__PLUGINS__WEATHER__CONFIG__ALLOWED_HOSTS: 'x.test,y.test',
        PIPELINE_HOST__PLUGINS__WEATHER__CONFIG__LABELS__TEAM_NAME: 'a',
        PIPELINE_HOST__PLUGINS__WEATHER__WORKERS__ROW_WRITER__CONCURRENCY: '3',
        PIPELINE_HOST__PLUGINS__WEATHER__TOPICS__EVENTS_RAW__NAME: 'other',
      },
    });
    const section = loaded.forPlugins(plugins).config.plugins['weather'];
    assert.deepEqual(section?.config, { allowedHosts: ['x.test', 'y.test'], api: {}, labels: { teamName: 'a' } });
    assert.equal(section.workers?.['row-writer']?.concurrency, 3);
    assert.equal(section.topics?.['events.raw']?.name, 'other');
  });
});

describe('config explain', () => {
  it('shows what is set, and with all also the defaults', async () => {
    await write('pipeline-host.config.yaml', 'kafka: { brokers: ["b:1"], sasl: { mechanism: plain, username: u } }');
    const loaded = await load({ env: { PIPELINE_HOST__KAFKA__SASL__PASSWORD: 'hunter2' } });
    assert.deepEqual(
      loaded.explain().map(({ path, value, origin }) => [path, value, origin]),
      [
        ['kafka.brokers', ['b:1'], 'file pipeline-host.config.yaml'],
        ['kafka.sasl.mechanism', 'plain', 'file pipeline-host.config.yaml'],
        ['kafka.sasl.password', '(hidden)', 'environment PIPELINE_HOST__KAFKA__SASL__PASSWORD'],
        ['kafka.sasl.username', 'u', 'file pipeline-host.config.yaml'],
      ],
    );
    assert.ok(loaded.explain({ all: true }).some(({ path, origin }) => path === 'kafka.partitions' && origin === 'default'));
  });
});
