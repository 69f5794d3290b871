import { Checks, DEAD, RESULTS, RETRY, SOURCE } from './checks.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';
import type { Fault, PlannedRecord, Schedule } from './schedule.ts';
import { SimulatedGroup } from './simulated-group.ts';
import { SimulatedLog } from './simulated-log.ts';
import { type MemberWorld, SimulatedMember } from './simulated-member.ts';
import { VirtualTime } from './virtual-time.ts';

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
  const rejected = (reason: unknown): void => checks.fail(`unhandled rejection: ${String(reason)}`);
  const world = openWorld(schedule, time, random, tell, onCall);
  const { checks } = world;
  checks.onEnd = (n, as) => onEnd?.(n, as, time.now);
  process.on('unhandledRejection', rejected);
  try {
    if (onMinute !== undefined) watchMemory(world, onMinute);
    await play(schedule, world);
    return { broken: checks.broken, story, took: time.now };
  } finally {
    process.off('unhandledRejection', rejected);
    restore();
  }
}

function watchMemory({ members, network: { time } }: World, onMinute: (held: Held) => void): void {
  const look = (): void => {
    const held = members.map((member) => member.held);
    const sum = (of: (one: SimulatedMember['held']) => number): number => held.reduce((total, one) => total + of(one), 0);
    onMinute({ at: time.now, open: sum(({ open }) => open), buffered: sum(({ buffered }) => buffered), timers: time.pending });
    time.after(60_000, look);
  };
  look();
}

interface World extends MemberWorld {
  areMended: boolean;
  readonly members: SimulatedMember[];
  /** Until then (virtual time), so large a share of the calls of an API fails. */
  readonly down: { readonly [api in 'a' | 'b']: { until: number; share: number } };
}

function openWorld(
  schedule: Schedule,
  time: VirtualTime,
  random: Random,
  tell: MemberWorld['tell'],
  onCall: MemberWorld['onCall'] = () => {},
): World {
  const { partitions, delays } = schedule;
  const lanes = delays.length + 1;
  const log = new SimulatedLog(time, { [SOURCE]: partitions, [RETRY]: partitions * lanes, [RESULTS]: 2, [DEAD]: partitions });
  const plans = new Map(schedule.records.map((plan) => [plan.n, plan]));
  const counts = new Map([
    [SOURCE, partitions],
    [RETRY, partitions * lanes],
  ]);
  const world: World = {
    schedule,
    network: new Network(time, log, random),
    group: new SimulatedGroup(counts, { source: SOURCE, topic: RETRY, lanes }),
    checks: new Checks(schedule, log, tell),
    layout: { lanes, classes: partitions },
    planOf: (n) => plans.get(n) as PlannedRecord,
    fails: (api) => time.now < world.down[api].until && (world.down[api].share === 1 || random.chance(world.down[api].share)),
    onCall,
    tell,
    areMended: false,
    members: [],
    down: { a: { until: 0, share: 1 }, b: { until: 0, share: 1 } },
  };
  return world;
}

async function play(schedule: Schedule, world: World): Promise<void> {
  const { network, checks, members } = world;
  const { time } = network;
  for (let count = 0; count < schedule.members; count++) startMember(world);
  for (const plan of schedule.records) time.after(plan.at, () => publish(plan, world));
  let left = schedule.records.length + schedule.faults.length;
  for (const { at } of [...schedule.records, ...schedule.faults]) time.after(at, () => left--);
  for (const fault of schedule.faults) time.after(fault.at, () => strike(fault, world));
  const broken = (): boolean => checks.broken !== null;
  const calmAt = Math.max(...[...schedule.records, ...schedule.faults].map((one) => one.at + ('lasts' in one ? one.lasts : 0)), 0);
  await time.run(() => broken() || (left === 0 && time.now > calmAt), calmAt + STOP);
  if (members.every(({ state }) => state !== 'running')) startMember(world);
  const recovery = RECOVERY + Math.max(...schedule.delays);
  const isOver = (): Promise<boolean> => time.run(() => broken() || checks.isComplete, time.now + recovery);
  if (!(await isOver()) && !(mendHandlers(world) && (await isOver())))
    checks.fail(`not over ${recovery / 1_000} s after the last fault: ${checks.openStory}`);
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
  checks.finish();
  for (const member of members) member.kill(0);
}

/** What ten keys and more fail with alike is an outage to the engine, which ends when somebody mends it. */
function mendHandlers(world: World): boolean {
  const held = world.members.filter(({ state }) => state === 'running').flatMap(({ unit }) => unit.status().held);
  if (!held.some(({ code }) => code === 'SIM_TRANSIENT')) return false;
  world.tell(() => 'the handlers are mended');
  world.areMended = true;
  world.checks.mayEndOtherwise = true;
  return true;
}

function startMember(world: World): void {
  const member = new SimulatedMember(`m${world.members.length + 1}`, world);
  world.members.push(member);
  member.start();
}

function publish(plan: PlannedRecord, { network, checks, tell }: World): void {
  const { partition, key, n, unreadable } = plan;
  // What transactions leave behind: an offset without a record.
  if (n % 7 === 3) network.log.appendInvisible(SOURCE, partition);
  checks.expect(plan);
  tell(() => `record ${n} (${key}) comes, partition ${partition}`);
  network.log.append({ topic: SOURCE, partition, key, value: unreadable ? '{' : JSON.stringify({ id: key, n }) });
}

function strike(fault: Fault, world: World): void {
  const { network, members, tell } = world;
  const { time } = network;
  const running = members.filter(({ state }) => state === 'running');
  switch (fault.kind) {
    case 'join':
      startMember(world);
      return;
    case 'leave':
      void running[fault.member % Math.max(1, running.length)]?.stop();
      return;
    case 'crash':
      running[fault.member % Math.max(1, running.length)]?.kill(fault.noticedAfter);
      time.after(fault.backAfter, () => startMember(world));
      return;
    case 'throw-out':
      running[fault.member % Math.max(1, running.length)]?.throwOut(fault.noticedAfter);
      return;
    case 'dependency-down':
      tell(() => `${fault.which === 'both' ? 'both APIs fail' : 'API b fails'} ${100 * fault.share} % of all calls for ${fault.lasts} ms`);
      for (const api of fault.which === 'both' ? (['a', 'b'] as const) : (['b'] as const))
        Object.assign(world.down[api], { until: Math.max(world.down[api].until, time.now + fault.lasts), share: fault.share });
      return;
    case 'commits-fail':
      tell(() => `commits fail for ${fault.lasts} ms`);
      network.commitsFailUntil = Math.max(network.commitsFailUntil, time.now + fault.lasts);
      return;
    case 'slow':
      tell(() => `each ${fault.what} is slow for ${fault.lasts} ms`);
      network.slowUntil[fault.what] = Math.max(network.slowUntil[fault.what], time.now + fault.lasts);
      return;
    case 'broker-down':
      takeBrokerDown(fault.lasts, world);
      return;
  }
}

function takeBrokerDown(lasts: number, { network, members, tell }: World): void {
  const { time, log, random } = network;
  tell(() => `no broker answers for ${lasts} ms`);
  log.isDown = true;
  for (const member of members)
    time.after(random.between(500, 4_000), () => {
      if (log.isDown) member.disconnect();
    });
  time.after(lasts, () => {
    log.isDown = false;
    tell(() => 'the brokers answer again');
    log.wakeReaders();
  });
}
