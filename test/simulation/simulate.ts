import { HEADER } from '../../host/src/retry/headers.ts';
import type { Checks } from './checks.ts';
import { Random } from './random.ts';
import type { PlannedRecord, Schedule } from './schedule.ts';
import type { SimulatedMember } from './simulated-member.ts';
import { strike, upgrade } from './strike.ts';
import { VirtualTime } from './virtual-time.ts';
import { SOURCE } from './worker-names.ts';
import { openWorld, startMember, type World } from './world.ts';

/** Once faults have stopped, all must be done within so many virtual milliseconds, beside what records wait in delay lanes. */
const RECOVERY = 600_000;
/** A member stops in so many. */
const STOP = 30_000;

export interface Simulation {
  /** The promise that was broken, or null. */
  readonly broken: string | null;
  /** What happened, a line each; empty unless it was asked for. */
  readonly story: readonly string[];
  /** Virtual milliseconds that it took. */
  readonly took: number;
}

/** What the members hold in memory at one time. */
export interface Held {
  /** Virtual milliseconds since the start. */
  readonly at: number;
  readonly open: number;
  readonly buffered: number;
  readonly timers: number;
}

export interface SimulateOptions {
  /** Tell the story. */
  readonly trace?: boolean;
  /** Shown what is held, once a virtual minute. */
  readonly onMinute?: (held: Held) => void;
  /** Told of each record that has come to its end, and when. */
  readonly onEnd?: (n: number, as: 'output' | 'skip' | 'dead', at: number) => void;
  /** Told of each call of the handler. */
  readonly onCall?: (n: number, attempt: number) => void;
}

/** Runs the engine through a schedule. The same schedule gives the same story. */
export async function simulate(schedule: Schedule, { trace = false, onMinute, onEnd, onCall }: SimulateOptions = {}): Promise<Simulation> {
  const time = new VirtualTime();
  const story: string[] = [];
  const tell = (line: () => string): void => {
    if (trace) story.push(`${(time.now / 1_000).toFixed(3).padStart(8)} s  ${line()}`);
  };
  const random = new Random(schedule.seed ^ 0x5eed);
  const restore = time.install(() => random.next());
  const world = openWorld(schedule, time, random, tell, onCall);
  const { checks } = world.workers[0];
  const rejected = (reason: unknown): void => checks.fail(`unhandled rejection: ${String(reason)}`);
  checks.onEnd = (n, as) => onEnd?.(n, as, time.now);
  process.on('unhandledRejection', rejected);
  try {
    if (onMinute !== undefined) watchMemory(world, onMinute);
    await play(schedule, world);
    return { broken: brokenOf(world), story, took: time.now };
  } finally {
    process.off('unhandledRejection', rejected);
    restore();
  }
}

const membersOf = ({ workers }: World): readonly SimulatedMember[] => workers.flatMap(({ members }) => members);

const brokenOf = ({ workers }: World): string | null => workers.find(({ checks }) => checks.broken !== null)?.checks.broken ?? null;

function watchMemory(world: World, onMinute: (held: Held) => void): void {
  const { time } = world.network;
  const look = (): void => {
    const held = membersOf(world).map((member) => member.held);
    const sum = (of: (one: SimulatedMember['held']) => number): number => held.reduce((total, one) => total + of(one), 0);
    onMinute({ at: time.now, open: sum(({ open }) => open), buffered: sum(({ buffered }) => buffered), timers: time.pending });
    time.after(60_000, look);
  };
  look();
}

async function play(schedule: Schedule, world: World): Promise<void> {
  const { network, workers, operators } = world;
  const { time } = network;
  const [{ checks }] = workers;
  for (const worker of workers) for (let count = 0; count < worker.schedule.members; count++) startMember(worker);
  for (const plan of schedule.records) time.after(plan.at, () => publish(plan, world));
  const timed = [...schedule.records, ...schedule.faults, ...(schedule.upgrade === undefined ? [] : [schedule.upgrade])];
  let left = timed.length;
  for (const { at } of timed) time.after(at, () => left--);
  for (const fault of schedule.faults) time.after(fault.at, () => strike(fault, world));
  if (schedule.upgrade !== undefined) upgrade(schedule.upgrade, world);
  const broken = (): boolean => brokenOf(world) !== null;
  const calmAt = Math.max(...timed.map((one) => one.at + ('lasts' in one ? one.lasts : 0)), 0);
  await time.run(() => broken() || (left === 0 && time.now > calmAt), calmAt + STOP);
  for (const worker of workers) if (worker.members.every(({ state }) => state !== 'running')) startMember(worker);
  const recovery = RECOVERY + Math.max(...schedule.delays);
  const isComplete = (): boolean =>
    world.replaysToCome + network.late === 0 &&
    operators.every(({ isDone }) => isDone) &&
    workers.every((worker) => worker.checks.isComplete);
  const isOver = (): Promise<boolean> => time.run(() => broken() || isComplete(), time.now + recovery);
  if (!(await isOver()) && !(mendHandlers(world) && (await isOver())))
    checks.fail(`not over ${recovery / 1_000} s after the last fault: ${workers.map((worker) => worker.checks.openStory).join('; ')}`);
  for (const worker of workers) for (const member of worker.members) checkBalance(member, worker.checks);
  const members = membersOf(world);
  const stopping = members.map((member) => member.stop());
  const stopped = Promise.all(stopping).then(
    () => true,
    (error: unknown) => {
      checks.fail(`a member could not stop: ${String(error)}`);
      return true;
    },
  );
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  const inTime = await time.run(() => broken() || (isStopped && members.every(({ state }) => state !== 'stopping')), time.now + STOP);
  if (!inTime) checks.fail(`a member did not stop within ${STOP / 1_000} s`);
  for (const worker of workers) worker.checks.finish();
  for (const operator of operators) operator.close();
  for (const member of members) member.kill(0);
}

/** The account that a member shows of itself, from offsets alone. */
function checkBalance({ name, state, unit }: SimulatedMember, checks: Checks): void {
  if (state !== 'running') return;
  for (const { topic, missing } of unit.status().balance ?? [])
    if (missing !== 0) checks.fail(`${name} misses ${missing} offsets of ${topic}`);
}

/** What ten keys and more fail with alike is an outage to the engine, which ends when somebody mends it. */
function mendHandlers(world: World): boolean {
  const running = membersOf(world).filter(({ state }) => state === 'running');
  if (!running.some(({ unit }) => unit.status().held.some(({ code }) => code === 'SIM_TRANSIENT'))) return false;
  world.tell(() => 'the handlers are mended');
  for (const worker of world.workers) {
    worker.areMended = true;
    worker.checks.mayEndOtherwise = true;
  }
  return true;
}

function publish(plan: PlannedRecord, { network, workers, tell }: World): void {
  const { partition, key, n, unreadable, version } = plan;
  // What transactions leave behind: an offset without a record.
  if (n % 7 === 3) network.log.appendInvisible(SOURCE, partition);
  for (const { checks, schedule } of workers) checks.expect(schedule.records.find((own) => own.n === n) ?? plan);
  tell(() => `record ${n} (${key}) comes, partition ${partition}${version === undefined ? '' : `, of version ${version}`}`);
  const headers = version === undefined ? {} : { [HEADER.schema]: `jobs@${version}` };
  network.log.append({ topic: SOURCE, partition, key, value: unreadable ? '{' : JSON.stringify({ id: key, n }), headers });
}
