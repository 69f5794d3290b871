import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fault, Schedule } from './schedule.ts';
import { type Held, simulate } from './simulate.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** One record comes in so many milliseconds, all the time. */
const PACE = 20_000;
/** Bytes of records that the member may hold, each with what is around it. */
const BUDGET = 10_000;
const SMALLEST_RECORD = 128;

describe('six hours without', () => {
  for (const [what, kind] of [
    ['brokers', 'broker-down'],
    ['the API that all handlers need', 'dependency-down'],
  ] as const)
    it(`${what}: everything is done afterwards with no restart, and no more is held at the end than at the start`, async (t) => {
      const fault = { kind, at: 5 * MINUTE, lasts: 6 * HOUR } as const;
      const held: Held[] = [];
      const { broken, took } = await simulate(scheduleWith(fault), { onMinute: (one) => held.push(one) });
      assert.equal(broken, null);
      assert.ok(took > 6 * HOUR, 'the outage was lived through');

      const outage = held.filter(({ at }) => at > fault.at + 30 * MINUTE && at < fault.at + fault.lasts);
      const most = (of: (one: Held) => number): number => Math.max(...outage.map(of));
      t.diagnostic(
        `most open ${most(({ open }) => open)}, timers ${most(({ timers }) => timers)}, heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`,
      );
      assert.ok(outage.length > 300, 'looked at every minute');
      assert.ok(most(({ open }) => open) <= BUDGET / SMALLEST_RECORD + 8, 'what is open follows from the budget, not from the outage');
      assert.ok(most(({ buffered }) => buffered) <= BUDGET, 'what waits for the brokers is of open records');
      const timers = outage.map((one) => one.timers);
      // Records that are still to come are timers of the simulation itself: their number only falls.
      assert.ok(
        timers.every((count, minute) => minute === 0 || count <= (timers[minute - 1] as number) + 4),
        'timers pile up',
      );
    });
});

function scheduleWith(fault: Extract<Fault, { readonly lasts: number }>): Schedule {
  const count = Math.floor((fault.at + fault.lasts + 10 * MINUTE) / PACE);
  return {
    seed: 6,
    members: 1,
    partitions: 2,
    mode: 'delay',
    batchSize: 1,
    concurrency: 4,
    byteBudget: BUDGET,
    records: Array.from({ length: count }, (_, n) => ({
      at: (n + 1) * PACE,
      partition: n % 2,
      key: `k${n % 20}`,
      n,
      unreadable: false,
      attempts: [{ ends: 'output', takes: 20 }],
    })),
    faults: [fault],
  };
}
