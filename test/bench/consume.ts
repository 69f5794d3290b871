import { done } from '@pipeline-host/sdk';
import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { figure, inTurns } from './measure.ts';
import { parsed, runRaw } from './raw-consumer.ts';
import { runUnit } from './unit-run.ts';

/** The engine in key order, each event checked against its schema, beside raw kafkajs that parses it alone. */
export const consume: Bench = {
  name: 'consume',
  usesKafka: true,
  async run({ brokers, messages, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('consume');
    await publish(bench.producer, topic, messages, eventJson);
    const [raw, engine] = await inTurns(repetitions, [
      () =>
        runRaw(bench.kafka, topic, messages, async ({ batch }) => {
          for (const { value } of batch.messages) parsed(value);
        }),
      () => runUnit(bench, messages, { topic, handle: () => done() }),
    ]);
    return [
      rateRow(
        'the engine, validated, key order, no-op handler, 1.2 KB events',
        figure('engine', 'msg', engine),
        figure('raw kafkajs `eachBatch` + `JSON.parse`', 'msg', raw),
        0.85,
      ),
    ];
  },
};
