import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '@pipeline-host/sdk';
import { until } from '../host/engine/in-memory-unit.ts';
import { openLake, TableUnit } from '../host/engine/table-unit.ts';
import type { Fault, Schedule } from './schedule.ts';
import { type Held, simulate } from './simulate.ts';
import { VirtualTime } from './virtual-time.ts';

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
      const lasts = { at: 5 * MINUTE, lasts: 6 * HOUR } as const;
      const fault = kind === 'broker-down' ? { kind, ...lasts } : ({ kind, ...lasts, which: 'both', share: 1 } as const);
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

  it('the storage of the tables: the batch is held and written afterwards, each row once', async (t) => {
    const lake = await openLake();
    const unit = await TableUnit.open({
      lake,
      name: 'six-hours',
      flush: { rows: 10, bytes: 1e6, age: 5_000 },
      byteBudget: BUDGET,
    });
    await unit.assign();
    const time = new VirtualTime();
    const restore = time.install(() => 0.5);
    let tries = 0;
    const refuse = async (): Promise<void> => {
      tries++;
      throw new UnavailableError('PH_STORAGE_FAILED', 'the storage is away');
    };
    unit.at(0).before = refuse;
    unit.at(0).refresh = refuse;
    unit.at(0).stage = refuse;
    const delivered: string[] = [];
    const next = (): void => {
      const id = String(delivered.length).padStart(5, '0');
      if (!unit.paused) {
        delivered.push(id);
        unit.deliver([id]);
      }
      time.after(PACE, next);
    };
    next();
    try {
      await time.run(() => false, 6 * HOUR);
      assert.ok(time.now > 6 * HOUR - MINUTE, 'the outage was lived through');
      assert.notEqual(unit.pause, null);
      assert.ok(unit.paused, 'no more is taken than the budget');
      assert.ok(delivered.length < 2 * (BUDGET / SMALLEST_RECORD), `${delivered.length} records are held`);
      assert.ok(tries > 500 && tries < 2_000, `${tries} tries`);
      assert.ok(time.pending < 10, `${time.pending} timers`);
      t.diagnostic(`${delivered.length} records held, ${tries} tries, heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`);
      unit.at(0).before = null;
      unit.at(0).stage = null;
      unit.at(0).refresh = async () => restore();
      await time.run(() => false, time.now + MINUTE);
    } finally {
      restore();
    }
    await unit.sink.drain(Date.now() + 30_000); // what waits for its flush waits for a timer of the time that is over
    await until(() => unit.committed === delivered.length, 'committed');
    assert.equal(unit.fatal, undefined);
    assert.deepEqual(await unit.ids(), delivered);
    unit.close();
    await lake.close();
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
    delays: [700, 1_500],
    records: Array.from({ length: count }, (_, n) => ({
      at: (n + 1) * PACE,
      partition: n % 2,
      key: `k${n % 20}`,
      n,
      needs: n % 2 === 0 ? 'a' : 'b',
      unreadable: false,
      attempts: [{ ends: 'output', takes: 20 }],
    })),
    faults: [fault],
  };
}
