import type { TableWriterDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import type { Clock } from '../clock.ts';
import type { KafkaProducer } from '../kafka/driver.ts';
import type { HostLog } from '../observability/logger.ts';
import type { HostMetrics } from '../observability/metrics.ts';
import type { ResolvedTopic, ResolvedWorker } from '../plugins/topology.ts';
import type { Clusters } from './clusters.ts';
import { HandlerSink } from './handling/handler-sink.ts';
import type { HostServices } from './host-services.ts';
import { DRAIN_DEADLINE } from './intake/intake.ts';
import { createMessageCodec } from './messages/message-codec.ts';
import { FailureWindow } from './outage/failure-window.ts';
import { FailureLog } from './records/failure-log.ts';
import { RecordWriter } from './records/record-writer.ts';
import type { HeldStatus } from './status.ts';
import type { WritableTable } from './tables/row-maker.ts';
import { tableSpec } from './tables/table-rows.ts';
import type { TableSink } from './tables/table-sink.ts';
import { WriterOffsets } from './tables/writer-offsets.ts';
import type { WorkerTopics } from './topics.ts';
import { Unit, type UnitHooks } from './unit.ts';
import { checkWaitingRecords } from './waiting-records.ts';

export interface UnitPlan {
  readonly id: string;
  readonly worker: ResolvedWorker;
  readonly topics: WorkerTopics;
  /** `retry` reads the retry topic alone: its source lives on another cluster, where one consumer cannot read both. */
  readonly reads: 'source' | 'retry';
  /** Its share of the worker's concurrency. */
  readonly concurrency: number;
  readonly byteBudget: number;
}

export interface UnitEnvironment {
  readonly clusters: Clusters;
  readonly services: HostServices;
  readonly metrics: HostMetrics;
  readonly log: HostLog;
  /** The system's by default. */
  readonly clock?: Clock;
}

/** Everything that one unit needs, opened: its producers, its plugin's services, its tables. Nothing is consumed yet. */
export async function createUnit(plan: UnitPlan, environment: UnitEnvironment): Promise<Unit> {
  const { clusters, services, metrics, clock } = environment;
  const { worker, topics } = plan;
  const source = worker.consumes;
  if (source === null) throw new TypeError(`${worker.id} consumes nothing`);
  const cluster = await clusters.get(plan.reads === 'source' ? source.cluster : worker.cluster);
  const log = environment.log.child({ plugin: worker.plugin.name, worker: worker.name });
  const producers = await openProducers(worker, clusters);
  const failures = new FailureLog(log);
  const writer = new RecordWriter({
    onFailure: (what, from, note) => failures.note(what, from, note),
    worker,
    sourceCluster: source.cluster,
    sourceClusterId: await clusters.clusterId(source.cluster),
    layout: topics.retry,
    deadLetterPartitions: topics.deadLetterPartitions,
    largest: await largestBatches(worker, clusters),
    storePayload: services.storePayload,
    producerOf: (name) => {
      const producer = producers.get(name);
      if (producer === undefined) throw new TypeError(`no producer for cluster ${name}`);
      return producer;
    },
  });
  const sink = isTableWriter(worker)
    ? await tableSink(plan, worker, source, environment, writer, log)
    : await handlerSink(plan, environment, writer, log);
  return new Unit({
    id: plan.id,
    worker,
    topics,
    cluster,
    reads: plan.reads,
    byteBudget: plan.byteBudget,
    log,
    onCommit: metrics.forWorker(worker.plugin.name, worker.name).committed,
    checkWaiting: async () => checkWaitingRecords(await clusters.get(worker.cluster), worker, topics.retry),
    releaseFile: (uri) => services.staging.delete(uri),
    refusal: () => writer.refusal,
    ...(clock !== undefined && { clock }),
    createSink: sink,
  });
}

function isTableWriter(worker: ResolvedWorker): worker is ResolvedWorker & { readonly definition: TableWriterDefinition } {
  return 'rows' in worker.definition;
}

async function openProducers(worker: ResolvedWorker, clusters: Clusters): Promise<ReadonlyMap<string, KafkaProducer>> {
  const names = new Set([worker.cluster, ...[...worker.produces.values()].map(({ cluster }) => cluster)]);
  return new Map(await Promise.all([...names].map(async (name) => [name, await clusters.producer(name)] as const)));
}

/** What the broker tells of the topics that the worker produces to: a limit that is raised later is known after the next start. */
async function largestBatches({ produces }: ResolvedWorker, clusters: Clusters): Promise<ReadonlyMap<string, number>> {
  const found = await Promise.all(
    [...produces].map(async ([name, { cluster, topic }]) => {
      const bytes = await (await (await clusters.get(cluster)).admin()).maxMessageBytes(topic);
      return bytes === undefined ? [] : [[name, bytes] as const];
    }),
  );
  return new Map(found.flat());
}

type CreateSink = (unit: UnitHooks) => HandlerSink | TableSink;

async function handlerSink(
  plan: UnitPlan,
  { services, metrics, clock }: UnitEnvironment,
  writer: RecordWriter,
  log: HostLog,
): Promise<CreateSink> {
  const { worker } = plan;
  const definition = worker.definition as WorkerDefinition;
  const plugin = await services.forPlugin(worker.plugin);
  const { settings } = worker;
  const instruments = metrics.forWorker(worker.plugin.name, worker.name);
  const window = new FailureWindow({ ...settings.outage, onBad: (high, share) => tellOfBadRecords(log, high, share) });
  instruments.watchBadRecords(() => window.badShare);
  return ({ intake, onPause, onFatal }) =>
    new HandlerSink({
      intake,
      definition,
      onRetry: settings.retry.mode,
      window,
      outageKeys: settings.outage.keys,
      byteBudget: plan.byteBudget,
      releasePerSecond: settings.retry.release,
      canDelay: settings.retry.mode === 'delay' && settings.retry.lanes.length > 0,
      order: settings.order,
      concurrency: plan.concurrency,
      batchSize: settings.batchSize,
      codec: createMessageCodec((worker.consumes as ResolvedTopic).definition),
      writer,
      services: {
        config: worker.plugin.config,
        services: plugin.services,
        log,
        metrics: metrics.forPlugin(worker.plugin.name),
        http: plugin.http,
        objects: plugin.objects,
        stagingFor: (release) => services.staging.forRecord(release),
        timeout: settings.timeout,
      },
      onHandled: instruments.handled,
      onOverdue: instruments.overdue,
      onPause,
      onHeld: (held, status) => tellOfHeld(log, held, status),
      onFatal,
      ...(clock !== undefined && { clock }),
    });
}

/** The rest of the worker goes on: its state does not say it. */
function tellOfHeld(log: HostLog, held: boolean, status: HeldStatus): void {
  const { dependency, code, reason, since, records, postponed } = status;
  const fields = { dependency, code, reason, since, records, postponed };
  if (held) log.error(fields, 'a dependency fails: what needs it waits and burns no attempt, the rest goes on');
  else log.info(fields, 'what waited for a dependency goes on');
}

/** Unreadable and rejected records are in the dead letters and pause nobody; many of them are a matter for people. */
function tellOfBadRecords(log: HostLog, high: boolean, share: number): void {
  const percent = Math.round(share * 100);
  if (high)
    log.error({ percent }, 'many of the last records are unreadable or rejected: they are in the dead letters, look at their sender');
  else log.info({ percent }, 'few of the last records are unreadable or rejected');
}

async function tableSink(
  { byteBudget, reads }: UnitPlan,
  worker: ResolvedWorker & { readonly definition: TableWriterDefinition },
  source: ResolvedTopic,
  { clusters, services, metrics, clock }: UnitEnvironment,
  writer: RecordWriter,
  log: HostLog,
): Promise<CreateSink> {
  // Loaded here, since a worker without tables needs none of it.
  const [{ DeltaTable }, sinks] = await Promise.all([import('../delta/index.ts'), import('./tables/table-sink.ts')]);
  const engine = await services.delta();
  const tables: WritableTable[] = [];
  for (const resolved of worker.tables) {
    const delta = await DeltaTable.open(engine, services.tables, resolved.name, {
      create: tableSpec(resolved.definition),
      addColumns: true,
    });
    if (delta.addedColumns.length > 0)
      log.info(
        { table: resolved.name, columns: delta.addedColumns, version: delta.version },
        `columns of the definition that table ${resolved.name} did not have were added: ${delta.addedColumns.join(', ')}`,
      );
    tables.push({ resolved, delta });
  }
  const cluster = reads === 'source' ? source.cluster : worker.cluster;
  const clusterId = await clusters.clusterId(cluster);
  const admin = await (await clusters.get(cluster)).admin();
  return ({ intake, onPause, onFatal }) =>
    new sinks.TableSink({
      intake,
      definition: worker.definition,
      config: worker.plugin.config,
      tables,
      flush: worker.settings.flush,
      byteBudget,
      codec: createMessageCodec(source.definition),
      writer,
      log,
      offsets: new WriterOffsets(clusterId, worker),
      handOver: clusters.sessionTimeout(cluster) + DRAIN_DEADLINE,
      endOffsets: async (topics) => {
        const ends = await Promise.all(
          topics.map(async (topic) => (await admin.offsets(topic)).map(({ partition, high }) => [`${topic}/${partition}`, high] as const)),
        );
        return new Map(ends.flat());
      },
      onPause,
      onFatal,
      onCommit: (table, { written, repeated }, seconds) =>
        metrics.deltaCommitted({ plugin: worker.plugin.name, table, operation: 'write', rows: written, repeated, seconds }),
      ...(clock !== undefined && { clock }),
    });
}
