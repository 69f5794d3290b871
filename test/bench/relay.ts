import { done } from '@pipeline-host/sdk';
import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { relay as relayed } from './bench-unit.ts';
import { eventJson } from './events.ts';
import { figure, inTurns } from './measure.ts';
import { parsed, runRaw } from './raw-consumer.ts';
import { runUnit } from './unit-run.ts';

const SEND = 500;

/** Consume, validate, produce, commit, beside what one would write by hand with kafkajs, losing nothing either. */
export const relay: Bench = {
  name: 'relay',
  usesKafka: true,
  async run({ brokers, messages, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('relay');
    const sink = await bench.topic('relayed');
    await publish(bench.producer, topic, messages, eventJson);
    const producer = bench.kafka.producer();
    await producer.connect();
    const [raw, engine] = await inTurns(repetitions, [
      // Fetches of kafkajs's own size: batches in which there are 500 to send.
      () =>
        runRaw(
          bench.kafka,
          topic,
          messages,
          async ({ batch }, consumer) => {
            const records = batch.messages;
            for (let start = 0; start < records.length; start += SEND) {
              const outputs = records.slice(start, start + SEND).map(({ key, value }) => ({ key, value: JSON.stringify(parsed(value)) }));
              await producer.send({ topic: sink, messages: outputs });
            }
            await consumer.commitOffsets([{ topic, partition: batch.partition, offset: String(Number(batch.lastOffset()) + 1) }]);
          },
          {},
        ),
      () => runUnit(bench, messages, { topic, sink, handle: (event) => done([relayed(event)]) }),
    ]);
    await producer.disconnect();
    return [
      rateRow(
        'consume → validate → produce → commit',
        figure('engine', 'msg', engine),
        figure(`raw kafkajs \`eachBatch\` → parse → stringify → \`send\` of ${SEND} → commit`, 'msg', raw),
        0.8,
      ),
    ];
  },
};
