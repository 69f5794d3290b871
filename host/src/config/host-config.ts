import { DurationText, Secret } from '@pipeline-host/sdk';
import { type Static, Type } from '@sinclair/typebox';
import { BROKER_PATTERN } from './broker-address.ts';

/**
 * The host's config file, whole. Defaults stand in the schema, so that `config schema`, `config explain` and the README
 * have one source. Plugins' own settings (`plugins.<p>.config`) are checked against the plugin's schema.
 */

const closed = { additionalProperties: false } as const;

/** An empty text would be the working folder, or a name that is none. */
const text = (options: { readonly description?: string; readonly default?: string } = {}) => Type.String({ ...options, minLength: 1 });

const Tls = Type.Union([
  Type.Boolean(),
  Type.Object(
    {
      ca: Type.Optional(Type.String({ description: 'PEM text of the certificate authority; use ${file:...}' })),
      cert: Type.Optional(Type.String({ description: 'PEM text of the client certificate' })),
      key: Type.Optional(Secret({ description: 'PEM text of the client key' })),
      servername: Type.Optional(Type.String()),
    },
    closed,
  ),
]);

const Sasl = Type.Union([
  Type.Object(
    {
      mechanism: Type.Union([Type.Literal('plain'), Type.Literal('scram-sha-256'), Type.Literal('scram-sha-512')]),
      username: Type.String({ minLength: 1 }),
      password: Secret(),
    },
    closed,
  ),
  Type.Object(
    {
      mechanism: Type.Literal('oauthbearer'),
      token: Secret({ description: 'bearer token; use ${file:...}, which is read again for each new connection' }),
    },
    closed,
  ),
]);

const Brokers = Type.Union([Type.Literal('embedded'), Type.Array(Type.String({ pattern: BROKER_PATTERN }), { minItems: 1 })], {
  description: '"embedded" or a list of host:port, an IPv6 address in brackets',
});

const Compression = Type.Union(
  [Type.Literal('none'), Type.Literal('gzip'), Type.Literal('snappy'), Type.Literal('lz4'), Type.Literal('zstd')],
  { description: 'codec of what is produced; default none. Event Hubs takes gzip alone. Every codec is read' },
);

const Cluster = Type.Object(
  {
    brokers: Brokers,
    tls: Type.Optional(Tls),
    sasl: Type.Optional(Sasl),
    clientId: Type.Optional(text()),
    sessionTimeout: Type.Optional(DurationText({ description: 'default 6s; 30s where quiet matters more than fail-over time' })),
    maxPartitions: Type.Optional(
      Type.Integer({ minimum: 1, description: 'partitions that a topic may have on the cluster; Event Hubs Standard: 32' }),
    ),
    compression: Type.Optional(Compression),
  },
  closed,
);

const Kafka = Type.Object(
  {
    brokers: Type.Optional(Brokers),
    tls: Type.Optional(Tls),
    sasl: Type.Optional(Sasl),
    clientId: Type.Optional(text()),
    sessionTimeout: Type.Optional(DurationText()),
    maxPartitions: Type.Optional(
      Type.Integer({ minimum: 1, description: 'partitions that a topic may have on the cluster; Event Hubs Standard: 32' }),
    ),
    compression: Type.Optional(Compression),
    partitions: Type.Integer({ default: 6, minimum: 1, maximum: 1000, description: 'partitions of topics that the host creates' }),
    replicationFactor: Type.Integer({ default: -1, description: 'of topics that the host creates; -1 is the default of the broker' }),
    createTopics: Type.Boolean({ default: true, description: 'create missing topics of the plugins at start' }),
    clusters: Type.Record(Type.String(), Cluster, { default: {}, description: 'further clusters by name' }),
    embedded: Type.Object(
      {
        port: Type.Integer({ default: 0, minimum: 0, maximum: 65535, description: '0 takes a free one' }),
        fsync: Type.Union([Type.Literal('interval'), Type.Literal('always')], { default: 'interval' }),
        profile: Type.Optional(
          Type.Union([Type.Literal('kafka4'), Type.Literal('eventhubs')], {
            description:
              'what the broker offers and refuses; default kafka4, or that of the running broker. eventhubs: the limits of a namespace',
          }),
        ),
        topics: Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
          default: {},
          description: 'partitions of topics that the broker makes at its start; with profile eventhubs there are no others',
        }),
        commitMetadata: Type.Union([Type.Literal('keep'), Type.Literal('drop')], {
          default: 'keep',
          description: 'drop: the broker forgets the metadata of commits, as some services do',
        }),
      },
      { ...closed, default: {} },
    ),
  },
  { ...closed, default: {} },
);

const Start = Type.Union(
  [Type.Literal('committed'), Type.Literal('earliest'), Type.Literal('latest'), Type.String({ format: 'date-time' })],
  {
    description: 'where a group without committed offsets starts',
  },
);

const Worker = Type.Object(
  {
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    timeout: Type.Optional(DurationText()),
    group: Type.Optional(Type.String({ description: 'consumer group; default <prefix>-<worker>' })),
    start: Type.Optional(Start),
    onRetry: Type.Optional(
      Type.Union([Type.Literal('delay'), Type.Literal('hold')], {
        description: 'delay: later records of the key overtake a failed one; hold: it is tried again in place and its key waits',
      }),
    ),
    retry: Type.Optional(
      Type.Object(
        {
          delays: Type.Optional(Type.Array(DurationText(), { maxItems: 16, description: 'one wait before each further attempt' })),
          byCode: Type.Optional(
            Type.Record(Type.String(), Type.Object({ delays: Type.Array(DurationText(), { maxItems: 16 }) }, closed), {
              description:
                'other waits for a code, or for all that begin like PH_HTTP_*; each is one of the delays, none means dead at once',
            }),
          ),
          releasePerSecond: Type.Optional(
            Type.Integer({ minimum: 1, description: 'delayed records that a member takes up again a second; default 1000' }),
          ),
          topic: Type.Optional(Type.String({ description: 'physical name of the retry topic' })),
        },
        closed,
      ),
    ),
    outage: Type.Optional(
      Type.Object(
        {
          share: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 1,
              description: 'part of the last 200 records that must be exceeded; default 0.2, 1 is never',
            }),
          ),
          keys: Type.Optional(Type.Integer({ minimum: 1, description: 'different keys that must be among them; default 10' })),
        },
        { ...closed, description: 'when failures of one code and dependency are an outage, in which what needs it waits' },
      ),
    ),
    flush: Type.Optional(
      Type.Object(
        {
          rows: Type.Optional(Type.Integer({ minimum: 1 })),
          bytes: Type.Optional(Type.Integer({ minimum: 1024 })),
          age: Type.Optional(DurationText()),
        },
        { ...closed, description: 'table writers: when a batch is written' },
      ),
    ),
  },
  closed,
);

const Plugin = Type.Object(
  {
    package: Type.Optional(text({ description: 'package name or folder; default: found by name' })),
    prefix: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9._-]*$', description: 'of topics and groups; default the plugin name' })),
    config: Type.Optional(Type.Object({}, { additionalProperties: true, description: "the plugin's own settings" })),
    cluster: Type.Optional(Type.String({ description: "the plugin's own cluster; default the one of kafka.brokers" })),
    topics: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object(
          {
            name: Type.Optional(Type.String()),
            cluster: Type.Optional(Type.String()),
            partitions: Type.Optional(Type.Integer({ minimum: 1 })),
          },
          closed,
        ),
        { description: 'physical names and clusters of topics' },
      ),
    ),
    tables: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object(
          {
            name: Type.Optional(Type.String()),
            enabled: Type.Optional(Type.Boolean({ description: 'of an optional table: whether it is written; default false' })),
          },
          closed,
        ),
      ),
    ),
    retry: Type.Optional(
      Type.Object(
        {
          topology: Type.Optional(
            Type.Union([Type.Literal('worker'), Type.Literal('plugin')], {
              description: 'one retry topic a worker (default), or one for all workers of the plugin where topics are scarce',
            }),
          ),
          topic: Type.Optional(Type.String({ description: 'physical name of the retry topic of the plugin; default <prefix>.retry' })),
        },
        closed,
      ),
    ),
    deadLetters: Type.Optional(Type.Object({ topic: Type.Optional(Type.String()) }, closed)),
    workers: Type.Optional(Type.Record(Type.String(), Worker)),
  },
  closed,
);

export const HostConfigSchema = Type.Object(
  {
    dataDir: text({ default: '.pipeline-host', description: 'root of the embedded broker, tables, files and staging' }),
    kafka: Kafka,
    storage: Type.Object(
      {
        tables: Type.Optional(text({ description: 'URI of the Delta tables; default <dataDir>/tables' })),
        files: Type.Optional(text({ description: 'URI of stored files; default <dataDir>/files' })),
        staging: Type.Optional(text({ description: 'URI of the staging area; default <dataDir>/staging' })),
        stagedFor: DurationText({
          default: '8d',
          description: 'a staged file that nobody took for so long is deleted: longer than the retention of the topics that name it',
        }),
        payloadsFor: Type.Union([Type.Literal('forever'), DurationText()], {
          default: '30d',
          description:
            'the stored record of a dead letter is deleted so long after that was replayed or discarded, or left its topic; at least a day',
        }),
      },
      { ...closed, default: {} },
    ),
    delta: Type.Object(
      {
        memoryLimit: text({ default: '512MB' }),
        threads: Type.Integer({ default: 1, minimum: 1 }),
        tempDirectory: Type.Optional(text()),
        maintenance: Type.Object(
          {
            enabled: Type.Boolean({
              default: true,
              description: 'maintain tables in a process that runs all workers of a plugin; --worker table-maintenance does so anyway',
            }),
            interval: DurationText({ default: '10m', description: 'between two rounds over all tables' }),
            smallFiles: Type.Integer({
              default: 16,
              minimum: 2,
              maximum: 100,
              description: 'files to put together from which on OPTIMIZE runs',
            }),
            smallFileBytes: Type.Integer({ default: 8 * 1024 * 1024, minimum: 1, description: 'a file below this is small' }),
            targetFileBytes: Type.Optional(
              Type.Integer({ minimum: 1024, description: "size of new files; default the table's delta.targetFileSize, else 64 MB" }),
            ),
            deletedShare: Type.Number({
              default: 0.2,
              minimum: 0,
              maximum: 1,
              description: 'a file with a larger share of deleted rows is written anew',
            }),
            vacuumInterval: DurationText({ default: '1d', description: 'between two vacuums of a table, which list its whole folder' }),
          },
          { ...closed, default: {} },
        ),
      },
      { ...closed, default: {} },
    ),
    http: Type.Object(
      {
        host: text({ default: '127.0.0.1' }),
        port: Type.Integer({ default: 0, minimum: 0, maximum: 65535, description: '0 takes a free one, which is printed' }),
        admin: Type.Object(
          {
            token: Type.Optional(
              Type.Unsafe<string>({
                ...Secret({ description: 'bearer token of /admin/v1, at least 16 characters; without it these routes answer 403' }),
                minLength: 16,
              }),
            ),
            name: Type.String({ default: 'admin', minLength: 1, maxLength: 100, description: 'whom the audit names for this token' }),
          },
          { ...closed, default: {} },
        ),
      },
      { ...closed, default: {} },
    ),
    log: Type.Object(
      {
        level: Type.Union(
          [Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error'), Type.Literal('silent')],
          { default: 'info' },
        ),
      },
      { ...closed, default: {} },
    ),
    memory: Type.Object(
      {
        inFlightBytes: Type.Integer({
          default: 64 * 1024 * 1024,
          minimum: 1024 * 1024,
          description: 'bytes of records in the process, over all workers',
        }),
      },
      { ...closed, default: {} },
    ),
    plugins: Type.Record(Type.String(), Plugin, { default: {} }),
  },
  closed,
);

export type HostConfig = Static<typeof HostConfigSchema>;
export type ClusterSettings = Static<typeof Cluster>;
export type PluginSettings = Static<typeof Plugin>;
export type WorkerSettings = Static<typeof Worker>;

type Input<T> = T extends readonly unknown[] ? T : T extends object ? { readonly [Key in keyof T]?: Input<T[Key]> } : T;
/** What a config file may hold: every key may be left out that has a default. */
export type HostConfigInput = Input<HostConfig>;
