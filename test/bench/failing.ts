import { dead, done, retry, TransientError } from '@pipeline-host/sdk';
import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, PARTITIONS, publish } from './bench-cluster.ts';
import { RETRY_PARTITIONS } from './bench-unit.ts';
import { eventJson } from './events.ts';
import { figure, inTurns } from './measure.ts';
import { runUnit } from './unit-run.ts';

/** One of so many fails: in turns into its delay lane and into the dead letters. */
const ONE_OF = 100;
/** Longer than a run: what is tried again is not part of it. */
const DELAY = 600_000;

/** The same records, once all of them good, once with one of a hundred failing. */
export const failing: Bench = {
  name: 'failing',
  usesKafka: true,
  async run({ brokers, messages, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('failing');
    const retryTopic = await bench.topic('failing.retry', RETRY_PARTITIONS);
    const deadLetterTopic = await bench.topic('failing.dlq', PARTITIONS);
    await publish(bench.producer, topic, messages, eventJson);
    const topics = { topic, failing: { retryTopic, deadLetterTopic, delay: DELAY } };
    let n = 0;
    const [clean, some] = await inTurns(repetitions, [
      () => runUnit(bench, messages, { ...topics, handle: () => done() }),
      () =>
        runUnit(bench, messages, {
          ...topics,
          handle: () => {
            if (++n % ONE_OF !== 0) return done();
            if (n % (2 * ONE_OF) === 0) return dead('BENCH_BAD', 'a record that nothing mends');
            return retry(new TransientError('BENCH_AGAIN', 'a record that another try mends'));
          },
        }),
    ]);
    return [rateRow('1 % of the records fail', figure('engine', 'msg', some), figure('none of them', 'msg', clean), 0.8)];
  },
};
