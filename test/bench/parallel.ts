import { setTimeout as sleep } from 'node:timers/promises';
import { done } from '@pipeline-host/sdk';
import { type Bench, limitRow, type Row } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { inTurns, median, timed } from './measure.ts';
import { runUnit } from './unit-run.ts';

const RECORDS = 10_000;
const CONCURRENCY = 100;

/** 0 to 5 whole milliseconds, evenly spread; 0 is no wait at all. */
const millisecondsOf = (n: number): number => (n * 7919) % 6;

async function work(n: number): Promise<void> {
  const wait = millisecondsOf(n);
  if (wait > 0) await sleep(wait);
}

/** The workload of Confluent's Parallel Consumer, beside the same waits from an array, 100 at once. */
export const parallel: Bench = {
  name: 'parallel',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('parallel');
    await publish(bench.producer, topic, RECORDS, eventJson);
    const [ideal, engine] = await inTurns(repetitions, [
      () => timed(RECORDS, () => atOnce(RECORDS, CONCURRENCY, work)),
      () =>
        runUnit(bench, RECORDS, {
          topic,
          concurrency: CONCURRENCY,
          handle: async (_event, { record }) => {
            await work(Number(record.key));
            return done();
          },
        }),
    ]);
    return [
      limitRow(
        '10,000 records, handler of 0 to 5 ms, key order, concurrency 100',
        engine.map(({ seconds }) => seconds),
        {
          unit: 's',
          atMost: 0.4,
          digits: 3,
          baseline: `the waits alone, from an array: ${median(ideal.map(({ seconds }) => seconds)).toFixed(3)} s`,
        },
      ),
    ];
  },
};

/** Calls `work` with 0, 1, 2, …, so many at once. */
async function atOnce(count: number, concurrency: number, call: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
