import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../host/src/testing/index.ts';
import { adminSettings } from '../integration/admin-client.ts';
import { openForeignEngines } from '../integration/foreign/engines.ts';
import { XACT_WORKERS } from '../integration/xact-world.ts';
import { type ChaosBroker, openProxiedBroker } from './broker.ts';
import { type Disaster, Disasters, type Kinds } from './disasters.ts';
import { Fleet } from './fleet.ts';
import { countRepeats, type Repeats } from './repeats.ts';
import { accounts, type Finding, finding, verify } from './verify.ts';
import { type ChaosWorld, openChaosWorld } from './world.ts';

export interface ChaosOptions {
  readonly broker: ChaosBroker;
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
interface Phase {
  readonly name: string;
  readonly kinds: Kinds;
  /** Of the time and of the events. */
  readonly part: number;
  /** So many disasters also on a machine so slow that the time is over before. */
  readonly least: number;
}

/** One after the other, each until all is through: so it is known what was repeated by what. */
const PHASES: readonly Phase[] = [
  { name: 'members join and leave', kinds: ['terminate', 'join'], part: 0.2, least: 2 },
  { name: 'kill -9', kinds: ['kill'], part: 0.3, least: 2 },
  {
    name: 'everything',
    kinds: ['kill', 'kill', 'terminate', 'join', 'broker-kill', 'broker-terminate', 'cut', 'swallow'],
    part: 0.5,
    least: 4,
  },
];
const PAUSE = { least: 200, most: 1_500 } as const;
const THROUGH_PATIENCE = 300_000;
const WORKERS_WITH_HANDLERS = ['ingester', 'downloader', 'uploader'] as const satisfies readonly (keyof Repeats)[];

/** The whole pipeline under disasters. Throws only where the run itself cannot go on, with the logs kept. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { say, seed } = options;
  using http = adminSettings();
  await using broker = await openProxiedBroker(options.broker);
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
    const disasters = new Map<Disaster, number>();
    const wrongExits: string[] = [];
    const repeated: Finding[] = [];
    let before: Repeats = { ingester: 0, downloader: 0, uploader: 0 };
    for (const { name, kinds, part, least } of PHASES) {
      const seconds = options.seconds * part;
      say(`${name}, for ${Math.round(seconds)} s`);
      const phase = new Disasters({ fleet, broker, random, say });
      await Promise.all([publish(world, seconds, Math.round(options.events * part)), strikeFor(seconds, least, phase, kinds, random)]);
      say(`${world.sent.length.toLocaleString('en-US')} events are sent; waiting until all is through`);
      await world.pipeline.untilThrough({ timeout: THROUGH_PATIENCE });
      // Whoever lost the broker has joined again before the next phase, whose disasters are not to blame for it.
      await accounts(world, fleet);
      phase.finish();
      const repeats = await countRepeats(world);
      for (const worker of WORKERS_WITH_HANDLERS)
        repeated.push(noMoreThanAllowed(name, worker, repeats[worker] - before[worker], phase.allowed(worker)));
      before = repeats;
      for (const [kind, times] of phase.counts) disasters.set(kind, (disasters.get(kind) ?? 0) + times);
      wrongExits.push(...phase.wrongExits);
    }

    await using readers = await openForeignEngines(options.otherReaders ? ['delta-rs', 'DuckDB'] : []);
    const findings = [...(await verify(world, fleet, readers.all)), ...repeated];
    wrongExits.push(...(await fleet.stop()));
    findings.push(finding('processes that stopped otherwise than with 0', wrongExits.length === 0, wrongExits.join('; ') || '0'));
    const logs = findings.every(({ holds }) => holds) ? null : keepLogs();
    return { findings, sent: world.sent.length, disasters, logs };
  } catch (error) {
    say(`the logs of the processes are in ${keepLogs()}`);
    throw error;
  }
}

/** Joins and graceful leaves repeat nothing; anything else no more than what was open, or settled and not committed. */
function noMoreThanAllowed(phase: string, worker: string, again: number, allowed: number): Finding {
  const figures = `${again.toLocaleString('en-US')} of at most ${allowed.toLocaleString('en-US')}`;
  return finding(`${phase}: handler calls of ${worker} made again`, again <= allowed, figures);
}

/** Evenly over the time, but no further ahead than the readers can follow; what is left then is not sent. */
async function publish(world: ChaosWorld, seconds: number, events: number): Promise<void> {
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

async function strikeFor(seconds: number, least: number, disasters: Disasters, kinds: Kinds, random: Random): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let strikes = 0; strikes < least || performance.now() < end; strikes++) {
    await disasters.strike(kinds);
    await wait(random.between(PAUSE.least, PAUSE.most));
  }
}
