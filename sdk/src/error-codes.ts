/**
 * Every error that the host or a plugin raises on purpose is a {@link PipelineError}: it carries a stable code, the
 * place where it happened and the way to mend it. The table below is the only list of the host's own codes; the
 * README's table of errors is written from it.
 */

/** What the host does with a failure. `fatal` never reaches a record: it stops the command that met it. */
export type ErrorKind = 'permanent' | 'transient' | 'auth' | 'unavailable' | 'fatal';

/** Process exit codes: 1 runtime, 2 the input (config, plugin, arguments) is wrong, 3 the environment is. */
export type ExitCode = 1 | 2 | 3;

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly exit: ExitCode;
  /** What to do about it; the fallback where the place that raises the error knows nothing better. */
  readonly hint: string;
}

const entry = (kind: ErrorKind, exit: ExitCode, hint: string): ErrorEntry => ({ kind, exit, hint });

/** One line a code, sorted by area. `retryable` follows from the kind: see {@link isRetryable}. */
export const ERROR_CODES = {
  // Outcomes and handlers
  PH_HANDLER_FAILED: entry('transient', 1, 'the handler threw; the cause is in the message, the record is retried by policy'),
  PH_HANDLER_TIMEOUT: entry('transient', 1, "raise the worker's timeout or make the handler honour ctx.signal"),
  PH_HANDLER_OUTCOME: entry('permanent', 1, 'a handler returns done(), skip(), retry() or dead()'),
  PH_REDO_EXHAUSTED: entry('permanent', 1, 'work was sent again twice and failed again; look at the cause before replaying'),

  // Engine
  PH_UNIT_FAILED: entry('fatal', 1, 'see the log for the cause; the host starts again where it was'),
  PH_TOPIC_MISSING: entry('fatal', 3, 'create it with "pipeline-host topics create", or set kafka.createTopics'),
  PH_TOPIC_CREATION: entry(
    'fatal',
    3,
    'have them created by who runs the cluster (Event Hubs: portal or "az eventhubs eventhub create"; embedded broker: kafka.embedded.topics, or "broker --topic NAME:PARTITIONS"); "pipeline-host topics list" shows what is missing',
  ),
  PH_RETRY_TOPIC_SHAPE: entry(
    'fatal',
    3,
    'go back to the old delays until the retry topic is drained, then delete it and start with the new ones; or name a new one (retry.topic) once it is drained',
  ),
  PH_RETRY_DIVISION: entry(
    'fatal',
    3,
    'stop all processes of the worker before its number of retry.delays changes, then start them with the new one; or give this one as many delays as the others have',
  ),
  PH_START_REQUIRED: entry('fatal', 2, 'state where to start: earliest, latest or an ISO time'),
  PH_CLUSTER_UNKNOWN: entry('fatal', 2, 'define the cluster under kafka.clusters'),
  PH_WORKER_COUNT: entry('fatal', 2, 'start fewer members (--count), or raise plugins.<p>.workers.<w>.concurrency'),
  PH_WORKER_UNSUPPORTED: entry('fatal', 2, 'this version of the host does not run pollers yet; run the other workers'),
  PH_DELTA_SECOND_WRITER: entry(
    'fatal',
    2,
    'let one consumer group write a table: stop the other host, or give it a table of its own (plugins.<p>.tables)',
  ),
  PH_ROW_INVALID: entry('permanent', 2, "the row does not fit the table's columns; mend the writer or the message"),

  // Messages
  PH_SCHEMA_NEWER: entry('unavailable', 1, 'deploy the version of the plugin that knows this schema; the records wait until then'),
  PH_RECORD_EXPIRING: entry(
    'transient',
    1,
    "see why the worker does not get to it, or raise the topic's retention: what is deleted unread is lost",
  ),
  PH_DEPENDENCY_HELD: entry(
    'unavailable',
    1,
    'see why the dependency fails; what needs it waits, burns no attempt, and goes on by itself once it works',
  ),
  PH_MESSAGE_UNREADABLE: entry('permanent', 2, 'the bytes are not a message of this topic; mend the sender'),
  PH_MESSAGE_INVALID: entry('permanent', 2, "the message does not fit the topic's schema; mend the sender"),
  PH_BATCH_UNREADABLE: entry(
    'permanent',
    2,
    'a batch of records cannot be unpacked, or has more than 64 MiB unpacked; its bytes are the value of the dead letter: mend its producer',
  ),
  PH_OUTPUT_INVALID: entry('permanent', 2, "the handler's output does not fit the schema of its topic; mend the handler"),
  PH_OUTPUT_UNDECLARED: entry('permanent', 2, "add the topic to the worker's produces"),
  PH_MESSAGE_TOO_LARGE: entry('permanent', 1, "raise the topic's max.message.bytes or send less in one message"),

  // HTTP and downloads
  PH_HTTP_URL_REFUSED: entry('permanent', 2, 'add the host (or host:port) to the allowed hosts, if it is meant to be asked'),
  PH_HTTP_ADDRESS_REFUSED: entry(
    'permanent',
    2,
    'the host has a private or special address; allow its range in privateRanges if that is meant',
  ),
  PH_HTTP_REDIRECT_REFUSED: entry('permanent', 1, 'the server redirects too often, to plain http, or a request that is not a GET'),
  PH_HTTP_REQUEST_INVALID: entry('permanent', 2, 'the method, a header or the body of the request is not valid HTTP; mend the caller'),
  PH_HTTP_CLIENT_ERROR: entry('permanent', 1, 'the server refused the request for good (4xx); look at the status'),
  PH_HTTP_UNAUTHORIZED: entry('auth', 1, 'renew the credentials of this API'),
  PH_HTTP_LINK_UNAUTHORIZED: entry('transient', 1, 'the link wants a log-in (401); get a fresh link'),
  PH_HTTP_THROTTLED: entry('transient', 1, 'the server wants fewer requests; lower the concurrency if it goes on'),
  PH_HTTP_SERVER_ERROR: entry('transient', 1, 'the server failed (5xx, 408); it is asked again'),
  PH_HTTP_STATUS_UNEXPECTED: entry('transient', 1, 'the server answered with a status that has no meaning here; it is asked again'),
  PH_HTTP_CONNECTION: entry('transient', 1, 'check DNS, firewall and TLS between this machine and the server'),
  PH_HTTP_TIMEOUT: entry('transient', 1, 'the server did not answer in time; it is asked again'),
  PH_HTTP_ABORTED: entry('transient', 1, 'the work was stopped (shutdown, rebalance or deadline); it is done again'),
  PH_HTTP_TOO_LARGE: entry('permanent', 1, 'raise maxBytes if answers of this size are meant'),
  PH_API_UNAVAILABLE: entry('unavailable', 1, 'the API does not answer or fails again and again; it is asked again after a while'),
  PH_API_LEFT_ALONE: entry(
    'unavailable',
    1,
    'the API failed for request after request and is not asked for a while; see what it failed with',
  ),
  PH_API_THROTTLED: entry('unavailable', 1, 'the API wants fewer requests; lower concurrency or rate if it goes on'),
  PH_DOWNLOAD_EMPTY: entry('transient', 1, 'the server sent no bytes; it is asked again, and the file is dead if it stays empty'),
  PH_DOWNLOAD_CUT: entry('transient', 1, 'the body broke off before its end; it is fetched again'),
  PH_DOWNLOAD_STALLED: entry('transient', 1, 'no byte came for idleTimeout; it is fetched again'),
  PH_DOWNLOAD_SLOW: entry('transient', 1, 'the body came slower than minimumRate; it is fetched again'),
  PH_FILE_TYPE_REFUSED: entry('permanent', 1, 'files with this extension are not allowed; add it to the file types if they are meant'),
  PH_FILE_TYPE_MISMATCH: entry('permanent', 1, 'content type or content belong to another type than the name says; see the file types'),

  // Staging and stored objects
  PH_STAGING_LOCATION: entry('fatal', 2, 'give staging a local folder or a file:// URI'),
  PH_STAGING_AREA: entry('fatal', 3, 'the .area.json of the staging folder cannot be read; restore it, or use an empty folder'),
  PH_STAGING_FULL: entry('unavailable', 3, 'make room on the disk of the staging folder'),
  PH_STAGING_DENIED: entry('unavailable', 3, 'give this user the right to write in the staging folder'),
  PH_STAGING_LOST: entry('unavailable', 3, 'the staging folder is gone; restore or mount it and start again'),
  PH_STAGING_IO: entry('transient', 3, 'the disk of the staging folder failed; see the cause'),
  PH_STAGING_URI: entry('permanent', 2, 'the text is not the URI of a staged file'),
  PH_STAGING_FOREIGN: entry(
    'permanent',
    2,
    'give all workers of the plugin the same staging folder (setting staging), or run them on one machine',
  ),
  PH_STAGING_MISSING: entry('transient', 1, 'the staged file is gone; ask has() first and fetch it again'),
  PH_STAGING_CHANGED: entry('permanent', 1, 'the staged file is not what was downloaded; fetch it again'),
  PH_OBJECT_PATH: entry('permanent', 2, 'an object path is relative, separated by /, without empty, . or .. segments; use sanitizeSegment'),
  PH_OBJECT_OCCUPIED: entry('permanent', 1, 'the path holds other content; store under another path'),
  PH_OBJECT_VANISHED: entry('transient', 1, 'somebody deletes from the object store while it is written; it is tried again'),

  // Admin server
  PH_HTTP_PORT_IN_USE: entry('fatal', 3, 'stop the other process, or set http.port to another port or to 0 for a free one'),
  PH_HTTP_PORT_DENIED: entry('fatal', 3, 'set http.port above 1023, or to 0 for a free one'),
  PH_HTTP_HOST_UNKNOWN: entry('fatal', 3, 'set http.host to an address of this machine: 127.0.0.1, or 0.0.0.0 for all'),
  PH_ADMIN_NOT_FOUND: entry('permanent', 1, 'the routes are /health/live, /health/ready, /metrics, and those of /admin/v1/openapi.json'),
  PH_ADMIN_REQUEST_INVALID: entry('permanent', 2, 'mend the request'),
  PH_ADMIN_TOKEN_UNSET: entry(
    'auth',
    2,
    'set http.admin.token to "${env:NAME}" or "${file:path}" with at least 16 characters, and start the host again',
  ),
  PH_ADMIN_UNAUTHORIZED: entry('auth', 2, 'send the header "Authorization: Bearer <token>" with the token of http.admin.token'),
  PH_ADMIN_CURSOR_INVALID: entry('permanent', 2, 'pass the cursor of the page before as it is, or none to begin with the newest'),
  PH_ADMIN_FAILED: entry('permanent', 1, 'see the log of the host for the cause'),

  // Dead letters
  PH_DLQ_NOT_FOUND: entry('permanent', 2, 'take the id from the list; a record that its retention has deleted cannot be had any more'),
  PH_DLQ_ALREADY_DISPOSED: entry('permanent', 2, 'look at its history; to replay it all the same, say "again": true'),
  PH_DLQ_IN_PROGRESS: entry('permanent', 1, 'look again in a moment: what a process left unfinished is settled within half a minute'),
  PH_DLQ_NOT_REPLAYABLE: entry(
    'permanent',
    2,
    'run the request against a host of the plugin whose worker failed it, with its topics as they were',
  ),
  PH_DLQ_PAYLOAD_MISSING: entry(
    'permanent',
    3,
    'its record was too large for the topic and lies in storage.files of the host that wrote it: give this host the same, or restore the object; it is deleted storage.payloadsFor after the dead letter was settled',
  ),
  PH_DLQ_PAYLOAD_DAMAGED: entry('permanent', 3, 'restore the object in storage.files: it is not what was written'),

  // Kafka
  PH_KAFKA_UNREACHABLE: entry('unavailable', 3, 'check kafka.brokers and that the broker is running and reachable from here'),
  PH_KAFKA_UNAVAILABLE: entry('unavailable', 3, 'the cluster is not ready for this now; it is tried again'),
  PH_KAFKA_AUTH: entry('auth', 3, 'check kafka.sasl: mechanism, username and password; with oauthbearer the token, which may have ended'),
  PH_KAFKA_TLS: entry(
    'auth',
    3,
    'check kafka.tls: ca must hold the authority of the broker, servername its name; cert and key belong together',
  ),
  PH_KAFKA_ACL: entry('auth', 3, 'grant the user the right on this topic or group'),
  PH_KAFKA_UNKNOWN_TOPIC: entry('unavailable', 3, 'create it (pipeline-host topics create) or mend its name in the config'),
  PH_KAFKA_UNKNOWN_PARTITION: entry(
    'fatal',
    3,
    'give the topic as many partitions as are written to; a retry topic has (1 + retry delays) for each of its source',
  ),
  PH_KAFKA_REQUEST: entry('permanent', 1, 'the broker refuses this whatever is tried; see its message'),
  PH_KAFKA_METADATA: entry(
    'permanent',
    1,
    'raise offset.metadata.max.bytes of the broker to 4096; without it a crash repeats more, and loses nothing',
  ),
  PH_KAFKA_NOT_ASSIGNED: entry('permanent', 1, 'commit only partitions of the present assignment'),
  PH_KAFKA_CLOSED: entry('unavailable', 1, 'the host is stopping; what was not acknowledged is done again after the start'),
  PH_KAFKA_REPAIR: entry('fatal', 3, 'install exactly kafkajs@2.2.4'),

  // Demo
  PH_DEMO_DATA_USED: entry('fatal', 3, 'name a folder that is empty or not there yet, or leave --data out'),
  PH_DEMO_DATA_DENIED: entry('fatal', 3, 'give this user the right to write there, or name another folder'),
  PH_DEMO_NOTHING: entry('fatal', 2, 'install a plugin whose package.json#pipelineHost names a simulation, or correct --plugin'),
  PH_DEMO_STUCK: entry('fatal', 1, 'look at the log in the data folder for the workers that are named here'),
  PH_DEMO_WORKER_ENDED: entry('fatal', 1, 'the last lines of its log, which is named here, say why'),
  PH_DEMO_SUMS: entry('fatal', 1, 'records were lost, doubled or changed; the summary says which, the data folder has them all'),
  PH_SIMULATION_MISSING: entry('fatal', 2, 'build the plugin (npm run build), or correct the path in its package.json'),
  PH_SIMULATION_INVALID: entry('fatal', 2, 'the module exports defineSimulation({ start }) as its default; mend the simulation'),

  // Embedded broker
  PH_BROKER_DATA_DIR: entry('fatal', 3, 'give a folder that this user may write to and that has room'),
  PH_BROKER_PORT_IN_USE: entry('fatal', 3, 'choose another port, or 0 for a free one, or stop what listens there'),
  PH_BROKER_LISTEN: entry('fatal', 3, 'give an address of this machine and a port that this user may use'),
  PH_BROKER_TOPICS: entry('fatal', 2, 'mend kafka.embedded.topics, or --topic of the broker'),
  PH_BROKER_OWNED: entry('fatal', 3, 'use the running broker, stop it first, or choose another data folder'),

  // Config
  PH_CONFIG_NOT_FOUND: entry('fatal', 2, 'mend the path of --config, or leave it out to search from the working folder'),
  PH_CONFIG_UNREADABLE: entry('fatal', 2, 'mend the file: it is YAML, JSON, or a module whose default export is the config'),
  PH_CONFIG_UNKNOWN_KEY: entry('fatal', 2, 'remove the key; "pipeline-host config schema" lists those that exist'),
  PH_CONFIG_INVALID: entry('fatal', 2, 'mend the value; "pipeline-host config schema" says what is allowed'),
  PH_CONFIG_ENVIRONMENT: entry('fatal', 2, 'mend or unset the variable; segments are separated by two underscores'),
  PH_CONFIG_SECRET: entry('fatal', 2, 'set the variable or create the file that the setting names'),
  PH_CONFIG_SECRET_PLAIN: entry('fatal', 2, 'write ${env:NAME} or ${file:path} and keep the secret out of the config file'),
  PH_CONFIG_BROKERS: entry('fatal', 2, 'set kafka.brokers to a list of host:port, or to "embedded" for one machine'),

  // Plugins
  PH_PLUGIN_NOT_FOUND: entry('fatal', 2, 'install the package, or give its folder'),
  PH_PLUGIN_AMBIGUOUS: entry('fatal', 2, 'give the full package name or the folder, here or in plugins.<name>.package'),
  PH_PLUGIN_MANIFEST: entry('fatal', 2, 'give package.json a "pipelineHost": { "plugin": "<name>", "sdk": "^0.1.0" }'),
  PH_PLUGIN_SDK_RANGE: entry('fatal', 2, 'install a version of the plugin that works with this SDK, or the host that the plugin wants'),
  PH_PLUGIN_ENTRY: entry('fatal', 2, 'build the plugin, or mend "exports" and "pipelineHost.entry" of its package.json'),
  PH_PLUGIN_IMPORT: entry('fatal', 2, 'mend the code of the plugin, or install what it imports'),
  PH_PLUGIN_EXPORT: entry('fatal', 2, 'make "export default definePlugin({ ... })" the default export of the entry'),
  PH_PLUGIN_DEFINITION: entry('fatal', 2, 'mend what is given to definePlugin, defineWorker and their like'),
  PH_PLUGIN_NAME: entry('fatal', 2, 'make both names the same'),
  PH_PLUGIN_DUPLICATE: entry('fatal', 2, 'run one of them, or rename one'),
  PH_PLUGIN_SCHEMA: entry('fatal', 2, 'make the config schema a Type.Object({ ... })'),
  PH_PLUGIN_FORMAT: entry('fatal', 2, 'use a format that the SDK knows, or a pattern'),
  PH_PLUGIN_TRANSFORM: entry('fatal', 2, 'take the Transform out: give the topic plain types, and convert in the handler'),

  // Topology
  PH_TOPOLOGY_NAME: entry('fatal', 2, 'rename it'),
  PH_TOPOLOGY_DUPLICATE: entry('fatal', 2, 'rename one of them, or give one another physical name in the config'),
  PH_TOPOLOGY_GROUP: entry('fatal', 2, 'set another group for one of them: plugins.<p>.workers.<w>.group'),
  PH_TOPOLOGY_TOPIC: entry('fatal', 2, "add the topic to the plugin's topics, or declare it with externalTopic()"),
  PH_TOPOLOGY_EXTERNAL: entry('fatal', 2, "produce to a topic of the plugin's own"),
  PH_TOPOLOGY_TABLE: entry('fatal', 2, "add the table to the plugin's tables"),
  PH_TOPOLOGY_COLUMN: entry('fatal', 2, 'name a column of the row schema'),
  PH_TOPOLOGY_COLUMN_TYPE: entry(
    'fatal',
    2,
    'build columns with column.string() and its like, wrapped in Nullable() where null is allowed',
  ),
  PH_TOPOLOGY_HANDLER: entry('fatal', 2, 'give the worker exactly one of handle and handleBatch'),
  PH_TOPOLOGY_FOREIGN: entry('fatal', 2, 'pass the same constant to definePlugin and to the worker'),
  PH_TOPOLOGY_DEDUPE: entry('fatal', 2, "give the table dedupe: { column, window }, or mode 'merge': a worker may send one output twice"),
  PH_TOPOLOGY_SETTING: entry('fatal', 2, 'mend the value'),
  PH_WORKER_UNKNOWN: entry('fatal', 2, '"pipeline-host plugins" lists the workers'),

  // Command line
  PH_CLI_ARGUMENT: entry('fatal', 2, 'see --help'),
  PH_PLUGIN_FOLDER_TAKEN: entry('fatal', 2, 'name a folder that is empty or not there yet: --dir'),
  PH_TOPIC_UNKNOWN: entry('fatal', 2, '"pipeline-host topics list" lists the topics'),
  PH_TOPIC_EXTERNAL: entry('fatal', 2, 'the topic belongs to another plugin or system; publish with its owner'),
  PH_TABLE_UNKNOWN: entry('fatal', 2, '"pipeline-host tables" lists the tables'),
  PH_PUBLISH_FILE: entry('fatal', 2, 'give a file of one JSON message a line, or - for standard input'),
  PH_PUBLISH_INVALID: entry('fatal', 2, 'mend the lines, or send the others with --skip-invalid'),
  PH_PUBLISH_CHANGED: entry('fatal', 1, 'publish a copy that nobody writes to, or give it on standard input'),
  PH_PUBLISH_BROKEN_OFF: entry('fatal', 1, 'go on with --from-line: all sent again would be stored twice'),
  PH_STOP_TIMEOUT: entry('fatal', 1, 'the process ends anyway; what was open is done again after the start'),
  PH_SYSTEM: entry('fatal', 3, 'mend rights, room or limits of this machine for the file that is named'),
  PH_UNEXPECTED: entry('fatal', 1, 'this is a bug: run again with PIPELINE_HOST_DEBUG=1 and report the stack'),

  // Environment
  PH_DURATION_INVALID: entry('fatal', 2, 'write a duration as milliseconds or as 250ms, 30s, 5m, 2h, 7d'),
  PH_NODE_VERSION: entry('fatal', 3, 'run with Node 22.18 or newer: npm install node@24'),

  // Storage
  PH_STORAGE_PATH: entry('permanent', 2, 'object paths are relative, separated by /, and stay inside the store'),
  PH_STORAGE_SCHEME: entry('fatal', 2, 'use a local folder or a file:// URI'),
  PH_STORAGE_ABSENT: entry('permanent', 1, 'the object was deleted or never written'),
  PH_STORAGE_DENIED: entry('auth', 3, 'give the user that runs the host the right to read and write there'),
  PH_STORAGE_FULL: entry('unavailable', 3, 'free space on the disk or raise the quota; the host goes on by itself'),
  PH_STORAGE_FAILED: entry('transient', 1, 'look at the cause; the operation is tried again'),

  // Delta tables
  PH_DELTA_OFFSETS_FOREIGN: entry(
    'fatal',
    2,
    'the topic was made anew, or the table is of another one: "pipeline-host tables rebase NAME --dry-run" says what the writer would write if it forgot these offsets',
  ),
  PH_DELTA_DUPLICATES: entry(
    'permanent',
    2,
    'their rows would be in the table twice: say --allow-duplicates if that is wanted, or begin with --start latest or a time',
  ),
  PH_DELTA_REBASE_CONFLICT: entry('transient', 1, 'stop every process of the writer, then look at the plan again'),
  PH_DELTA_ABSENT: entry('fatal', 2, 'check the path of the table; only a writer with a table definition creates one'),
  PH_DELTA_VERSION: entry('fatal', 2, 'read a version that the log still holds, or the newest by naming none'),
  PH_DELTA_GONE: entry('unavailable', 3, "the table's folder is gone or not mounted; bring it back, the writer goes on by itself"),
  PH_DELTA_FOLDER_TAKEN: entry('fatal', 2, 'choose an empty folder; a folder that holds files but no Delta log is never written over'),
  PH_DELTA_LOG_DAMAGED: entry(
    'fatal',
    1,
    'restore the missing or damaged file of _delta_log; the host never writes over a log that it cannot read',
  ),
  PH_DELTA_FILE_MISSING: entry(
    'fatal',
    1,
    'restore the file, or the table from a version before it was deleted; a reader of an old version may just refresh',
  ),
  PH_DELTA_VECTOR_DAMAGED: entry(
    'fatal',
    1,
    'restore the deletion vector file from a backup, or the table to a version before it; without it deleted rows would come back',
  ),
  PH_DELTA_FILE_ROWS: entry(
    'fatal',
    1,
    'the files stay as they are: find out what wrote them, or restore them; OPTIMIZE would make their loss final',
  ),
  PH_DELTA_VERIFY: entry(
    'fatal',
    1,
    'each fault names what to restore or to write anew; a damaged checkpoint or hint is replaced by "pipeline-host tables checkpoint NAME"',
  ),
  PH_DELTA_RETENTION: entry(
    'fatal',
    2,
    'name a longer retention, or none; --allow-short-retention takes it where nobody reads old versions and no writer is at work',
  ),
  PH_DELTA_SMALL_FILES: entry(
    'transient',
    1,
    'run "pipeline-host --plugin <p> --worker table-maintenance" beside the writer, or "pipeline-host tables optimize NAME" now and then',
  ),
  PH_DELTA_TXN_RETENTION: entry(
    'transient',
    1,
    "unset delta.setTransactionRetentionDuration of the table, or make it longer than its topics' retention: other engines forget the writer's offsets after it",
  ),
  PH_DELTA_PROTOCOL: entry('fatal', 2, 'switch the feature off for this table, or write it with the engine that made it'),
  PH_DELTA_SCHEMA: entry(
    'fatal',
    2,
    'make the live table and its definition agree: add or change columns of one of them, or give the table another name (plugins.<p>.tables.<t>.name)',
  ),
  PH_DELTA_DRIFT: entry(
    'permanent',
    2,
    'the live table refuses rows that its definition allows: make the two agree, and replay the dead letters',
  ),
  PH_DELTA_APPEND_ONLY: entry('permanent', 2, 'delta.appendOnly is set on this table: use append mode, or unset the property'),
  PH_DELTA_ROW_CONVERSION: entry('permanent', 2, 'the row does not fit the column types of the table; mend the writer or the message'),
  PH_DELTA_NULL_KEY: entry('permanent', 2, 'a merge key is null; mend the writer or the message'),
  PH_DELTA_ROW_COUNT: entry('fatal', 1, 'a fault of the program that made the block: report it'),
  PH_DELTA_TXN_CONFLICT: entry('transient', 1, 'another process writes the same partitions; take their rows out and write the rest'),
  PH_DELTA_CONFLICT: entry('transient', 1, 'another writer changed the table at the same time; the operation is tried again'),
  PH_DELTA_ORDER: entry('transient', 1, 'an earlier write of the same partitions failed; write again from there'),
  PH_DELTA_ENGINE: entry('transient', 1, 'DuckDB failed; look at the cause'),
  PH_DELTA_CLOSED: entry('fatal', 1, 'the Delta engine was closed while an operation was asked of it'),
} as const satisfies Record<string, ErrorEntry>;
