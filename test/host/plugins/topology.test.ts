import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  column,
  type Duration,
  definePlugin,
  definePoller,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  done,
  externalTopic,
  FaultList,
  Id,
  Nullable,
  type PipelineError,
  type PluginDefinition,
  type PluginOptions,
  type TSchema,
  Type,
  text,
  uuid5,
} from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { type HostConfig, HostConfigSchema } from '../../../host/src/config/host-config.ts';
import { checkSchemas } from '../../../host/src/plugins/check-schemas.ts';
import { resolveTopology } from '../../../host/src/plugins/resolve-topology.ts';
import { pollersLeftOut, selectMaintenance, selectWorkers } from '../../../host/src/plugins/select-workers.ts';
import type { LoadedPlugin, Topology } from '../../../host/src/plugins/topology.ts';

const Message = Type.Object({ id: Id(), n: Type.Number() });
const key = (message: { readonly id: string }): string => message.id;
const source = defineTopic('events.raw', Message, { key });
const derived = defineTopic('derived', Message, { key, partitions: 3 });
const Row = Type.Object({ id: column.string(), n: Nullable(column.double()), day: column.date() });
const table = defineTable('rows', Row, { mode: 'merge', key: ['id'], partitionBy: ['day'] });
const rows = (): object => ({});
const worker = defineWorker({ consumes: source, produces: [derived], handle: () => done() });
const writer = defineTableWriter({ consumes: derived, writes: [table], rows });

const complete: PluginOptions<TSchema> = {
  name: 'weather',
  topics: [source, derived],
  tables: [table],
  workers: { sifter: worker, writer },
};

function loaded(options: Partial<PluginOptions<TSchema>> = {}, prefix?: string): LoadedPlugin {
  const definition: PluginDefinition = definePlugin({ ...complete, ...options });
  const { name } = definition;
  return {
    name,
    definition,
    manifest: { plugin: name, sdk: '*' },
    packageName: name,
    version: '1.0.0',
    root: '/',
    prefix: prefix ?? name,
    config: {},
  };
}

function config(sections: HostConfig['plugins'] = {}, kafka: Partial<HostConfig['kafka']> = {}): HostConfig {
  const value = Value.Default(HostConfigSchema, { kafka: { brokers: 'embedded', ...kafka }, plugins: sections }) as HostConfig;
  assert.ok(Value.Check(HostConfigSchema, value));
  return value;
}

function faultsOf(resolve: () => Topology): readonly PipelineError[] {
  try {
    resolve();
  } catch (error) {
    assert.ok(error instanceof FaultList, String(error));
    return error.faults;
  }
  return [];
}

const codesOf = (options: Partial<PluginOptions<TSchema>>, sections: HostConfig['plugins'] = {}): readonly string[] =>
  faultsOf(() => resolveTopology(config(sections), [loaded(options)])).map(({ code }) => code);

describe('a topology', () => {
  it('has full names and the settings that nobody set', () => {
    const { workers } = resolveTopology(config(), [loaded()]);
    const [sifter, second] = workers;
    assert.equal(sifter?.id, 'weather.sifter');
    assert.equal(sifter.group, 'weather-sifter');
    assert.deepEqual([sifter.consumes?.topic, sifter.consumes?.partitions, sifter.consumes?.cluster], ['weather.events.raw', 6, 'default']);
    assert.deepEqual([sifter.produces.get('derived')?.topic, sifter.produces.get('derived')?.partitions], ['weather.derived', 3]);
    assert.deepEqual([sifter.retryTopic, sifter.deadLetterTopic], ['weather.sifter.retry', 'weather.dlq']);
    assert.deepEqual(sifter.settings, {
      concurrency: 10,
      order: 'key',
      timeout: 60_000,
      retry: {
        mode: 'delay',
        delays: [300_000, 600_000, 1_200_000, 2_400_000],
        byCode: new Map(),
        lanes: [300_000, 600_000, 1_200_000, 2_400_000],
        release: 1_000,
      },
      outage: { share: 0.2, keys: 10 },
      batchSize: 100,
      flush: { rows: 10_000, bytes: 33_554_432, age: 5_000 },
      start: undefined,
    });
    assert.deepEqual(
      second?.tables.map(({ name }) => name),
      ['rows'],
    );
  });

  it('takes names, clusters and settings from the config over those of the plugin', () => {
    const tuned = defineWorker({
      consumes: source,
      produces: [derived],
      concurrency: 50,
      timeout: '5m',
      retry: { delays: ['1s'] },
      handle: () => done(),
    });
    const sections = {
      weather: {
        cluster: 'own',
        topics: { 'events.raw': { cluster: 'events', name: 'raw' }, derived: { partitions: 12 } },
        tables: { rows: { name: 'weather_rows' } },
        deadLetters: { topic: 'graveyard' },
        workers: { sifter: { concurrency: 5, group: 'g', start: 'latest', retry: { topic: 'again' } }, writer: { flush: { age: '1m' } } },
      },
    } as const;
    const clusters = { own: { brokers: 'embedded' }, events: { brokers: ['e:9093'] } } as const;
    const { workers } = resolveTopology(config(sections, { clusters: { ...clusters, events: { brokers: ['e:9093'] } } }), [
      loaded({ workers: { sifter: tuned, writer } }),
    ]);
    const [sifter, second] = workers;
    assert.deepEqual([sifter?.consumes?.topic, sifter?.consumes?.cluster], ['raw', 'events']);
    assert.deepEqual([sifter?.produces.get('derived')?.cluster, sifter?.produces.get('derived')?.partitions], ['own', 12]);
    assert.deepEqual([sifter?.group, sifter?.cluster, sifter?.retryTopic, sifter?.deadLetterTopic], ['g', 'own', 'again', 'graveyard']);
    assert.deepEqual(
      [sifter?.settings.concurrency, sifter?.settings.timeout, sifter?.settings.retry.delays, sifter?.settings.start],
      [5, 300_000, [1_000], 'latest'],
    );
    assert.deepEqual([second?.tables[0]?.name, second?.settings.flush.age], ['weather_rows', 60_000]);
  });

  it('takes the waits of a code from the config, else from the plugin, and says which have no lane', () => {
    const tuned = defineWorker({
      consumes: source,
      retry: { delays: ['1s', '2s'], byCode: { SHOP_GONE: { delays: [] }, SHOP_BUSY: { delays: ['2s'] } } },
      handle: () => done(),
    });
    const resolve = (retry: object) =>
      resolveTopology(config({ weather: { workers: { tuned: { retry } } } }), [loaded({ workers: { tuned } })]);
    const policy = resolve({ byCode: { SHOP_BUSY: { delays: ['1s', '1s'] } }, releasePerSecond: 5 }).workers[0]?.settings.retry;
    assert.deepEqual(
      [...(policy?.byCode ?? [])],
      [
        ['SHOP_GONE', []],
        ['SHOP_BUSY', [1_000, 1_000]],
      ],
    );
    assert.deepEqual([policy?.delays, policy?.lanes, policy?.release], [[1_000, 2_000], [1_000, 2_000], 5]);
    assert.deepEqual(
      faultsOf(() => resolve({ delays: ['1s'] })).map(({ code, message }) => [code, message]),
      [['PH_TOPOLOGY_SETTING', 'retry.byCode.SHOP_BUSY waits "2s", which is none of retry.delays']],
    );
  });

  it('gives a worker that holds its records no delay lane, and refuses waits that say nothing', () => {
    const holder = defineWorker({ consumes: source, onRetry: 'hold', handle: () => done() });
    const resolve = (section: object) =>
      resolveTopology(config({ weather: { workers: { holder: section } } }), [loaded({ workers: { holder } })]);
    const { mode, lanes } = resolve({}).workers[0]?.settings.retry ?? {};
    assert.deepEqual([mode, lanes], ['hold', []]);
    assert.equal(resolve({ onRetry: 'delay' }).workers[0]?.settings.retry.lanes.length, 4);
    assert.deepEqual(
      faultsOf(() => resolve({ retry: { delays: ['1s'] } })).map(({ code }) => code),
      ['PH_TOPOLOGY_SETTING'],
    );
  });

  it('gives the workers of a plugin one retry topic where it is asked to, with a lane for each of their waits', () => {
    const again = (delays: readonly Duration[]) => defineWorker({ consumes: source, retry: { delays }, handle: () => done() });
    const workers = { a: again(['1s', '1m']), b: again(['1m', '10s']), writer };
    const { workers: resolved } = resolveTopology(config({ weather: { retry: { topology: 'plugin' } } }), [loaded({ workers })]);
    for (const { retryTopic, retryShared, settings } of resolved.slice(0, 2))
      assert.deepEqual([retryTopic, retryShared, settings.retry.lanes], ['weather.retry', true, [1_000, 10_000, 60_000]]);
    assert.deepEqual(resolved[1]?.settings.retry.delays, [60_000, 10_000]);
    for (const section of [
      { retry: { topology: 'plugin' as const }, workers: { a: { retry: { topic: 'own' } } } },
      { retry: { topic: 'shared' } },
    ])
      assert.deepEqual(
        faultsOf(() => resolveTopology(config({ weather: section }), [loaded({ workers })])).map(({ code }) => code),
        ['PH_TOPOLOGY_SETTING'],
      );
  });

  it('gives external topics their own name and no prefix', () => {
    const external = externalTopic('partner.events', Message);
    const reader = defineWorker({ consumes: external, handle: () => done() });
    const { workers } = resolveTopology(config(), [loaded({ workers: { reader } }, 'w')]);
    assert.equal(workers[0]?.consumes?.topic, 'partner.events');
    assert.equal(workers[0]?.group, 'w-reader');
  });
});

describe('a topology is refused where', () => {
  it('a worker consumes or produces what the plugin does not define, external topics aside', () => {
    assert.deepEqual(codesOf({ topics: [source] }), ['PH_TOPOLOGY_TOPIC', 'PH_TOPOLOGY_TOPIC']);
    const twin = defineTopic('derived', Message, { key });
    const [fault] = faultsOf(() => resolveTopology(config(), [loaded({ topics: [source, twin] })]));
    assert.match(fault?.message ?? '', /another definition of "derived"/);
  });

  it('an external topic is produced', () => {
    const external = externalTopic('partner.events', Message);
    assert.deepEqual(codesOf({ workers: { bad: defineWorker({ consumes: source, produces: [external], handle: () => done() }) } }), [
      'PH_TOPOLOGY_EXTERNAL',
    ]);
  });

  it('a writer writes a table that is not the plugin’s', () => assert.deepEqual(codesOf({ tables: [] }), ['PH_TOPOLOGY_TABLE']));

  it('topics, tables or physical names come twice', () => {
    assert.deepEqual(codesOf({ topics: [source, derived, defineTopic('derived', Message, { key })] }), ['PH_TOPOLOGY_DUPLICATE']);
    assert.deepEqual(codesOf({ tables: [table, defineTable('rows', Row, { mode: 'append' })] }), ['PH_TOPOLOGY_DUPLICATE']);
    assert.deepEqual(codesOf({}, { weather: { topics: { derived: { name: 'weather.events.raw' } } } }), ['PH_TOPOLOGY_DUPLICATE']);
    assert.deepEqual(codesOf({}, { weather: { topics: { derived: { name: 'weather.dlq' } } } }), ['PH_TOPOLOGY_DUPLICATE']);
  });

  it('two plugins share a group or a table', () => {
    const other = loaded({ name: 'climate' }, 'weather');
    const codes = faultsOf(() => resolveTopology(config(), [loaded(), other])).map(({ code }) => code);
    assert.ok(codes.includes('PH_TOPOLOGY_GROUP'), codes.join());
    assert.ok(codes.includes('PH_TOPOLOGY_DUPLICATE'), codes.join());
  });

  it('a worker has no handler, or both', () => {
    const handles = { handle: () => done(), handleBatch: () => [] };
    assert.deepEqual(codesOf({ workers: { none: defineWorker({ consumes: source } as never) } }), ['PH_TOPOLOGY_HANDLER']);
    assert.deepEqual(codesOf({ workers: { both: defineWorker({ consumes: source, ...handles } as never) } }), ['PH_TOPOLOGY_HANDLER']);
    assert.deepEqual(codesOf({ workers: { strange: { consumes: source } as never } }), ['PH_TOPOLOGY_HANDLER']);
  });

  it('a worker is typed with a config or services that are not the plugin’s', () => {
    const foreign = defineWorker({ consumes: source, config: Type.Object({}), services: { api: () => 1 }, handle: () => done() });
    assert.deepEqual(codesOf({ workers: { foreign } }), ['PH_TOPOLOGY_FOREIGN', 'PH_TOPOLOGY_FOREIGN']);
  });

  it('an append table without dedupe is fed by a worker, also through an external topic of another plugin', () => {
    const append = defineTable('log', Row, { mode: 'append' });
    const appender = defineTableWriter({ consumes: derived, writes: [append], rows });
    assert.deepEqual(codesOf({ tables: [append], workers: { sifter: worker, appender } }), ['PH_TOPOLOGY_DEDUPE']);
    const deduped = defineTable('log', Row, { mode: 'append', dedupe: { column: 'id', window: '1h' } });
    assert.deepEqual(
      codesOf({
        tables: [deduped],
        workers: { sifter: worker, writer: defineTableWriter({ consumes: derived, writes: [deduped], rows }) },
      }),
      [],
    );
    assert.deepEqual(
      codesOf({ tables: [append], workers: { direct: defineTableWriter({ consumes: source, writes: [append], rows }) } }),
      [],
    );
    const external = externalTopic('weather.derived', Message);
    const reader = loaded({
      name: 'climate',
      topics: [],
      tables: [append],
      workers: { appender: defineTableWriter({ consumes: external, writes: [append], rows }) },
    });
    assert.deepEqual(
      faultsOf(() => resolveTopology(config(), [loaded(), reader])).map(({ code }) => code),
      ['PH_TOPOLOGY_DEDUPE'],
    );
  });

  it('a name is none that Kafka takes', () => {
    assert.deepEqual(codesOf({}, { weather: { workers: { sifter: { group: 'ä' }, writer: { group: 'x'.repeat(250) } } } }), [
      'PH_TOPOLOGY_NAME',
      'PH_TOPOLOGY_NAME',
    ]);
    assert.deepEqual(codesOf({ workers: { 'Up Case': worker } }), ['PH_TOPOLOGY_NAME']);
  });

  it('a setting is not positive', () => {
    const bad = defineWorker({
      consumes: source,
      concurrency: 0,
      timeout: '0s',
      retry: { delays: ['nonsense' as never] },
      handle: () => done(),
    });
    assert.deepEqual(codesOf({ workers: { bad } }), ['PH_TOPOLOGY_SETTING', 'PH_TOPOLOGY_SETTING', 'PH_TOPOLOGY_SETTING']);
  });

  it('the config names a worker, topic, table or cluster that does not exist', () => {
    const section = { workers: { sitfer: {} }, topics: { derivd: {} }, tables: { row: {} }, cluster: 'elsewhere' };
    const faults = faultsOf(() => resolveTopology(config({ weather: section }), [loaded()]));
    assert.deepEqual(
      faults.map(({ code }) => code),
      ['PH_CONFIG_UNKNOWN_KEY', 'PH_CONFIG_UNKNOWN_KEY', 'PH_CONFIG_UNKNOWN_KEY', 'PH_CLUSTER_UNKNOWN'],
    );
    assert.deepEqual(
      faults.slice(0, 3).map(({ hint }) => hint),
      ['did you mean "sifter"?', 'did you mean "derived"?', 'did you mean "rows"?'],
    );
  });
});

describe('a table is refused where', () => {
  const tableCodes = (row: Parameters<typeof defineTable>[1], options: object): readonly string[] => {
    const bad = defineTable('rows', row, options as never);
    return codesOf({ tables: [bad], workers: { writer: defineTableWriter({ consumes: source, writes: [bad], rows: () => ({}) }) } });
  };

  for (const [title, row, options, code] of [
    ['its key is no column', Row, { mode: 'merge', key: ['ident'] }, 'PH_TOPOLOGY_COLUMN'],
    ['its key may be null', Row, { mode: 'merge', key: ['n'] }, 'PH_TOPOLOGY_COLUMN'],
    ['a merge has no key', Row, { mode: 'merge', key: [] }, 'PH_TOPOLOGY_COLUMN'],
    ['partitionBy is no column', Row, { mode: 'append', partitionBy: ['dy'] }, 'PH_TOPOLOGY_COLUMN'],
    ['partitionBy is every column', Type.Object({ id: column.string() }), { mode: 'append', partitionBy: ['id'] }, 'PH_TOPOLOGY_COLUMN'],
    ['a policy is for no column', Row, { mode: 'merge', key: ['id'], columns: { m: 'always' } }, 'PH_TOPOLOGY_COLUMN'],
    ['a policy is for the key', Row, { mode: 'merge', key: ['id'], columns: { id: 'always' } }, 'PH_TOPOLOGY_COLUMN'],
    ['an alias is of no column', Row, { mode: 'append', aliases: { ident: ['key'] } }, 'PH_TOPOLOGY_COLUMN'],
    ['an alias is the name of another column', Row, { mode: 'append', aliases: { id: ['N'] } }, 'PH_TOPOLOGY_DUPLICATE'],
    ['an alias is of two columns', Row, { mode: 'append', aliases: { id: ['key'], n: ['key'] } }, 'PH_TOPOLOGY_DUPLICATE'],
    ['updates depend on no column', Row, { mode: 'merge', key: ['id'], updateWhen: { newer: 'when' } }, 'PH_TOPOLOGY_COLUMN'],
    ['updates depend on the key', Row, { mode: 'merge', key: ['id'], updateWhen: { distinct: ['n', 'id'] } }, 'PH_TOPOLOGY_COLUMN'],
    [
      'updates depend on a column that is kept',
      Row,
      { mode: 'merge', key: ['id'], columns: { n: 'preserve' }, updateWhen: { notOlder: 'n' } },
      'PH_TOPOLOGY_COLUMN',
    ],
    [
      'updates depend on two things',
      Row,
      { mode: 'merge', key: ['id'], updateWhen: { newer: 'n', distinct: ['n'] } },
      'PH_TOPOLOGY_COLUMN',
    ],
    ['updates depend on nothing', Row, { mode: 'merge', key: ['id'], updateWhen: { distinct: [] } }, 'PH_TOPOLOGY_COLUMN'],
    ['dedupe is no column', Row, { mode: 'append', dedupe: { column: 'x', window: '1h' } }, 'PH_TOPOLOGY_COLUMN'],
    ['the dedupe window is empty', Row, { mode: 'append', dedupe: { column: 'id', window: 0 } }, 'PH_TOPOLOGY_SETTING'],
    ['a column is plain TypeBox', Type.Object({ id: Type.String() }), { mode: 'append' }, 'PH_TOPOLOGY_COLUMN_TYPE'],
    ['a decimal is wider than 38 digits', Type.Object({ id: column.decimal(39, 2) }), { mode: 'append' }, 'PH_TOPOLOGY_COLUMN_TYPE'],
    ['a decimal has more scale than digits', Type.Object({ id: column.decimal(2, 3) }), { mode: 'append' }, 'PH_TOPOLOGY_COLUMN_TYPE'],
    ['columns differ only in case', Type.Object({ id: column.string(), ID: column.string() }), { mode: 'append' }, 'PH_TOPOLOGY_DUPLICATE'],
    ['a column has a name that Delta refuses', Type.Object({ 'a b': column.string() }), { mode: 'append' }, 'PH_TOPOLOGY_NAME'],
  ] as const) {
    it(title, () => assert.deepEqual(tableCodes(row, options), [code]));
  }
});

describe('an optional table', () => {
  const optional = defineTable('extra', Row, { mode: 'merge', key: ['id'], optional: true });
  const both = defineTableWriter({ consumes: derived, writes: [table, optional], rows });
  const options = { tables: [table, optional], workers: { sifter: worker, writer: both } };
  const written = (tables: Exclude<HostConfig['plugins'][string]['tables'], undefined>): readonly string[] | undefined =>
    resolveTopology(config({ weather: { tables } }), [loaded(options)]).workers[1]?.tables.map(({ name }) => name);

  it('is written only where the config enables it', () => {
    assert.deepEqual(written({}), ['rows']);
    assert.deepEqual(written({ extra: { enabled: false, name: 'more' } }), ['rows']);
    assert.deepEqual(written({ extra: { enabled: true, name: 'more' } }), ['rows', 'more']);
  });

  it('is the only kind that is switched off, and the only one that columns cannot be for', () => {
    assert.deepEqual(codesOf(options, { weather: { tables: { rows: { enabled: false } } } }), ['PH_TOPOLOGY_SETTING']);
    const byColumns = defineTableWriter({ consumes: source, writes: [optional], columns: { id: text('id'), day: text('id') } });
    assert.deepEqual(codesOf({ tables: [optional], workers: { writer: byColumns } }), ['PH_TOPOLOGY_COLUMN']);
  });
});

describe('columns are refused where', () => {
  const columnFaults = (definition: object): readonly string[] => {
    const bad = defineTableWriter({ consumes: source, writes: [rowsTable], ...definition } as never);
    return faultsOf(() => resolveTopology(config(), [loaded({ tables: [rowsTable], workers: { bad } })])).map((fault) => fault.message);
  };
  const rowsTable = defineTable('rows', Type.Object({ id: column.string(), n: Nullable(column.integer()) }), { mode: 'append' });

  for (const [title, definition, message] of [
    ['there are rows too', { rows: () => ({}), columns: { id: text('id') } }, /both rows and columns/],
    ['there are neither', {}, /neither rows nor columns/],
    ['a column is not in the table', { columns: { id: text('id'), m: text('id') } }, /columns names "m"/],
    ['a column that may not be null is missing', { columns: { n: text('id') } }, /where "id" comes from/],
    ['a field is not in the message', { columns: { id: text('ident') } }, /reads "ident", and the message has no "ident"/],
    ['a field is below a text', { columns: { id: text('id.x') } }, /reads "id\.x", and id has no "x"/],
    ['a namespace is no UUID', { columns: { id: uuid5('url', text('id')) } }, /no UUID/],
  ] as const) {
    it(title, () => {
      const faults = columnFaults(definition);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0] ?? '', message);
    });
  }
});

describe('schemas are refused where', () => {
  const schemaCodes = (schema: TSchema): readonly string[] =>
    checkSchemas(definePlugin({ ...complete, topics: [defineTopic('t', schema, { key: () => null })] })).map(({ code }) => code);

  it('a format is unknown, and the place says which field', () => {
    const schema = Type.Object({
      person: Type.Object({ mail: Type.String({ format: 'e-mail' }) }),
      at: Type.String({ format: 'date-time' }),
    });
    const [fault, ...others] = checkSchemas(definePlugin({ ...complete, topics: [defineTopic('t', schema, { key: () => null })] }));
    assert.equal(fault?.code, 'PH_PLUGIN_FORMAT');
    assert.match(fault.message, /"e-mail" at person\.mail/);
    assert.deepEqual(others, []);
    assert.deepEqual(schemaCodes(Type.Object({ format: Type.String() })), []);
  });

  it('a topic carries a Transform', () => {
    const schema = Type.Object({
      at: Type.Transform(Type.String())
        .Decode((text) => new Date(text))
        .Encode((date) => date.toISOString()),
    });
    assert.deepEqual(schemaCodes(schema), ['PH_PLUGIN_TRANSFORM']);
  });

  it('the checker does not understand them', () =>
    assert.deepEqual(schemaCodes({ type: 'object' } as unknown as TSchema), ['PH_PLUGIN_SCHEMA']));

  it('the config is not an object', () => {
    assert.deepEqual(
      checkSchemas(definePlugin({ ...complete, config: Type.String() })).map(({ code }) => code),
      ['PH_PLUGIN_SCHEMA'],
    );
  });
});

describe('--worker', () => {
  const topology = resolveTopology(config(), [
    loaded(),
    loaded({ name: 'climate', tables: [], workers: { sifter: defineWorker({ consumes: source, handle: () => done() }) } }),
  ]);
  const ids = (...names: readonly string[]): readonly string[] => selectWorkers(topology, names).map(({ id }) => id);

  it('chooses by name in every plugin, by plugin.worker in one, and all where none is named', () => {
    assert.deepEqual(ids('sifter'), ['weather.sifter', 'climate.sifter']);
    assert.deepEqual(ids('climate.sifter', 'writer'), ['weather.writer', 'climate.sifter']);
    assert.equal(ids().length, 3);
  });

  it('leaves pollers out where none is named, which this version does not run', () => {
    const poller = definePoller({
      query: 'Events',
      row: Type.Object({ id: Id() }),
      produces: source,
      map: () => null,
      identity: ({ id }) => id,
    });
    const sifter = defineWorker({ consumes: source, handle: () => done() });
    const polled = resolveTopology(config(), [loaded({ tables: [], workers: { poller, sifter } })]);
    const idsOf = (workers: readonly { readonly id: string }[]) => workers.map(({ id }) => id);
    assert.deepEqual(idsOf(selectWorkers(polled, [])), ['weather.sifter']);
    assert.deepEqual(idsOf(pollersLeftOut(polled, [])), ['weather.poller']);
    assert.deepEqual(idsOf(selectWorkers(polled, ['poller'])), ['weather.poller']);
    assert.deepEqual(pollersLeftOut(polled, ['sifter']), []);
  });

  it('names every unknown worker at once, and what was meant', () => {
    assert.throws(
      () => ids('sitfer', 'weather.writr'),
      (error) =>
        error instanceof FaultList &&
        error.faults.every(({ code }) => code === 'PH_WORKER_UNKNOWN') &&
        error.faults.map(({ hint }) => hint).join() === 'did you mean "sifter"?,did you mean "writer"?',
    );
  });

  it('knows table-maintenance of every plugin that writes tables, which belongs to all workers unless it is switched off', () => {
    const maintained = (names: readonly string[], enabled = false): readonly string[] =>
      selectMaintenance(topology, names, enabled).map(({ id }) => id);
    assert.deepEqual([maintained([], true), maintained([])], [['weather.table-maintenance'], []]);
    assert.deepEqual(maintained(['table-maintenance']), ['weather.table-maintenance']);
    assert.deepEqual([ids('table-maintenance'), ids('writer', 'weather.table-maintenance')], [[], ['weather.writer']]);
    assert.deepEqual(maintained(['writer'], true), []);
    assert.throws(() => ids('climate.table-maintenance'), FaultList);
  });

  it('leaves that name to the host', () => {
    const workers = { 'table-maintenance': defineWorker({ consumes: source, handle: () => done() }) };
    assert.deepEqual(
      faultsOf(() => resolveTopology(config(), [loaded({ name: 'climate', tables: [], workers })])).map(({ code }) => code),
      ['PH_TOPOLOGY_NAME'],
    );
  });
});
