import { Random } from './random.ts';

/** What one call of the handler does. `takes`: milliseconds; 0 answers at once, without a promise. */
export interface Behaviour {
  readonly ends: 'output' | 'skip' | 'transient' | 'permanent' | 'dead' | 'too-large';
  readonly takes: number;
}

export interface PlannedRecord {
  /** Virtual milliseconds. */
  readonly at: number;
  readonly partition: number;
  readonly key: string;
  readonly n: number;
  /** The API that its handler needs. */
  readonly needs: 'a' | 'b';
  /** No message at all. */
  readonly unreadable: boolean;
  /** One for each attempt; the last one stands for all that follow. */
  readonly attempts: readonly Behaviour[];
  /** What the handler of the neighbour does, where there is one. */
  readonly beside?: readonly Behaviour[];
  /** Of its schema; 1 by default. Who knows only the first must not handle the second. */
  readonly version?: 2;
  /** What becomes of its dead letter, if there is one. */
  readonly replay?: PlannedReplay;
}

/** One or two operators replay a dead letter. */
export interface PlannedReplay {
  /** Milliseconds after the dead letter was stored. */
  readonly after: number;
  /** The first operator's process dies so long after it began, or never. */
  readonly diesAfter: number | null;
  /** What a dead operator had sent arrives so much later, if at all. */
  readonly lateBy: number;
  /** A second operator, on another process, tries so long after the first. */
  readonly secondAfter: number | null;
  /** What the handler does by then. */
  readonly attempts: readonly Behaviour[];
}

export type Fault =
  | { readonly kind: 'join'; readonly at: number }
  | { readonly kind: 'leave'; readonly at: number; readonly member: number }
  | { readonly kind: 'crash'; readonly at: number; readonly member: number; readonly noticedAfter: number; readonly backAfter: number }
  | { readonly kind: 'throw-out'; readonly at: number; readonly member: number; readonly noticedAfter: number }
  | { readonly kind: 'broker-down'; readonly at: number; readonly lasts: number }
  | { readonly kind: 'dependency-down'; readonly at: number; readonly lasts: number; readonly which: 'both' | 'b'; readonly share: number }
  | { readonly kind: 'commits-fail'; readonly at: number; readonly lasts: number }
  | { readonly kind: 'storage-down'; readonly at: number; readonly lasts: number }
  | { readonly kind: 'slow'; readonly at: number; readonly lasts: number; readonly what: 'send' | 'commit' | 'store' };

export interface PlannedUpgrade {
  readonly at: number;
  /** Milliseconds between one replacement and the next. */
  readonly every: number;
  /** One member with version 2 is tried out before, beside the others, and taken away again: what it began comes back to them. */
  readonly trial: { readonly at: number; readonly lasts: number } | null;
}

/** All that happens to a group in one run, as data, so that a run can be repeated with less of it. */
export interface Schedule {
  readonly seed: number;
  readonly members: number;
  readonly partitions: number;
  readonly mode: 'delay' | 'hold';
  /** Records of one call of the handler; 1 where it takes one at a time. */
  readonly batchSize: number;
  readonly concurrency: number;
  readonly byteBudget: number;
  /** Waits of the delay lanes: two. */
  readonly delays: readonly number[];
  readonly records: readonly PlannedRecord[];
  readonly faults: readonly Fault[];
  /** The worker writes rows into so many tables, in batches, in place of handling records. */
  readonly tables?: { readonly count: 1 | 2; readonly rows: number; readonly age: number };
  /** A second worker of the plugin reads the same topic, and both have their retries in one. */
  readonly neighbour?: { readonly members: number };
  /** Members that start from then on know version 2; those that run are replaced one after the other. */
  readonly upgrade?: PlannedUpgrade;
}

/** Milliseconds that a handler may take. */
export const TIMEOUT = 2_000;
/** Waits of the delay lanes. */
const DELAYS: readonly number[] = [700, 1_500];
/** Records come, and faults begin, in so many milliseconds. */
export const LENGTH = 6_000;

/** A group of handlers under faults: where every schedule begins. */
export function planBasics(seed: number): Schedule {
  const random = new Random(seed);
  const partitions = random.between(1, 4);
  const members = random.between(1, 3);
  const mode = random.chance(0.3) ? 'hold' : 'delay';
  const keys = random.between(2, 12);
  const count = random.between(10, 60);
  const trouble = random.weighted([[0, 1], [0.15, 3], [0.4, 1]] as const); // biome-ignore format: a table
  return {
    seed,
    members,
    partitions,
    mode,
    batchSize: random.chance(0.25) ? random.between(2, 5) : 1,
    concurrency: random.between(1, 8),
    byteBudget: random.chance(0.2) ? 1_000 : 1_000_000,
    delays: DELAYS,
    records: Array.from({ length: count }, (_, n): PlannedRecord => {
      const key = `k${random.between(1, keys)}`;
      return {
        at: random.between(0, LENGTH),
        partition: Number(key.slice(1)) % partitions,
        key,
        n,
        needs: n % 2 === 0 ? 'a' : 'b',
        unreadable: random.chance(trouble / 10),
        attempts: planAttempts(random, trouble, mode),
      };
    }).toSorted((one, other) => one.at - other.at),
    faults: Array.from({ length: random.between(0, 5) }, () => planFault(random)).toSorted((one, other) => one.at - other.at),
  };
}

export function planAttempts(random: Random, trouble: number, mode: Schedule['mode']): readonly Behaviour[] {
  const last: Behaviour = {
    ends: random.weighted([['output', 20], ['skip', 3], ['permanent', 10 * trouble], ['dead', 5 * trouble], ['too-large', 5 * trouble]] as const), // biome-ignore format: a table
    takes: planTakes(random),
  };
  const failures: Behaviour[] = [];
  while (failures.length < (mode === 'delay' ? 3 : 2) && random.chance(trouble)) {
    failures.push({ ends: 'transient', takes: random.chance(0.2) ? TIMEOUT + random.between(600, 12_000) : planTakes(random) });
  }
  // What ends over its time is dropped, whatever it says.
  return [...failures.map((one) => (one.takes > TIMEOUT ? { ...one, ends: 'output' as const } : one)), last];
}

export function planTakes(random: Random): number {
  return random.weighted([[0, 4], [random.between(1, 30), 6], [random.between(100, 1_500), 2]] as const); // biome-ignore format: a table
}

function planFault(random: Random): Fault {
  const at = random.between(200, LENGTH);
  const member = random.between(0, 3);
  const lasts = random.between(300, 6_000);
  const kind = random.weighted([
    ['join', 3],
    ['leave', 4],
    ['crash', 4],
    ['throw-out', 3],
    ['broker-down', 1],
    ['dependency-down', 2],
    ['commits-fail', 2],
    ['slow', 2],
  ] as const);
  switch (kind) {
    case 'join':
      return { kind, at };
    case 'leave':
      return { kind, at, member };
    case 'crash':
      return { kind, at, member, noticedAfter: random.between(50, 6_000), backAfter: random.between(50, 4_000) };
    case 'throw-out':
      return { kind, at, member, noticedAfter: random.between(20, 3_000) };
    case 'dependency-down':
      // Drawn from what is drawn already, so that a seed stays the schedule that it was.
      return { kind, at, lasts, which: lasts % 2 === 0 ? 'both' : 'b', share: lasts % 3 === 0 ? 0.5 : 1 };
    case 'slow':
      return { kind, at, lasts, what: random.chance(0.5) ? 'send' : 'commit' };
    default:
      return { kind, at, lasts };
  }
}

/** How a record must end, whatever happens around it. */
export function expectedEnd(
  { unreadable }: PlannedRecord,
  attempts: readonly Behaviour[],
  { mode, delays, tables }: Schedule,
): 'output' | 'skip' | 'dead' {
  if (unreadable) return 'dead';
  // A table writer has one answer, and waits until it can be given.
  if (tables !== undefined) return endOf(attempts.at(-1));
  const tries = mode === 'delay' ? attempts.slice(0, delays.length + 1) : attempts;
  return endOf(tries.find(({ ends, takes }) => takes <= TIMEOUT && ends !== 'transient'));
}

function endOf(behaviour: Behaviour | undefined): 'output' | 'skip' | 'dead' {
  return behaviour?.ends === 'output' || behaviour?.ends === 'skip' ? behaviour.ends : 'dead';
}
