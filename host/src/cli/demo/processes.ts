import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';
import type { LoadedConfig } from '../../config/load.ts';
import { type Clusters, connectClusters } from '../../engine/clusters.ts';
import type { HostStatus, UnitCounts, UnitStatus } from '../../engine/status.ts';
import { ensureTopics } from '../../engine/topics.ts';
import type { HostLog } from '../../observability/logger.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { HOST_VERSION } from '../../version.ts';
import { openEmbedded } from '../embedded-broker.ts';
import { startWorkerProcess, type WorkerProcess } from '../worker-process.ts';
import { DEMO_CONFIG, type StagedPlugin } from './stage.ts';

const LOOK = 250;
/** A killed member's partitions are free again so soon. */
const SESSION_TIMEOUT = '2s';
const NONE: UnitCounts = { received: 0, done: 0, skipped: 0, retried: 0, dead: 0 };

export interface DemoProcessesOptions {
  readonly folder: string;
  /** Of the demo; the processes read its file. */
  readonly config: LoadedConfig;
  readonly staged: readonly StagedPlugin[];
  readonly workers: readonly ResolvedWorker[];
  readonly log: HostLog;
}

/** Each worker as a process of its own, on the embedded broker of this process. */
export interface DemoProcesses {
  readonly clusters: Clusters;
  /** One unit a worker. Counts go on over its lives; what a life did after it was last asked is not in them. */
  status(): HostStatus;
  /** Rejects when a process ends that nobody ended, with PH_DEMO_WORKER_ENDED. Resolves after `stop`. */
  readonly finished: Promise<void>;
  pid(worker: string): number;
  /** What the worker's process says of itself now; undefined where it does not answer. */
  look(worker: string): Promise<UnitStatus | undefined>;
  /** Ends the worker's process by SIGKILL. Resolves when it is gone. */
  kill(worker: string): Promise<void>;
  /** Starts the worker's process again, but not after `stop`. Resolves when it runs. */
  revive(worker: string): Promise<void>;
  stop(): Promise<void>;
}

/** A worker over its lives. */
interface Slot {
  process: WorkerProcess;
  /** Of the lives before this one. */
  before: UnitCounts;
  last: UnitStatus | undefined;
}

/** Broker and topics first, then all processes. @throws PipelineError; what was started is stopped then */
export async function startDemoProcesses(options: DemoProcessesOptions): Promise<DemoProcesses> {
  const { config, workers, log } = options;
  const clusters = connectClusters(config, openEmbedded, log);
  const token = randomBytes(24).toString('base64url');
  const env = environment(options, token);
  const slots = new Map<string, Slot>();
  /** Those that were told to end. */
  const ordered = new Set<WorkerProcess>();
  const { promise: finished, resolve: finish, reject: fail } = Promise.withResolvers<void>();
  finished.catch(() => {});

  const spawn = ({ id, name, plugin }: ResolvedWorker): WorkerProcess => {
    const started = startWorkerProcess({
      args: ['--plugin', plugin.name, '--worker', name, '--config', join(options.folder, DEMO_CONFIG)],
      cwd: options.folder,
      env,
      token,
      logFile: join(options.folder, `${id}.log`),
    });
    void started.ended.then((how) => {
      if (ordered.has(started)) return;
      fail(
        new PipelineError('PH_DEMO_WORKER_ENDED', `process ${started.pid} of ${id} ended by itself: ${how}`, {
          place: join(options.folder, `${id}.log`),
        }),
      );
    });
    return started;
  };
  const slotOf = (id: string): Slot => {
    const slot = slots.get(id);
    if (slot === undefined) throw new Error(`no process for ${id}`);
    return slot;
  };
  const look = async (id: string): Promise<UnitStatus | undefined> => {
    const slot = slotOf(id);
    const { process } = slot;
    // One that is killed or starting does not answer.
    const status = await process.status().catch(() => undefined);
    const unit = status?.units[0];
    if (unit !== undefined && slot.process === process) slot.last = unit;
    return unit;
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void Promise.all([...slots.keys()].map(look)).finally(() => {
      isLooking = false;
    });
  }, LOOK);
  let isStopping = false;
  const stop = async (): Promise<void> => {
    isStopping = true;
    clearInterval(timer);
    for (const { process } of slots.values()) ordered.add(process);
    await Promise.all([...slots.values()].map(({ process }) => process.stop()));
    await clusters.close();
    finish();
  };

  try {
    await ensureTopics(workers, clusters, true);
    for (const worker of workers) slots.set(worker.id, { process: spawn(worker), before: NONE, last: undefined });
    await Promise.race([Promise.all([...slots.values()].map(({ process }) => process.ready)), finished]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    clusters,
    status: () => ({
      startedAt: '',
      version: HOST_VERSION,
      clusters: clusters.list(),
      units: workers.map((worker) => unitOf(worker, slotOf(worker.id))),
    }),
    finished,
    pid: (id) => slotOf(id).process.pid,
    look,
    async kill(id) {
      const slot = slotOf(id);
      ordered.add(slot.process);
      await slot.process.kill();
      slot.before = add(slot.before, slot.last?.counts ?? NONE);
      slot.last = undefined;
    },
    async revive(id) {
      const worker = workers.find((each) => each.id === id);
      if (worker === undefined) throw new Error(`no worker ${id}`);
      const slot = slotOf(id);
      if (isStopping) return;
      slot.process = spawn(worker);
      await Promise.race([slot.process.ready, finished]);
    },
    stop,
  };
}

/** Nothing of the user's own settings; what the simulations add to the config file, and how the processes are asked. */
function environment({ staged }: DemoProcessesOptions, token: string): Readonly<Record<string, string>> {
  const own = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || name.startsWith('PIPELINE_HOST') || name.startsWith('NODE_') ? [] : [[name, value] as const],
  );
  return {
    ...Object.fromEntries(own),
    PIPELINE_HOST__HTTP__ADMIN__TOKEN: token,
    PIPELINE_HOST__KAFKA__SESSION_TIMEOUT: SESSION_TIMEOUT,
    ...Object.fromEntries(
      staged.flatMap(({ name, simulation }) =>
        Object.entries(simulation.config).map(([key, value]) => [`PIPELINE_HOST__PLUGINS__${name}__${key}`, JSON.stringify(value)]),
      ),
    ),
  };
}

function unitOf(worker: ResolvedWorker, { before, last }: Slot): UnitStatus {
  const unit = last ?? {
    ...{ id: worker.id, plugin: worker.plugin.name, worker: worker.name, state: { kind: 'starting' as const }, counts: NONE },
    ...{
      open: 0,
      delayed: null,
      lag: null,
      oldestOpen: null,
      partitions: 0,
      balance: null,
      exactResume: null,
      alerts: [],
      held: [],
      postponed: 0,
    },
  };
  return { ...unit, counts: add(before, unit.counts) };
}

function add(left: UnitCounts, right: UnitCounts): UnitCounts {
  return {
    received: left.received + right.received,
    done: left.done + right.done,
    skipped: left.skipped + right.skipped,
    retried: left.retried + right.retried,
    dead: left.dead + right.dead,
  };
}
