import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../plugins/xact/simulation/random.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { adminSettings } from '../integration/admin-client.ts';
import { openPythonReaders } from '../integration/python-readers.ts';
import { XACT_WORKERS } from '../integration/xact-world.ts';
import { openProxiedBroker } from './broker.ts';
import { type Disaster, Disasters, GRACEFUL, VIOLENT } from './disasters.ts';
import { Fleet } from './fleet.ts';
import { countRepeats, type Repeats } from './repeats.ts';
import { type Finding, finding, verify } from './verify.ts';
import { type ChaosWorld, openChaosWorld } from './world.ts';

export interface ChaosOptions {
  readonly seconds: number;
  /** Sent at an even rate over the time; fewer where the workers cannot follow. */
  readonly events: number;
  /** Processes of each worker. */
  readonly members: number;
  readonly seed: number;
  /** Also has the tables counted by delta-rs and DuckDB, where Python can be had. */
  readonly otherReaders: boolean;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly findings: readonly Finding[];
  readonly sent: number;
  readonly disasters: ReadonlyMap<Disaster, number>;
  /** Where the processes' logs were kept, after a failure. */
  readonly logs: string | null;
}

const CHUNK = 50;
/** Events that may be ahead of the slower of their readers. */
const AHEAD = 2_000;
/** The part of the time and of the events in which members only join and leave. */
const GRACEFUL_PART = 0.3;
const PAUSE = { least: 200, most: 1_500 } as const;
const THROUGH_PATIENCE = 300_000;
const WORKERS_WITH_HANDLERS = ['ingester', 'downloader', 'uploader'] as const satisfies readonly (keyof Repeats)[];

/** The whole pipeline under disasters. Throws only where the run itself cannot go on, with the logs kept. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { say, seed } = options;
  using http = adminSettings();
  await using broker = await openProxiedBroker();
  await using world = await openChaosWorld({ address: broker.address, seed, http: http.http });
  await using fleet = new Fleet(world.pipeline);
  const keepLogs = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'chaos-logs-'));
    fleet.keepLogs(folder);
    return folder;
  };
  try {
    for (const worker of XACT_WORKERS) {
      await Promise.all(Array.from({ length: options.members }, () => fleet.start(worker)));
      say(`${options.members} × ${worker} run`);
    }
    await fleet.untilBalanced();

    const random = new Random(seed);
    const calm = new Disasters({ fleet, broker, random, say });
    const gracefully = { seconds: options.seconds * GRACEFUL_PART, events: Math.round(options.events * GRACEFUL_PART) };
    say(`members leave and join for ${Math.round(gracefully.seconds)} s`);
    await Promise.all([publish(world, gracefully), strikeFor(gracefully.seconds, calm, GRACEFUL, random)]);
    await world.pipeline.untilThrough({ timeout: THROUGH_PATIENCE });
    const calmRepeats = await countRepeats(world);

    const storm = new Disasters({ fleet, broker, random, say });
    const rest = { seconds: options.seconds - gracefully.seconds, events: options.events - gracefully.events };
    say(`and now everything for ${Math.round(rest.seconds)} s`);
    await Promise.all([publish(world, rest), strikeFor(rest.seconds, storm, VIOLENT, random)]);
    say(`${world.sent.length.toLocaleString('en-US')} events are sent; waiting until all is through`);
    await world.pipeline.untilThrough({ timeout: THROUGH_PATIENCE });
    await until('the accounts of all processes', () => isAccounted(fleet), 60_000);
    storm.finish();
    const repeats = await countRepeats(world);

    const readers = options.otherReaders ? await openPythonReaders() : null;
    const findings = [...(await verify(world, fleet, readers))];
    for (const worker of WORKERS_WITH_HANDLERS) {
      const again = calmRepeats[worker];
      findings.push(finding(`handler calls of ${worker} made again by joins and graceful leaves`, again === 0, again));
    }
    for (const worker of WORKERS_WITH_HANDLERS) {
      const again = repeats[worker] - calmRepeats[worker];
      const allowed = storm.allowed(worker);
      const figures = `${again.toLocaleString('en-US')} of at most ${allowed.toLocaleString('en-US')}`;
      findings.push(finding(`handler calls of ${worker} made again, of what was open or not committed`, again <= allowed, figures));
    }
    const wrongExits = [...calm.wrongExits, ...storm.wrongExits, ...(await fleet.stop())];
    findings.push(finding('processes that stopped otherwise than with 0', wrongExits.length === 0, wrongExits.join('; ') || '0'));
    const disasters = new Map(
      [...calm.counts, ...storm.counts].map(([kind]) => [kind, (calm.counts.get(kind) ?? 0) + (storm.counts.get(kind) ?? 0)]),
    );
    const logs = findings.every(({ holds }) => holds) ? null : keepLogs();
    return { findings, sent: world.sent.length, disasters, logs };
  } catch (error) {
    say(`the logs of the processes are in ${keepLogs()}`);
    throw error;
  }
}

/** Evenly over the time, but no further ahead than the readers can follow; what is left then is not sent. */
async function publish(world: ChaosWorld, { seconds, events }: { readonly seconds: number; readonly events: number }): Promise<void> {
  const began = performance.now();
  const first = world.sent.length;
  while (world.sent.length - first < events && performance.now() - began < seconds * 1000) {
    const due = Math.min(events, Math.ceil((events * (performance.now() - began)) / (seconds * 1000)));
    const count = Math.min(CHUNK * 10, due - (world.sent.length - first));
    const read = await Promise.all(['ingester', 'event-writer'].map((worker) => world.pipeline.committed(worker)));
    if (count < CHUNK || world.sent.length - Math.min(...read) > AHEAD) await wait(50);
    else await world.publish(count);
  }
}

async function strikeFor(seconds: number, disasters: Disasters, kinds: typeof VIOLENT, random: Random): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await disasters.strike(kinds);
    await wait(random.between(PAUSE.least, PAUSE.most));
  }
}

/** Whether every process has said that nothing of its partitions is open: its account is probed now and then. */
function isAccounted(fleet: Fleet): boolean {
  return [...fleet.members].every(({ last }) => last?.balance?.every(({ open }) => open === 0) === true);
}
