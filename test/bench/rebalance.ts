import { setTimeout as sleep } from 'node:timers/promises';
import { done } from '@pipeline-host/sdk';
import { type Bench, limitRow, type Row } from './bench.ts';
import { type BenchCluster, fresh, openBenchCluster, PARTITIONS } from './bench-cluster.ts';
import { benchUnit } from './bench-unit.ts';
import { eventJson } from './events.ts';

/** Records come at 1,000 a second, and each is in work for a while when the members change. */
const TICK = { milliseconds: 6, records: 6 } as const;
const WORK_MILLISECONDS = 5;
/** Time before and after each change, in which the flow is even. */
const REST = 2_000;

interface Handled {
  readonly place: string;
  readonly partition: number;
  readonly at: number;
}

/** A member joins a group of one, and leaves again, while 1,000 records a second flow. */
export const rebalance: Bench = {
  name: 'rebalance',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const joins: Change[] = [];
    const leaves: Change[] = [];
    for (let run = 0; run < repetitions; run++) {
      const { join, leave } = await joinAndLeave(bench);
      joins.push(join);
      leaves.push(leave);
    }
    return [changeRow('a member joins, 1 → 2', joins), changeRow('a member leaves, 2 → 1', leaves)];
  },
};

interface Change {
  /** Milliseconds in which no record of a partition was begun, of the partition that waited longest. */
  readonly pause: number;
  /** Handler calls for records that had been handled before. */
  readonly repeats: number;
}

function changeRow(change: string, runs: readonly Change[]): Row {
  const repeats = runs.reduce((sum, one) => sum + one.repeats, 0);
  const row = limitRow(
    `${change}: longest pause of a partition`,
    runs.map(({ pause }) => pause),
    { unit: 'ms', atMost: 1_000, baseline: `${repeats} records handled twice` },
  );
  return { ...row, holds: row.holds && repeats === 0 };
}

async function joinAndLeave(bench: BenchCluster): Promise<{ readonly join: Change; readonly leave: Change }> {
  const { producer } = bench;
  const topic = await bench.topic('rebalance');
  const group = fresh('rebalance');
  const handled: Handled[] = [];
  const member = () =>
    benchUnit({
      ...bench,
      topic,
      group,
      handle: async (_event, { record: { partition, offset } }) => {
        handled.push({ place: `${partition}/${offset}`, partition, at: performance.now() });
        await sleep(WORK_MILLISECONDS);
        return done();
      },
    });
  let n = 0;
  const flow = setInterval(() => {
    for (let count = 0; count < TICK.records; count++) {
      const partition = n % PARTITIONS;
      void producer.send({ topic, partition, key: String(n), value: eventJson(n++) });
    }
  }, TICK.milliseconds);
  try {
    const first = member();
    await first.start();
    while (handled.length === 0) await sleep(10);
    await sleep(REST);
    const second = member();
    const joined = performance.now();
    await second.start();
    while (second.status().partitions === 0) await sleep(10);
    await sleep(REST);
    const left = performance.now();
    await second.stop();
    await sleep(REST);
    const ended = performance.now();
    clearInterval(flow);
    await first.stop();
    return { join: changeIn(handled, joined, left), leave: changeIn(handled, left, ended) };
  } finally {
    clearInterval(flow);
    await producer.flush();
  }
}

/** What happened from one time to another: the longest gap in a partition, and what was handled again. */
function changeIn(handled: readonly Handled[], from: number, to: number): Change {
  const before = new Set<string>();
  const last = new Map<number, number>();
  let pause = 0;
  let repeats = 0;
  for (const { place, partition, at } of handled) {
    if (at >= to) break;
    if (at >= from) {
      pause = Math.max(pause, at - (last.get(partition) ?? at));
      if (before.has(place)) repeats++;
    }
    before.add(place);
    last.set(partition, at);
  }
  for (const at of last.values()) pause = Math.max(pause, to - at);
  return { pause, repeats };
}
