import type { QueueWorker } from '../../host/src/dlq/queues.ts';
import { Checks } from './checks.ts';
import { Network } from './network.ts';
import type { Random } from './random.ts';
import type { PlannedReplay, Schedule } from './schedule.ts';
import { SimulatedGroup } from './simulated-group.ts';
import { SimulatedLog } from './simulated-log.ts';
import { SimulatedMember } from './simulated-member.ts';
import { SimulatedOperator } from './simulated-operator.ts';
import { silent } from './simulated-sinks.ts';
import { type SimulatedRow, SimulatedTable } from './simulated-table.ts';
import { type SimulatedWorker, TABLE_NAMES } from './simulated-worker.ts';
import type { VirtualTime } from './virtual-time.ts';
import { DEAD, DISPOSITIONS, namesOf, SOURCE, type WorkerNames } from './worker-names.ts';

/** A worker with the members of its group, all that ever were. */
export interface StaffedWorker extends SimulatedWorker {
  readonly members: SimulatedMember[];
}

/** All that a schedule is played with. */
export interface World {
  readonly schedule: Schedule;
  readonly network: Network;
  /** The worker under test, and its neighbour if it has one. */
  readonly workers: readonly [StaffedWorker, ...StaffedWorker[]];
  readonly operators: SimulatedOperator[];
  /** Replays that are still to begin. */
  replaysToCome: number;
  /** Until then (virtual time), so large a share of the calls of an API fails. */
  readonly down: { readonly [api in 'a' | 'b']: { until: number; share: number } };
  readonly tell: SimulatedWorker['tell'];
}

export function openWorld(
  schedule: Schedule,
  time: VirtualTime,
  random: Random,
  tell: World['tell'],
  onCall: SimulatedWorker['onCall'] = () => {},
): World {
  const { partitions, delays, tables, neighbour } = schedule;
  const isShared = neighbour !== undefined;
  const lanes = tables === undefined || isShared ? delays.length + 1 : 1;
  const names = [namesOf('w', isShared), ...(isShared ? [namesOf('v', isShared)] : [])];
  const log = new SimulatedLog(time, {
    [SOURCE]: partitions,
    [DEAD]: partitions,
    [DISPOSITIONS]: partitions,
    ...Object.fromEntries(names.flatMap(({ retry, results }) => [[retry, partitions * lanes], [results, 2]])), // biome-ignore format: a table
  });
  const network = new Network(time, log, random);
  const down = { a: { until: 0, share: 1 }, b: { until: 0, share: 1 } };
  const open = (own: Schedule, of: WorkerNames): StaffedWorker => {
    const counts = new Map([
      [SOURCE, partitions],
      [of.retry, partitions * lanes],
    ]);
    const checks = new Checks(own, log, of, lanes, tell);
    const onRow = (table: string) => (row: SimulatedRow) => checks.rowStored(table, row.n, row.life, row.last);
    const worker: StaffedWorker = {
      names: of,
      schedule: own,
      network,
      group: new SimulatedGroup(of.group, counts, { source: SOURCE, topic: of.retry, lanes }),
      checks,
      layout: { lanes, classes: partitions },
      isShared,
      tables: TABLE_NAMES.slice(0, own.tables?.count ?? 0).map((name) => new SimulatedTable(name, onRow(name))),
      version: schedule.upgrade === undefined ? 2 : 1,
      areMended: false,
      fails: (api) => time.now < down[api].until && (down[api].share === 1 || random.chance(down[api].share)),
      onCall,
      tell,
      members: [],
    };
    return worker;
  };
  const [first, beside] = names as [WorkerNames, WorkerNames | undefined];
  const workers: World['workers'] = [open(schedule, first), ...(beside === undefined ? [] : [open(besides(schedule), beside)])];
  const world: World = { schedule, network, workers, operators: [], replaysToCome: 0, down, tell };
  for (const { checks } of workers)
    checks.onDead = ({ plan, life }, letter, isFirst) => {
      if (life === 0 && isFirst && plan.replay !== undefined) planReplay(world, plan.replay, letter);
    };
  return world;
}

/** What the neighbour is to do: handlers of its own, on the same records and through the same faults. */
function besides({ tables: _, ...schedule }: Schedule): Schedule {
  const records = schedule.records.map(({ beside = [], replay: _replay, ...record }) => ({ ...record, attempts: beside }));
  return { ...schedule, records, members: schedule.neighbour?.members ?? 1, mode: 'delay' };
}

/** @param version of the newest schema that it knows */
export function startMember(worker: StaffedWorker, version = worker.version): SimulatedMember {
  const { names, members } = worker;
  const member = new SimulatedMember(`${names.name === 'w' ? 'm' : 'v'}${members.length + 1}`, worker, version);
  members.push(member);
  member.start();
  return member;
}

/** One operator replays the dead letter and may die of it; another one may try as well. */
function planReplay(world: World, plan: PlannedReplay, letter: { readonly partition: number; readonly offset: number }): void {
  const { time } = world.network;
  const begin = (after: number, act: (operator: SimulatedOperator) => void): void => {
    world.replaysToCome++;
    time.after(after, () => {
      world.replaysToCome--;
      act(startOperator(world));
    });
  };
  const replay = (operator: SimulatedOperator): void =>
    void operator.replay(letter.partition, world.network.log.partition(DEAD, letter.partition)[letter.offset] ?? null);
  begin(plan.after, (operator) => {
    replay(operator);
    if (plan.diesAfter === null) return;
    time.after(plan.diesAfter, () => operator.kill(plan.lateBy));
    // Its host starts again, and settles what was left unfinished.
    begin(plan.diesAfter + 1_000, (next) => void next.settleAll());
  });
  if (plan.secondAfter !== null) begin(plan.after + plan.secondAfter, replay);
}

function startOperator({ operators, network, workers, tell }: World): SimulatedOperator {
  const operator = new SimulatedOperator({
    name: `operator ${operators.length + 1}`,
    network,
    workers: workers.map(
      ({ names, layout, isShared, tables }): QueueWorker => ({
        plugin: 'p',
        name: names.name,
        cluster: 'default',
        deadLetterTopic: DEAD,
        retryTopic: names.retry,
        source: { cluster: 'default', topic: SOURCE },
        retry: { lanes: layout.lanes, wholeSets: isShared || tables.length > 0 },
      }),
    ),
    log: silent,
    tell,
    fail: (what) => workers[0].checks.fail(what),
  });
  operators.push(operator);
  return operator;
}
