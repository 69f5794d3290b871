import { Random } from './random.ts';
import {
  type Behaviour,
  type Fault,
  LENGTH,
  type PlannedRecord,
  type PlannedReplay,
  planAttempts,
  planBasics,
  planTakes,
  type Schedule,
} from './schedule.ts';

/** Of the dice that are thrown for this alone: the basics stay as they were, and schedules that once broke a promise get nothing more. */
const SALT = 10;

/** What a seed stands for: a group under faults, and in many of them one or more of four things that make it harder. */
export function planSchedule(seed: number): Schedule {
  const random = new Random(seed ^ SALT);
  const basics = planBasics(seed);
  const has = { replays: random.chance(0.3), neighbour: random.chance(0.12), upgrade: random.chance(0.15), tables: random.chance(0.25) };
  let schedule = basics;
  if (has.tables) schedule = withTables(schedule, random);
  if (has.neighbour) schedule = withNeighbour(schedule, random);
  if (has.upgrade) schedule = withUpgrade(schedule, random);
  if (has.replays) schedule = withReplays(schedule, random);
  return schedule;
}

const forSome = (records: readonly PlannedRecord[], change: (record: PlannedRecord) => Partial<PlannedRecord>): readonly PlannedRecord[] =>
  records.map((record) => ({ ...record, ...change(record) }));

/** Rows in place of handlers, and the failures of their storage. */
function withTables(schedule: Schedule, random: Random): Schedule {
  const at = (): number => random.between(200, LENGTH);
  const trouble = (): Fault =>
    random.chance(0.5)
      ? { kind: 'storage-down', at: at(), lasts: random.between(300, 6_000) }
      : { kind: 'slow', at: at(), lasts: random.between(300, 6_000), what: 'store' };
  return {
    ...schedule,
    tables: { count: random.chance(0.5) ? 1 : 2, rows: random.between(1, 8), age: random.between(50, 1_500) },
    batchSize: 1,
    faults: [...schedule.faults, ...Array.from({ length: random.between(0, 3) }, trouble)].toSorted((one, other) => one.at - other.at),
  };
}

function withNeighbour(schedule: Schedule, random: Random): Schedule {
  const trouble = random.weighted([[0.1, 2], [0.4, 1]] as const); // biome-ignore format: a table
  return {
    ...schedule,
    neighbour: { members: random.between(1, 2) },
    records: forSome(schedule.records, () => ({ beside: planAttempts(random, trouble, 'delay') })),
  };
}

/** Some of the records come in a version that the members know only later. */
function withUpgrade(schedule: Schedule, random: Random): Schedule {
  const share = random.weighted([[0.05, 2], [0.3, 1]] as const); // biome-ignore format: a table
  return {
    ...schedule,
    upgrade: {
      at: random.between(4_000, LENGTH + 4_000),
      every: random.between(0, 3_000),
      trial: random.chance(0.5) ? { at: random.between(100, 2_500), lasts: random.between(100, 1_500) } : null,
    },
    records: forSome(schedule.records, () => (random.chance(share) ? { version: 2 } : {})),
  };
}

function withReplays(schedule: Schedule, random: Random): Schedule {
  const share = random.weighted([[0.3, 1], [1, 1]] as const); // biome-ignore format: a table
  return { ...schedule, records: forSome(schedule.records, () => (random.chance(share) ? { replay: planReplay(random) } : {})) };
}

function planReplay(random: Random): PlannedReplay {
  const dies = random.chance(0.4);
  const ends: Behaviour['ends'] = random.weighted([['output', 6], ['skip', 1], ['dead', 1]] as const); // biome-ignore format: a table
  const last: Behaviour = { ends, takes: planTakes(random) };
  return {
    after: random.between(10, 4_000),
    diesAfter: dies ? random.between(30, 140) : null,
    lateBy: random.chance(0.5) ? random.between(16_000, 40_000) : random.between(1, 500),
    secondAfter: random.chance(dies ? 0.8 : 0.4) ? random.weighted([[random.between(0, 60), 1], [random.between(17_000, 45_000), 2]] as const) : null, // biome-ignore format: a table
    attempts: random.chance(0.3) ? [{ ends: 'transient', takes: planTakes(random) }, last] : [last],
  };
}
