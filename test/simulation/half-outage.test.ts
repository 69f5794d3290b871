import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Schedule } from './schedule.ts';
import { type Held, simulate } from './simulate.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** One record comes in so many milliseconds, all the time. */
const PACE = 4_000;
/** Bytes of records that the member may hold, each with what is around it. */
const BUDGET = 25_000;
const SMALLEST_RECORD = 128;
/** API b begins to fail. */
const AT = 5 * MINUTE;

function scheduleWith(share: number): Schedule {
  const count = Math.floor((AT + HOUR + 5 * MINUTE) / PACE);
  return {
    seed: 12,
    members: 1,
    partitions: 2,
    mode: 'delay',
    batchSize: 1,
    concurrency: 4,
    byteBudget: BUDGET,
    delays: [5 * MINUTE, 20 * MINUTE],
    records: Array.from({ length: count }, (_, n) => ({
      at: (n + 1) * PACE,
      partition: n % 2,
      // Keys have records of both kinds.
      key: `k${n % 401}`,
      n,
      needs: n % 2 === 0 ? 'a' : 'b',
      unreadable: false,
      attempts: [{ ends: 'output', takes: 20 }],
    })),
    faults: [{ kind: 'dependency-down', at: AT, lasts: HOUR, which: 'b', share }],
  };
}

describe('an hour in which one of two APIs', () => {
  for (const [what, share] of [
    ['is down', 1],
    ['fails half of its calls', 0.5],
  ] as const)
    it(`${what}: the other half goes on, nothing burns an attempt, and all is done in the end`, async (t) => {
      const schedule = scheduleWith(share);
      const held: Held[] = [];
      const ended = new Map<number, { readonly as: string; readonly at: number }>();
      let calls = 0;
      let most = 0;
      const { broken } = await simulate(schedule, {
        onMinute: (one) => held.push(one),
        onEnd: (n, as, at) => void ended.set(n, { as, at }),
        onCall: (_n, attempt) => {
          calls++;
          most = Math.max(most, attempt);
        },
      });
      assert.equal(broken, null);
      assert.equal(most, 1, 'no attempt is burned');
      assert.equal(ended.size, schedule.records.length);
      assert.ok([...ended.values()].every(({ as }) => as === 'output'));

      const during = schedule.records.filter(({ at, needs }) => needs === 'a' && at > AT && at < AT + HOUR);
      const inTime = during.filter(({ n, at }) => (ended.get(n)?.at ?? 0) < at + MINUTE);
      const mostOpen = Math.max(...held.map(({ open }) => open));
      t.diagnostic(
        `${inTime.length} of ${during.length} that need the other API done within a minute, ${calls} calls, most open ${mostOpen}`,
      );
      // The rest stood behind a record of their key that waits.
      assert.ok(inTime.length > during.length * 0.9);
      assert.ok(mostOpen <= BUDGET / SMALLEST_RECORD, 'what is open follows from the budget');
    });
});
