import { setTimeout as sleep } from 'node:timers/promises';
import { done } from '@pipeline-host/sdk';
import { connectCluster, type KafkaLog } from '../../host/src/kafka/index.ts';
import { benchUnit } from './bench-unit.ts';
import { eventJson } from './events.ts';
import { median } from './measure.ts';

const PARTITIONS = 6;
/** Records come at 1,000 a second, and each is in work for a while when the members change. */
const TICK = { milliseconds: 6, records: 6 } as const;
const WORK_MILLISECONDS = 5;
/** Time before and after each change, in which the flow is even. */
const REST = 2_000;
const quiet: KafkaLog = { debug() {}, info() {}, warn() {}, error() {} };

/** What a planned change of the members of a group costs. */
export interface Rebalance {
  readonly change: string;
  /** Milliseconds in which no record of a partition was begun, of the partition that waited longest: the median of the runs. */
  readonly pause: number;
  readonly longest: number;
  /** Handler calls for records that had been handled before, in all runs. */
  readonly repeats: number;
}

interface Handled {
  readonly place: string;
  readonly partition: number;
  readonly at: number;
}

/** A member joins a group of one, and leaves again, while records flow. */
export async function benchRebalance(brokers: readonly string[], repetitions: number): Promise<readonly Rebalance[]> {
  const joins: Change[] = [];
  const leaves: Change[] = [];
  for (let run = 0; run < repetitions; run++) {
    const { join, leave } = await joinAndLeave(brokers, run);
    joins.push(join);
    leaves.push(leave);
  }
  return [summary('a member joins, 1 → 2', joins), summary('a member leaves, 2 → 1', leaves)];
}

interface Change {
  readonly pause: number;
  readonly repeats: number;
}

function summary(change: string, runs: readonly Change[]): Rebalance {
  const pauses = runs.map(({ pause }) => pause);
  return { change, pause: median(pauses), longest: Math.max(...pauses), repeats: runs.reduce((sum, { repeats }) => sum + repeats, 0) };
}

async function joinAndLeave(brokers: readonly string[], run: number): Promise<{ readonly join: Change; readonly leave: Change }> {
  const cluster = connectCluster({ name: 'bench', brokers, clientId: 'bench' }, quiet);
  const topic = `bench.rebalance.${process.pid}.${run}`;
  const admin = await cluster.admin();
  await admin.createTopics([{ name: topic, partitions: PARTITIONS }]);
  const producer = await cluster.producer();
  const handled: Handled[] = [];
  const member = () =>
    benchUnit({
      cluster,
      producer,
      topic,
      partitions: PARTITIONS,
      group: `rebalance-${process.pid}-${run}`,
      handle: async ({ record: { partition, offset } }) => {
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
    await producer.close();
    await admin.deleteTopics([topic]);
    await cluster.close();
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
