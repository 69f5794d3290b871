import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { figure, inTurns, timed } from './measure.ts';

const SEND = 500;

/** Our producer, given message by message, beside raw `send` of many. */
export const produce: Bench = {
  name: 'produce',
  usesKafka: true,
  async run({ brokers, messages, repetitions }): Promise<readonly Row[]> {
    await using bench = await openBenchCluster(brokers);
    const topic = await bench.topic('produce');
    const events = Array.from({ length: messages }, (_, n) => ({ key: String(n), value: eventJson(n) }));
    const producer = bench.kafka.producer();
    await producer.connect();
    const [raw, ours] = await inTurns(repetitions, [
      () =>
        timed(messages, async () => {
          for (let start = 0; start < messages; start += SEND) await producer.send({ topic, messages: events.slice(start, start + SEND) });
        }),
      () => timed(messages, () => publish(bench.producer, topic, messages, (n) => events[n]?.value ?? '')),
    ]);
    await producer.disconnect();
    return [
      rateRow(
        'our producer, fed message by message',
        figure('producer', 'msg', ours),
        figure(`raw kafkajs \`send\` of ${SEND}`, 'msg', raw),
        0.9,
      ),
    ];
  },
};
