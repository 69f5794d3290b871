import { setTimeout as sleep } from 'node:timers/promises';
import { done, retry, TransientError } from '@pipeline-host/sdk';
import { type Bench, limitRow, type Row } from './bench.ts';
import { fresh, openBenchCluster, PARTITIONS } from './bench-cluster.ts';
import { benchUnit, RETRY_PARTITIONS } from './bench-unit.ts';
import { eventJson } from './events.ts';
import { quantile } from './measure.ts';

const RECORDS = 2_000;
/** Records that come, and fail, at once; so long between two such. */
const TICK = { records: 5, milliseconds: 20 } as const;
const DELAY = 1_000;

/** How long after its due time a retried record is handled again, where 250 a second fail while others become due. */
export const retryDue: Bench = {
  name: 'retry',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const worst: number[] = [];
    for (let run = 0; run < repetitions; run++) {
      const topic = await bench.topic('due');
      const retryTopic = await bench.topic('due.retry', RETRY_PARTITIONS);
      const deadLetterTopic = await bench.topic('due.dlq', PARTITIONS);
      const dueAt = new Map<string, number>();
      const late: number[] = [];
      const unit = benchUnit({
        ...bench,
        topic,
        group: fresh('due'),
        failing: { retryTopic, deadLetterTopic, delay: DELAY },
        handle: (_event, { attempt, record }) => {
          const key = String(record.key);
          const due = dueAt.get(key);
          if (attempt > 1 && due !== undefined) {
            late.push(Date.now() - due);
            return done();
          }
          dueAt.set(key, Date.now() + DELAY);
          return retry(new TransientError('BENCH_AGAIN', 'the second try is good'));
        },
      });
      await unit.start();
      for (let n = 0; n < RECORDS; n += TICK.records) {
        const keys = Array.from({ length: TICK.records }, (_, index) => n + index);
        await bench.producer.sendAll(keys.map((key) => ({ topic, key: String(key), value: eventJson(key) })));
        await sleep(TICK.milliseconds);
      }
      while (late.length < RECORDS) await sleep(10);
      await unit.stop();
      worst.push(quantile(late, 0.99));
    }
    return [limitRow('a retry fires after it is due, 99 of 100', worst, { unit: 'ms', atMost: 500, baseline: 'its due time' })];
  },
};
