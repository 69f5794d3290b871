import { milliseconds, PipelineError } from '@pipeline-host/sdk';
import type { Clock } from '../clock.ts';
import { DEFAULT_CLUSTER } from '../config/cluster-faults.ts';
import type { LoadedConfig } from '../config/load.ts';
import { sweepPayloads } from '../dlq/payload-sweep.ts';
import { queuesOf } from '../dlq/queues.ts';
import type { HttpTraffic } from '../http/traffic.ts';
import type { KafkaCluster } from '../kafka/driver.ts';
import { createLogger, type HostLog } from '../observability/logger.ts';
import { createMetrics, type HostMetrics } from '../observability/metrics.ts';
import { registerSecret } from '../observability/redact.ts';
import type { ResolvedMaintenance } from '../plugins/resolve-maintenance.ts';
import type { ResolvedWorker, Topology } from '../plugins/topology.ts';
import { HOST_VERSION } from '../version.ts';
import { checkAccess } from './access.ts';
import { type ClusterInfo, type Clusters, connectClusters, type OpenEmbedded } from './clusters.ts';
import { createUnit, type UnitPlan } from './create-unit.ts';
import { type HostServices, type HostServicesOptions, openHostServices } from './host-services.ts';
import { queueWorkers } from './queue-workers.ts';
import { settleStartPosition } from './start-position.ts';
import type { HostStatus, HostUnit, UnitProgress } from './status.ts';
import { ensureTopics } from './topics.ts';
import type { Unit } from './unit.ts';
import { checkWaitingRecords } from './waiting-records.ts';

export interface HostOptions {
  readonly config: LoadedConfig;
  readonly topology: Topology;
  /** The workers to run, of those in the topology. */
  readonly workers: readonly ResolvedWorker[];
  /** The plugins whose tables this process maintains, when it is its turn. None by default. */
  readonly maintenance?: readonly ResolvedMaintenance[];
  /** Members of each worker's group in this process; they share its concurrency and bytes. */
  readonly count: number;
  readonly openEmbedded: OpenEmbedded;
  /** Shows status and metrics to the outside, from before the first check to after the last commit. Given from above: the engine knows no HTTP server. */
  readonly serve: (served: ServedState) => Promise<{ readonly url: string; close(): Promise<void> }>;
  /** JSON lines on stderr by default. */
  readonly log?: HostLog;
  /** What delays, probes and requests wait by; the system's by default. */
  readonly clock?: Clock;
  /** Servers that stand in for others: see {@link HostServicesOptions}. */
  readonly standIns?: HostServicesOptions['standIns'];
  /** In place of what plugins make themselves: see {@link HostServicesOptions}. */
  readonly services?: HostServicesOptions['services'];
}

/** What a host shows of itself. */
export interface ServedState {
  readonly host: string;
  readonly port: number;
  readonly status: () => HostStatus;
  readonly metrics: HostMetrics;
  readonly clusters: Clusters;
  readonly log: HostLog;
}

export interface RunningHost {
  /** Address of health, metrics and admin. */
  readonly url: string;
  readonly clusters: { get(name: string): Promise<KafkaCluster>; list(): readonly ClusterInfo[] };
  status(): HostStatus;
  /** Of the workers, not of the maintenance. */
  progress(): readonly UnitProgress[];
  /** What the handlers' requests do right now. */
  traffic(): HttpTraffic;
  /** Rejects when every unit has failed for good; otherwise pending until `stop()`, which resolves it. */
  readonly finished: Promise<void>;
  /** Pause, drain, commit, flush, leave: everything settled is committed when it resolves. At the most 30 s. */
  stop(): Promise<void>;
}

/**
 * Checks everything that can be checked, then runs the workers until `stop()`.
 *
 * @throws FaultList or PipelineError before anything is consumed: topics, start positions, tables and addresses are checked first
 */
export async function startEngine(options: HostOptions): Promise<RunningHost> {
  const { config } = options.config;
  for (const secret of options.config.secrets) registerSecret(secret);
  const log = options.log ?? createLogger({ level: config.log.level });
  const metrics = createMetrics();
  const startedAt = new Date().toISOString();
  const clusters = connectClusters(options.config, options.openEmbedded, log);
  const { workers, maintenance = [] } = options;
  const units: HostUnit[] = [];
  let services: HostServices | null = null;
  const status = (): HostStatus => ({
    startedAt,
    version: HOST_VERSION,
    clusters: clusters.list(),
    units: units.map((unit) => unit.status()),
  });

  /** Each step is done whatever became of those before it: no port and no broker stays behind. */
  const closeAll = async (): Promise<void> => {
    const results = await Promise.allSettled(units.map((unit) => unit.stop()));
    for (const step of [() => clusters.close(), () => services?.close()]) results.push(...(await Promise.allSettled([step()])));
    for (const result of results) if (result.status === 'rejected') log.warn({ error: result.reason }, 'not everything could be closed');
  };

  const records: Unit[] = [];
  const { clock, standIns, services: given } = options;
  try {
    const served = await options.serve({ host: config.http.host, port: config.http.port, status, metrics, clusters, log });
    metrics.bindStatus(status);
    metrics.bindProducers(() => clusters.producers());
    try {
      for (const worker of workers) checkCount(worker, options.count);
      const withTopics = new Set([...workers, ...maintenance.flatMap(({ writers }) => writers)]);
      const topics = await ensureTopics([...withTopics], clusters, config.kafka.createTopics, options.topology.workers);
      await checkAccess(workers, clusters);
      await Promise.all(
        workers.map(async (worker) => {
          const layout = topics.get(worker.id)?.retry;
          if (layout !== undefined) await checkWaitingRecords(await clusters.get(worker.cluster), worker, layout);
        }),
      );
      for (const worker of workers) await settlePosition(worker, options.topology, clusters, log);
      services = await openHostServices(config, log, metrics, {
        ...(standIns !== undefined && { standIns }),
        ...(clock !== undefined && { clock }),
        ...(given !== undefined && { services: given }),
        ...payloadSweep(options, clusters, log),
      });
      for (const plan of planUnits(options, topics)) {
        const unit = await createUnit(plan, { clusters, services, metrics, log, ...(clock !== undefined && { clock }) });
        records.push(unit);
        units.push(unit);
      }
      for (const one of maintenance) {
        const { createMaintenance } = await import('./maintenance/create-maintenance.ts');
        units.push(await createMaintenance(one, config, { clusters, services, metrics, log }));
      }
      await Promise.all(units.map((unit) => unit.start()));
    } catch (error) {
      await served.close();
      throw error;
    }

    const opened = services;
    const { promise: stopped, resolve: resolveStopped } = Promise.withResolvers<void>();
    // What maintains tables never fails for good, and is no reason to go on where all else did.
    const finished = records.length === 0 ? stopped : Promise.race([stopped, allFailed(records)]);
    finished.catch(() => {});
    let stopping: Promise<void> | null = null;
    return {
      url: served.url,
      clusters,
      status,
      traffic: () => opened.traffic(),
      progress: () => records.map((unit) => unit.progress()),
      finished,
      stop: () => {
        stopping ??= (async () => {
          await closeAll();
          await served.close();
          metrics.close();
          resolveStopped();
        })();
        return stopping;
      },
    };
  } catch (error) {
    await closeAll();
    metrics.close();
    throw error;
  }
}

/** Of every plugin's dead letters, whichever workers run here. */
function payloadSweep(
  { config: { config }, topology }: HostOptions,
  clusters: Clusters,
  log: HostLog,
): Pick<HostServicesOptions, 'sweepPayloads'> {
  const { payloadsFor } = config.storage;
  if (payloadsFor === 'forever') return {};
  const queues = [...queuesOf(queueWorkers(topology.workers), DEFAULT_CLUSTER).values()];
  return {
    sweepPayloads: (files, signal) => sweepPayloads({ queues, clusters, files, keepFor: milliseconds(payloadsFor), log, signal }),
  };
}

/** Rejects when no unit is left that could go on. */
async function allFailed(units: readonly HostUnit[]): Promise<never> {
  const errors = await Promise.all(units.map((unit) => unit.failed.catch((error: unknown) => error)));
  throw errors[0];
}

async function settlePosition(
  worker: ResolvedWorker,
  topology: Topology,
  clusters: Clusters,
  log: Parameters<typeof settleStartPosition>[3],
): Promise<void> {
  if (worker.consumes === null) {
    throw new PipelineError('PH_WORKER_UNSUPPORTED', `${worker.id} is a poller`, { place: `worker ${worker.id}` });
  }
  const { topic, cluster } = worker.consumes;
  const isOwn = topology.workers.some((other) =>
    [...other.produces.values()].some((produced) => produced.topic === topic && produced.cluster === cluster),
  );
  await settleStartPosition(await (await clusters.get(cluster)).admin(), worker, isOwn, log);
}

/** Members share the concurrency of their worker, and each needs a part of it. Table writers have none. */
function checkCount({ id, settings, definition }: ResolvedWorker, count: number): void {
  if (count <= settings.concurrency || 'rows' in definition) return;
  throw new PipelineError('PH_WORKER_COUNT', `${count} members of ${id} cannot share a concurrency of ${settings.concurrency}`, {
    place: `worker ${id}`,
  });
}

/** One unit a member; a second one for retries whose source lives on another cluster. */
function planUnits({ workers, count, config }: HostOptions, topics: Awaited<ReturnType<typeof ensureTopics>>): UnitPlan[] {
  const plans = workers.flatMap((worker) => {
    const shape = topics.get(worker.id);
    if (shape === undefined) return [];
    const apart = worker.consumes?.cluster !== worker.cluster;
    const { concurrency } = worker.settings;
    return Array.from({ length: count }, (_, member) => member).flatMap((member) => {
      const id = member === 0 ? worker.id : `${worker.id}#${member + 1}`;
      // The first members take what cannot be shared out evenly.
      const share = Math.floor(concurrency / count) + (member < concurrency % count ? 1 : 0);
      const plan = { worker, topics: shape, concurrency: share };
      return [{ ...plan, id, reads: 'source' as const }, ...(apart ? [{ ...plan, id: `${id}~retry`, reads: 'retry' as const }] : [])];
    });
  });
  const byteBudget = Math.floor(config.config.memory.inFlightBytes / Math.max(1, plans.length));
  return plans.map((plan) => ({ ...plan, byteBudget }));
}
