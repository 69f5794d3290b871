import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileFunction } from 'node:vm';
import type { PipelineError, PluginDefinition } from '@pipeline-host/sdk';
import * as sdk from '@pipeline-host/sdk';
import { loadConfig } from '../../../host/src/config/load.ts';
import { checkDefinition } from '../../../host/src/plugins/check-definition.ts';
import { loadPlugins } from '../../../host/src/plugins/load-plugins.ts';
import { makeWorkplace, weatherPlugin } from '../cli/command-line.ts';

/** The plugin `weather` with changes in its text, as it runs: never type-checked. */
function definePlugin(changes: Readonly<Record<string, string>>): PluginDefinition {
  const code = weatherPlugin(changes)
    .replace(/^import (\{.*\}) from .*$/m, 'const $1 = sdk;')
    .replace('export default', 'return');
  return compileFunction(code, ['sdk'])(sdk) as PluginDefinition;
}

const faultsOf = (changes: Readonly<Record<string, string>>): readonly PipelineError[] => checkDefinition(definePlugin(changes), 'weather');

const POLLER = {
  'sifter, writer':
    "sifter, writer, poller: sdk.definePoller({ query: 'Readings', row: Reading, produces: readings, map: (row) => row, identity: (row) => row.sensor })",
};

/** What is written, what is meant with it, and the one fault that comes of it: place, message, hint. */
const MISTAKES: readonly (readonly [from: string, to: string, place: string, message: string | RegExp, hint: string | RegExp])[] = [
  ["name: 'weather',", "nam: 'weather',", '', 'unknown key "nam"', 'did you mean "name"?'],
  ['topics: [readings', 'topcs: [readings', '', 'unknown key "topcs"', 'did you mean "topics"?'],
  ['tables: [', 'table: [', '', 'unknown key "table"', 'did you mean "tables"?'],
  ['workers: {', 'worker: {', '', 'unknown key "worker"', 'did you mean "workers"?'],
  ['workers: { sifter, writer }', 'colour: 1, workers: { sifter, writer }', '', 'unknown key "colour"', /^remove it; the keys are name, /],
  [', workers: { sifter, writer }', '', '', 'workers is missing', 'give it an object of workers by name'],
  ['workers: { sifter, writer }', 'workers: [sifter, writer]', '', /^workers is a list, not an object/, /workers by name/],
  ['workers: { sifter, writer }', 'workers: sifter', '', /^workers is a worker, not an object/, /workers by name/],
  ['{ sifter, writer }', '{ sifter: () => {}, writer }', '', /^workers\.sifter is a function, not a worker/, /defineWorker/],
  ['{ sifter, writer }', '{ sifter: undefined, writer }', '', /^workers\.sifter is undefined, not a worker/, /defineWorker/],
  ['[readings, warm]', '[readings, warm, table]', '', /^topics\[2\] is a table, not a topic/, /defineTopic/],
  ['topics: [readings, warm]', 'topics: { readings, warm }', '', 'topics is an object, not a list of topics', /list of topics/],
  ['tables: [table]', 'tables: [undefined]', '', /^tables\[0\] is undefined, not a table/, /defineTable/],
  ['tables: [table],', 'tables: [table], services: { api: 1 },', '', 'services.api is 1, not a function', /a function/],
  ['definePlugin({', 'definePlugin({ services: () => 1,', '', /^services is a function, not an object/, /functions by name/],

  ['key: (reading)', 'kee: (reading)', ", topic 'readings'", 'unknown key "kee"', 'did you mean "key"?'],
  ["'warm', Reading, { key: (reading) => reading.sensor }", "'warm', Reading", ", topic 'warm'", 'key is missing', 'give it a function'],
  ["defineTopic('warm', Reading, {", "defineTopic('warm', null, {", ", topic 'warm'", 'schema is null', /made with Type/],
  ['accepts: [', 'acepts: [', ", topic 'readings'", 'unknown key "acepts"', 'did you mean "accepts"?'],
  ['upgrade: (old)', 'upgrad: (old)', ", topic 'readings'", 'unknown key "accepts[0].upgrad"', 'did you mean "upgrade"?'],
  ['  accepts:', "  codec: 'jsn', accepts:", ", topic 'readings'", /^codec is "jsn", not "json"/, 'did you mean "json"?'],
  ['  accepts:', '  partitions: 0, accepts:', ", topic 'readings'", /^partitions is 0, not a whole number/, /whole number/],

  ['consumes: readings', 'consume: readings', ", worker 'sifter'", 'unknown key "consume"', 'did you mean "consumes"?'],
  ['consumes: readings', "consumes: 'readings'", ", worker 'sifter'", /^consumes is "readings", not a topic/, /defineTopic/],
  ['consumes: readings', 'consumes: undefined', ", worker 'sifter'", 'consumes is undefined', /defineTopic/],
  ['  consumes: readings,', '', ", worker 'sifter'", 'consumes is missing', /defineTopic/],
  ['produces: [warm]', 'produce: [warm]', ", worker 'sifter'", 'unknown key "produce"', 'did you mean "produces"?'],
  ['produces: [warm]', 'produces: warm', ", worker 'sifter'", 'produces is a topic, not a list of topics', /list of topics/],
  ['produces: [warm]', 'produces: [warm, table]', ", worker 'sifter'", /^produces\[1\] is a table, not a topic/, /defineTopic/],
  ['  handle:', '  handel:', ", worker 'sifter'", 'unknown key "handel"', 'did you mean "handle"?'],
  ['  handle:', '  concurrency: 0, handle:', ", worker 'sifter'", /^concurrency is 0, not a whole number/, /at least 1/],
  ['  handle:', "  concurrency: '10', handle:", ", worker 'sifter'", /^concurrency is "10", not a whole number/, /at least 1/],
  ['  handle:', "  order: 'keys', handle:", ", worker 'sifter'", /^order is "keys", not "key" or/, 'did you mean "key"?'],
  ['  handle:', "  retry: { delay: ['1s'] }, handle:", ", worker 'sifter'", 'unknown key "retry.delay"', 'did you mean "delays"?'],
  ['  handle:', "  retry: { delays: '1s' }, handle:", ", worker 'sifter'", 'retry.delays is "1s", not a list of durations', /list/],
  ['  handle:', '  timeout: {}, handle:', ", worker 'sifter'", /^timeout is an object, not a duration/, /30s/],
  ['  handle:', '  onDead: [], handle:', ", worker 'sifter'", 'onDead is a list, not a function', 'give it a function'],

  ['writes: [table]', 'write: [table]', ", worker 'writer'", 'unknown key "write"', 'did you mean "writes"?'],
  ['writes: [table]', 'writes: table', ", worker 'writer'", 'writes is a table, not a list of tables', /list of tables/],
  ['writes: [table]', "writes: ['weather_warm']", ", worker 'writer'", /^writes\[0\] is "weather_warm", not a table/, /defineTable/],
  ['rows: (reading)', 'row: (reading)', ", worker 'writer'", 'unknown key "row"', 'did you mean "rows"?'],
  [
    'rows: (reading) => ({ weather_warm: [reading] })',
    "rows: 'reading'",
    ", worker 'writer'",
    'rows is "reading", not a function',
    /a function/,
  ],
  ["age: '100ms'", "ages: '100ms'", ", worker 'writer'", 'unknown key "flush.ages"', 'did you mean "age"?'],

  ["mode: 'merge'", "mode: 'merg'", ", table 'weather_warm'", /^mode is "merg", not "append" or "merge"/, 'did you mean "merge"?'],
  ["mode: 'merge', ", '', ", table 'weather_warm'", 'mode is missing', 'give it "append" or "merge"'],
  ["mode: 'merge', key: ['sensor']", "mode: 'merge'", ", table 'weather_warm'", 'key is missing', 'give it a list of columns'],
  ["key: ['sensor']", "key: 'sensor'", ", table 'weather_warm'", 'key is "sensor", not a list of columns', /list of columns/],
  ["key: ['sensor']", "kye: ['sensor']", ", table 'weather_warm'", 'unknown key "kye"', 'did you mean "key"?'],
  [
    "mode: 'merge', key",
    "mode: 'append', key",
    ", table 'weather_warm'",
    'unknown key "key"',
    /^remove it; the keys are mode, partitionBy, aliases, optional, dedupe$/,
  ],
  [
    "key: ['sensor']",
    "key: ['sensor'], columns: { celsius: 'allways' }",
    ", table 'weather_warm'",
    /^columns\.celsius is "allways"/,
    /"always"/,
  ],
  [
    "mode: 'merge', key: ['sensor']",
    "mode: 'append', dedupe: { colum: 'sensor', window: '1h' }",
    ", table 'weather_warm'",
    /"dedupe\.colum"/,
    /"column"/,
  ],
  [", { mode: 'merge', key: ['sensor'] }", '', ", table 'weather_warm'", 'mode is missing', /append/],
];

describe('a definition that no compiler saw is refused with one fault:', () => {
  for (const [from, to, place, message, hint] of MISTAKES) {
    it(`${from.trim() || 'nothing'} → ${to.trim() || 'nothing'}`, () => {
      const faults = faultsOf({ [from]: to });
      assert.deepEqual(
        faults.map((fault) => [fault.code, fault.place, fault.exitCode]),
        [['PH_PLUGIN_DEFINITION', `plugin 'weather'${place}`, 2]],
        faults.map((fault) => `${fault.place}: ${fault.message}`).join('\n'),
      );
      const [fault] = faults;
      for (const [text, expected] of [
        [fault?.message ?? '', message],
        [fault?.hint ?? '', hint],
      ] as const) {
        if (typeof expected === 'string') assert.equal(text, expected);
        else assert.match(text, expected);
      }
    });
  }

  it('of a poller', () => {
    assert.deepEqual(faultsOf(POLLER), []);
    const poller = POLLER['sifter, writer'];
    const [fault, ...others] = faultsOf({ 'sifter, writer': poller.replace('identity:', 'identiy:') });
    assert.deepEqual(
      [fault?.place, fault?.message, fault?.hint],
      ["plugin 'weather', worker 'poller'", 'unknown key "identiy"', 'did you mean "identity"?'],
    );
    assert.deepEqual(others, []);
  });

  it('several mistakes are several faults', () => {
    const faults = faultsOf({
      'consumes: readings': 'consume: readings',
      'writes: [table]': 'write: [table]',
      "mode: 'merge'": "mode: 'merg'",
    });
    assert.deepEqual(
      faults.map(({ place }) => place),
      ["plugin 'weather', table 'weather_warm'", "plugin 'weather', worker 'sifter'", "plugin 'weather', worker 'writer'"],
    );
  });

  it('nothing where nothing is given at all', () => {
    const { definePoller, defineTable, defineTableWriter, defineTopic, defineWorker, externalTopic } = sdk;
    for (const define of [definePoller, defineTable, defineTableWriter, defineTopic, defineWorker, externalTopic, sdk.definePlugin])
      assert.doesNotThrow(() => (define as () => unknown)(), define.name);
    assert.deepEqual(
      checkDefinition((sdk.definePlugin as () => PluginDefinition)(), 'weather').map(({ message }) => message),
      ['name is missing', 'workers is missing'],
    );
  });

  it('none where it is right', () => {
    assert.deepEqual(faultsOf({}), []);
    assert.deepEqual(faultsOf({ "mode: 'merge', key: ['sensor']": "mode: 'append', dedupe: { column: 'sensor', window: '1h' }" }), []);
  });
});

describe('loading a plugin', () => {
  const load = async (files: Readonly<Record<string, string>>, changes: Readonly<Record<string, string>> = {}): Promise<PipelineError> => {
    const place = makeWorkplace();
    try {
      const root = place.install('pipeline-host-plugin-weather', { code: weatherPlugin(changes) });
      for (const [name, text] of Object.entries(files)) place.write(`node_modules/pipeline-host-plugin-weather/${name}`, text);
      place.write('pipeline-host.config.yaml', 'kafka: { brokers: embedded }');
      const config = await loadConfig({ cwd: place.folder, env: {} });
      const error: unknown = await loadPlugins(['weather'], config, place.folder).catch((caught: unknown) => caught);
      assert.ok(sdk.isPipelineError(error), String(error));
      return Object.assign(error, { place: error.place?.replace(root, '.') });
    } finally {
      place.remove();
    }
  };

  it('reports the faults of its definition alone', async () => {
    const error = await load({}, { 'topics: [': 'topcs: [', 'consumes: warm': 'consume: warm', "name: 'weather'": "name: 'climate'" });
    assert.ok(error instanceof sdk.FaultList);
    assert.deepEqual(
      error.faults.map(({ code }) => code),
      ['PH_PLUGIN_DEFINITION', 'PH_PLUGIN_DEFINITION'],
    );
  });

  for (const [title, text, place] of [
    ['what it throws', 'const a = 1;\nfunction start() {\n  return nope;\n}\nstart();\n', '3:3'],
    ['what cannot be parsed', 'const a = 1;\nconst b = (;\n', '2:12'],
    [
      'what another module does not export',
      "import { Type } from '@pipeline-host/sdk';\n\nimport { nope } from '@pipeline-host/sdk';\n",
      '3:10',
    ],
  ] as const) {
    it(`says line and column of ${title}`, async () => {
      const error = await load({ 'index.js': text });
      assert.equal(error.code, 'PH_PLUGIN_IMPORT');
      assert.equal(error.place, `./index.js:${place}`);
    });
  }
});
