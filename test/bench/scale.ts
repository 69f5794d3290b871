import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, type Row, rateRow } from './bench.ts';
import { fresh, openBenchCluster, PARTITIONS, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { figure, type Run } from './measure.ts';
import { type MemberProcess, startMember } from './member-process.ts';

const PROCESSES = 3;
/** 500 records a second and process. */
const WORK = { wait: 20, concurrency: 10 } as const;
const RECORDS = 30_000;
const WINDOW = 4_000;
/** Time for the flow to become even after a change of members. */
const REST = 1_000;

/** What three processes of a group do beside three times what one does, with a handler that waits. */
export const scale: Bench = {
  name: 'scale',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('scale');
    await publish(bench.producer, topic, RECORDS, eventJson);
    const alone: Run[] = [];
    const together: Run[] = [];
    for (let run = 0; run < repetitions; run++) {
      const plan = { brokers, topic, group: fresh('scale'), ...WORK };
      const members = [await startMember(plan)];
      alone.push(await rateOf(members));
      while (members.length < PROCESSES) members.push(await startMember(plan));
      together.push(await rateOf(members));
      await Promise.all(members.map((member) => member.stop()));
    }
    return [
      rateRow(
        `a handler that waits ${WORK.wait} ms, ${PROCESSES} processes`,
        { ...figure('three', 'msg', together), cpuMicros: null },
        {
          ...figure(
            `${PROCESSES} times one process`,
            'msg',
            alone.map((one) => ({ ...one, amount: one.amount * PROCESSES })),
          ),
          cpuMicros: null,
        },
        0.9,
      ),
    ];
  },
};

/** Records that the members handle in a window, once each of them has its share of the partitions. */
async function rateOf(members: readonly MemberProcess[]): Promise<Run> {
  const states = () => Promise.all(members.map((member) => member.state()));
  const handled = async (): Promise<number> => (await states()).reduce((sum, one) => sum + one.handled, 0);
  while (!(await states()).every(({ partitions }) => partitions === PARTITIONS / members.length)) await sleep(20);
  await sleep(REST);
  const began = performance.now();
  const before = await handled();
  await sleep(WINDOW);
  const amount = (await handled()) - before;
  return { amount, seconds: (performance.now() - began) / 1000, cpuSeconds: 0 };
}
