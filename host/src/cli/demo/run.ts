import { join } from 'node:path';
import { openEmbeddedBroker } from '../../embedded/index.ts';
import { storageUris } from '../../engine/host-services.ts';
import type { HostStatus } from '../../engine/status.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { openStore } from '../../storage/index.ts';
import { type RunningHost, startHost } from '../../supervisor/host.ts';
import { simulationResults, tablesOf } from '../../supervisor/plugin-results.ts';
import { HOST_VERSION } from '../../version.ts';
import { countSentAgain, partOf, publishUnderFire } from './chaos.ts';
import { type DisplayStream, startDisplay } from './display.ts';
import { prepareDemoFolder } from './folder.ts';
import { openDemoLog } from './log.ts';
import { startDemoProcesses } from './processes.ts';
import { type PublishOptions, publishAll, publishSteadily } from './publish.ts';
import { demoConfig, demoPlugins, demoTopology, type StagedPlugin, startSimulations } from './stage.ts';
import { allHold, type DemoSummary, judge, type PluginSummary, pythonLine, type WorkerSummary } from './summary.ts';
import { type DemoTables, openDemoTables } from './tables.ts';
import { waitUntilThrough } from './wait.ts';

const PATIENCE = 60_000;
const STEADY_RATE = 20;

export interface DemoOptions {
  /** Names, packages or folders; empty for all installed plugins that bring a simulation. */
  readonly plugins: readonly string[];
  readonly data: string | undefined;
  readonly seed: number;
  /** Source messages of each plugin; its simulation's own default where undefined. */
  readonly messages: number | undefined;
  /** Go on with a steady stream after the summary. */
  readonly keep: boolean;
  /** The workers as processes that are killed and started again while they work. */
  readonly chaos: boolean;
  readonly cwd: string;
  readonly screen: DisplayStream;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Called once, before `keep` goes on. */
  readonly onSummary: (summary: DemoSummary) => void;
}

/**
 * The whole product on one machine: embedded broker, simulated sources, all workers, sums at the end. Returns the summary,
 * or null where it was stopped before all was through. Everything that was started is stopped when the promise settles.
 *
 * @throws PipelineError or FaultList
 */
export async function runDemo(options: DemoOptions): Promise<DemoSummary | null> {
  const began = performance.now();
  const elapsed = (): number => performance.now() - began;
  const packages = demoPlugins(options.plugins, options.cwd);
  const folder = await prepareDemoFolder(options.data, options.cwd, new Date());

  await using stack = new AsyncDisposableStack();
  const demoLog = stack.use(openDemoLog(join(folder, 'demo.log')));
  const staged = await startSimulations(packages, {
    seed: options.seed,
    messages: options.messages,
    log: demoLog.log,
    own: (simulation) => stack.defer(() => simulation.stop()),
  });
  const { config, topology } = await demoTopology(await demoConfig(folder, staged), staged, options.cwd);
  const workers = topology.workers.filter(({ consumes }) => consumes !== null);

  let host: Pick<RunningHost, 'status'> | undefined;
  let phase = 'starting';
  let published = 0;
  let isThrough = false;
  const status = (): HostStatus => {
    const found = host?.status() ?? { startedAt: '', version: HOST_VERSION, clusters: [], units: [] };
    // Lag is probed now and then; what the offsets have just proved is newer.
    return isThrough ? { ...found, units: found.units.map((unit) => ({ ...unit, lag: 0, delayed: 0 })) } : found;
  };
  const display = startDisplay(options.screen, () => ({ status: status(), elapsed: elapsed(), published, phase }));
  stack.defer(() => display.close());
  options.signal.addEventListener('abort', () => display.say('stopping; Ctrl-C again ends it at once'), { once: true });
  demoLog.showErrors((line) => display.say(line));
  for (const warning of config.warnings) display.say(warning);
  display.say(`plugins ${staged.map(({ name }) => name).join(', ')} · seed ${options.seed} · data ${folder}`);

  const start = async () => {
    if (options.chaos) return { processes: await startDemoProcesses({ folder, config, staged, workers, log: demoLog.log }) };
    return { host: await startHost({ config, topology, workers, count: 1, openEmbedded: openEmbeddedBroker, log: demoLog.log }) };
  };
  const started = await start();
  const running = started.host ?? started.processes;
  host = running;
  stack.defer(async () => {
    phase = 'stopping';
    await running.stop();
  });
  const { processes } = started;
  const where = processes
    ? `each worker in a process: ${workers.map(({ id }) => `${id} ${processes.pid(id)}`).join(', ')}`
    : `metrics ${started.host.url}/metrics`;
  display.say(`broker ${running.clusters.list()[0]?.brokers ?? '?'} · ${where}`);

  phase = 'publishing';
  const cluster = (name: string) => running.clusters.get(name);
  const sent = new Map<string, number>();
  const publishing = (plugin: StagedPlugin): PublishOptions => ({
    plugin: plugin.name,
    workers: workersOf(workers, plugin),
    cluster,
    signal: options.signal,
    onPublished: (messages) => {
      published += messages;
      sent.set(plugin.name, (sent.get(plugin.name) ?? 0) + messages);
    },
  });
  let killed: Awaited<ReturnType<typeof publishUnderFire>> | null = null;
  if (processes === undefined) {
    await orFailed(running, Promise.all(staged.map((plugin) => publishAll(plugin.simulation.messages(), publishing(plugin)))));
  } else {
    const all = await Promise.all(
      staged.map(async (plugin) => ({ plugin, messages: await Array.fromAsync(plugin.simulation.messages()) })),
    );
    const fire = publishUnderFire({
      processes,
      workers: workers.map(({ id }) => id),
      seed: options.seed,
      publishPart: async (part, parts) => {
        await Promise.all(all.map(({ plugin, messages }) => publishAll(partOf(messages, part, parts), publishing(plugin))));
      },
      say: display.say,
      signal: options.signal,
    });
    killed = await orFailed(running, fire);
  }
  phase = 'working through it';
  isThrough = await orFailed(running, waitUntilThrough({ workers, cluster, status, signal: options.signal, patience: PATIENCE }));
  if (!isThrough || options.signal.aborted) return null;

  phase = 'adding up';
  const uris = storageUris(config.config);
  const tables = await openDemoTables(uris.tables, folder);
  const plugins: PluginSummary[] = [];
  try {
    for (const plugin of staged) {
      plugins.push(
        await summarize(plugin, {
          workers: workersOf(workers, plugin),
          published: sent.get(plugin.name) ?? 0,
          cluster,
          tables,
          filesUri: uris.files,
        }),
      );
    }
  } finally {
    await tables[Symbol.asyncDispose]();
  }
  const firstTable = plugins.flatMap((plugin) => plugin.tables)[0];
  const summary: DemoSummary = {
    ok: allHold(plugins),
    seconds: Math.round(elapsed() / 100) / 10,
    seed: options.seed,
    data: folder,
    workers: workerSummaries(status()),
    chaos: killed && { ...killed, ...(await countSentAgain(workers, cluster)) },
    plugins,
    python: firstTable === undefined ? null : pythonLine(firstTable.uri),
  };
  if (!options.keep) {
    // The summary stands below everything, so the host is gone before it is printed.
    await stack.disposeAsync();
    options.onSummary(summary);
    return summary;
  }
  isThrough = false;
  display.leave();
  options.onSummary(summary);
  phase = 'steady stream, Ctrl-C ends it';
  const streams = staged.flatMap((plugin) => {
    const stream = plugin.simulation.stream?.();
    return stream === undefined ? [] : [publishSteadily(stream, STEADY_RATE, publishing(plugin))];
  });
  await orFailed(running, Promise.all([...streams, aborted(options.signal)]));
  return summary;
}

interface PluginSources {
  readonly workers: readonly ResolvedWorker[];
  readonly published: number;
  readonly cluster: Parameters<typeof simulationResults>[0]['cluster'];
  readonly tables: DemoTables;
  readonly filesUri: string;
}

async function summarize({ name, simulation }: StagedPlugin, sources: PluginSources): Promise<PluginSummary> {
  const { workers, cluster, tables } = sources;
  const store = openStore(sources.filesUri);
  const results = simulationResults({ plugin: name, workers, cluster, readRows: tables.readRows, files: store });
  const deadLetters = await results.deadLetters();
  const files = await results.files();
  const summaries = [];
  for (const table of tablesOf(workers)) summaries.push(await tables.summary(table));
  return {
    plugin: name,
    published: sources.published,
    tables: summaries,
    files: {
      uri: store.local?.path(name) ?? `${store.uri}/${name}`,
      count: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    deadLetters: {
      topic: [...new Set(workers.map(({ deadLetterTopic }) => deadLetterTopic))].join(', '),
      count: deadLetters.length,
      byCode: Object.fromEntries([...Map.groupBy(deadLetters, ({ code }) => code)].map(([code, letters]) => [code, letters.length])),
    },
    sums: judge(await simulation.sums(results)),
  };
}

function workersOf(workers: readonly ResolvedWorker[], plugin: StagedPlugin): readonly ResolvedWorker[] {
  return workers.filter((worker) => worker.plugin.name === plugin.name);
}

function workerSummaries({ units }: HostStatus): readonly WorkerSummary[] {
  return [...Map.groupBy(units, ({ plugin, worker }) => `${plugin}.${worker}`)].map(([id, members]) => {
    const total = { received: 0, done: 0, skipped: 0, retried: 0, dead: 0 };
    for (const { counts } of members)
      for (const name of ['received', 'done', 'skipped', 'retried', 'dead'] as const) total[name] += counts[name];
    return { id, ...total };
  });
}

/** The work, or the failure of the host that makes it pointless. */
function orFailed<T>(host: Pick<RunningHost, 'finished'>, work: Promise<T>): Promise<T> {
  // `finished` only resolves after `stop()`, when nobody waits for the work any more.
  return Promise.race([work, host.finished.then(() => work)]);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
