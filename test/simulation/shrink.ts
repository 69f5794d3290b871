import type { Schedule } from './schedule.ts';
import { simulate } from './simulate.ts';

/** Runs that a search may take. */
const MOST_RUNS = 400;

/**
 * A smaller schedule that still breaks a promise: faults and records are left out, halves first, then one by one, for as
 * long as something breaks without them.
 */
export async function shrink(schedule: Schedule): Promise<Schedule> {
  let smallest = schedule;
  let runs = 0;
  const breaks = async (one: Schedule): Promise<boolean> => runs++ < MOST_RUNS && (await simulate(one)).broken !== null;

  const leaveOut = async <Part>(parts: (from: Schedule) => readonly Part[], put: (parts: readonly Part[]) => Partial<Schedule>) => {
    for (let size = Math.ceil(parts(smallest).length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < parts(smallest).length; ) {
        const candidate = { ...smallest, ...put(parts(smallest).toSpliced(at, size)) };
        if (await breaks(candidate)) smallest = candidate;
        else at += size;
      }
    }
  };

  await leaveOut(
    ({ faults }) => faults,
    (faults) => ({ faults }),
  );
  await leaveOut(
    ({ records }) => records,
    (records) => ({ records }),
  );
  // What a record stood for may have been needed by a fault alone.
  await leaveOut(
    ({ faults }) => faults,
    (faults) => ({ faults }),
  );
  while (smallest.members > 1 && (await breaks({ ...smallest, members: smallest.members - 1 })))
    smallest = { ...smallest, members: smallest.members - 1 };
  return smallest;
}
