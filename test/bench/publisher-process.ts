import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openBenchCluster } from './bench-cluster.ts';
import { eventJson } from './events.ts';

/** Header with the epoch milliseconds of the `send` call, with fractions. */
export const SENT = 'sent';

/** Milliseconds on a clock that the processes of one machine share. */
export const clock = (): number => performance.timeOrigin + performance.now();

interface Plan {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly perSecond: number;
  readonly records: number;
}

/** Publishes records evenly from a process of its own. Resolves when all are acknowledged. */
export async function publishEvenly(plan: Plan): Promise<void> {
  const child = fork(new URL(import.meta.url), [JSON.stringify(plan)], { execArgv: process.execArgv });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the publisher ended with ${code}`);
}

async function publishAll({ brokers, topic, perSecond, records }: Plan): Promise<void> {
  await using bench = await openBenchCluster(brokers);
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const began = clock();
  const sent: Promise<void>[] = [];
  // A timer that is late sends what it missed.
  const timer = setInterval(() => {
    const due = Math.min(records, ((clock() - began) / 1000) * perSecond);
    while (sent.length < due) {
      const n = sent.length;
      sent.push(bench.producer.send({ topic, key: String(n), value: eventJson(n), headers: { [SENT]: String(clock()) } }));
    }
    if (sent.length >= records) resolve();
  }, 1);
  await all;
  clearInterval(timer);
  await Promise.all(sent);
}

const [, script, plan] = process.argv;
if (process.send !== undefined && plan !== undefined && script?.includes('publisher-process') === true) {
  await publishAll(JSON.parse(plan) as Plan);
  process.disconnect?.();
}
