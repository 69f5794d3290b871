import { planSchedule } from './ingredients.ts';
import type { Schedule } from './schedule.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulate.ts';

/** Lines of a story that are shown; the rest is told by `--trace`. */
const MOST_LINES = 200;

/** The first seed of a range that breaks a promise, as a short story; null where none does. */
export async function findFailure(first: number, count: number): Promise<string | null> {
  for (let seed = first; seed < first + count; seed++) {
    const schedule = planSchedule(seed);
    const { broken } = await simulate(schedule);
    if (broken !== null) return tellFailure(schedule, broken);
  }
  return null;
}

/** What broke, and the shortest story in which it does. */
export async function tellFailure(schedule: Schedule, broken: string): Promise<string> {
  const small = await shrink(schedule);
  const { broken: brokenStill, story } = await simulate(small, { trace: true });
  const { records, faults, members, partitions, mode, batchSize, tables, neighbour, upgrade } = small;
  const more = [
    ...(tables === undefined ? [] : [`rows into tables: ${tables.count}`]),
    ...(neighbour === undefined ? [] : [`members of a neighbour: ${neighbour.members}`]),
    ...(upgrade === undefined ? [] : [`an upgrade at ${upgrade.at} ms`]),
  ];
  return [
    `seed ${schedule.seed}: ${broken}`,
    `replay: npm run simulate -- --seed ${schedule.seed} --trace`,
    `shrunk to ${records.length} records and ${faults.length} faults, members ${members}, partitions ${partitions}, on retry ${mode}, batches of ${[batchSize, ...more].join(', ')}: ${brokenStill}`,
    ...story.slice(0, story.findIndex((line) => line.includes('BROKEN')) + 1).slice(-MOST_LINES),
  ].join('\n');
}
