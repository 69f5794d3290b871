import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { FETCH_BYTES } from '../../host/src/kafka/consume/consumer.ts';
import { fresh } from './bench-cluster.ts';
import { type Run, timed } from './measure.ts';

/** The fetches of the engine, so that only what is done with the records differs. */
const FETCH = { maxWaitTimeInMs: 250, maxBytesPerPartition: FETCH_BYTES.partition, maxBytes: FETCH_BYTES.all } as const;

/** kafkajs alone: a new group's way through a topic of so many records, from its first batch on. */
export async function runRaw(
  kafka: Kafka,
  topic: string,
  records: number,
  eachBatch: (payload: EachBatchPayload, consumer: Consumer) => Promise<void>,
  fetch: Partial<typeof FETCH> | Record<string, never> = FETCH,
): Promise<Run> {
  const consumer = kafka.consumer({ groupId: fresh('raw'), ...fetch });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const { promise: first, resolve: sawFirst } = Promise.withResolvers<void>();
  const { promise: all, resolve: sawAll } = Promise.withResolvers<void>();
  let seen = 0;
  const running = first.then(() => timed(records, () => all));
  await consumer.run({
    autoCommit: false,
    eachBatch: async (payload) => {
      sawFirst();
      await eachBatch(payload, consumer);
      seen += payload.batch.messages.length;
      if (seen >= records) sawAll();
    },
  });
  const run = await running;
  await consumer.disconnect();
  return run;
}

/** What stands in a message, read as any handler would read it. */
export function parsed(value: Buffer | null): unknown {
  return JSON.parse((value ?? Buffer.from('null')).toString());
}
