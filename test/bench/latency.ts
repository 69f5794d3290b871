import { setTimeout as sleep } from 'node:timers/promises';
import { done } from '@pipeline-host/sdk';
import { type Bench, limitRow, type Row } from './bench.ts';
import { type BenchCluster, fresh, openBenchCluster } from './bench-cluster.ts';
import { benchUnit } from './bench-unit.ts';
import { median, quantile } from './measure.ts';
import { clock, publishEvenly, SENT } from './publisher-process.ts';

const PER_SECOND = 1_000;
const RECORDS = 8_000;
/** The first second warms up. */
const WARM = PER_SECOND;

interface Latencies {
  readonly p50: number;
  readonly p99: number;
}

/** From `send` in another process to the handler in this one, at 1,000 records a second, beside raw kafkajs. */
export const latency: Bench = {
  name: 'latency',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const raw: Latencies[] = [];
    const engine: Latencies[] = [];
    for (let run = 0; run < repetitions; run++) {
      raw.push(await listened(bench, brokers, listenRaw));
      engine.push(await listened(bench, brokers, listenWithEngine));
    }
    const row = (part: 'p50' | 'p99', atMost: number): Row =>
      limitRow(
        `publish in another process → handler, ${PER_SECOND.toLocaleString('en')} records/s, ${part}`,
        engine.map((one) => one[part]),
        {
          unit: 'ms',
          atMost,
          digits: 1,
          baseline: `raw kafkajs \`eachBatch\`: ${median(raw.map((one) => one[part])).toFixed(1)} ms`,
        },
      );
    return [row('p50', 10), row('p99', 50)];
  },
};

interface Listener {
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

type Listen = (bench: BenchCluster, topic: string, seen: (sent: number) => void) => Promise<Listener>;

async function listened(bench: BenchCluster, brokers: readonly string[], listen: Listen): Promise<Latencies> {
  const topic = await bench.topic('latency');
  const waits: number[] = [];
  const listener = await listen(bench, topic, (sent) => waits.push(clock() - sent));
  await listener.ready;
  await publishEvenly({ brokers, topic, perSecond: PER_SECOND, records: RECORDS });
  while (waits.length < RECORDS) await sleep(5);
  await listener.stop();
  const warm = waits.slice(WARM);
  return { p50: median(warm), p99: quantile(warm, 0.99) };
}

const listenRaw: Listen = async ({ kafka }, topic, seen) => {
  const consumer = kafka.consumer({ groupId: fresh('latency'), maxWaitTimeInMs: 250 });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { headers } of batch.messages) seen(Number(headers?.[SENT]));
    },
  });
  return { ready: joined, stop: () => consumer.disconnect() };
};

const listenWithEngine: Listen = async (bench, topic, seen) => {
  const unit = benchUnit({
    ...bench,
    topic,
    group: fresh('latency'),
    handle: (_event, { record }) => {
      seen(Number(record.headers[SENT]));
      return done();
    },
  });
  await unit.start();
  const assigned = async (): Promise<void> => {
    while (unit.status().partitions === 0) await sleep(5);
  };
  return { ready: assigned(), stop: () => unit.stop() };
};
