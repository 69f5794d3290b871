import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, type Consumer, type ConsumerConfig, Kafka, type KafkaConfig, logLevel, Partitioners, type Producer } from 'kafkajs';
import { type EmbeddedBroker, type EmbeddedBrokerOptions, openEmbeddedBroker } from '../../../host/src/embedded/index.ts';

export interface Fixture {
  readonly broker: EmbeddedBroker;
  readonly dataDir: string;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
  /** A connected consumer that is disconnected when the test ends. */
  readonly consumer: (groupId: string, config?: Partial<ConsumerConfig>) => Promise<Consumer>;
}

type Options = Partial<EmbeddedBrokerOptions> & { readonly client?: Partial<KafkaConfig> };

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder that is removed when all tests of the file have ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ph-embedded-'));
  folders.push(folder);
  return folder;
}

export function connectKafka(address: string, config: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: [address],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 5 },
    ...config,
  });
}

/** A broker on a folder of its own with connected clients; everything ends with the test. */
export async function startBroker(t: TestContext, { client, ...options }: Options = {}): Promise<Fixture> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const broker = await openEmbeddedBroker({ ...options, dataDir });
  const kafka = connectKafka(broker.address, client);
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumers: Consumer[] = [];
  t.after(async () => {
    await Promise.allSettled([admin.disconnect(), producer.disconnect(), ...consumers.map((consumer) => consumer.disconnect())]);
    await broker.close();
  });
  await Promise.all([admin.connect(), producer.connect()]);
  const consumer = async (groupId: string, config: Partial<ConsumerConfig> = {}): Promise<Consumer> => {
    const made = kafka.consumer({ groupId, maxWaitTimeInMs: 100, sessionTimeout: 6_000, heartbeatInterval: 500, ...config });
    consumers.push(made);
    await made.connect();
    return made;
  };
  return { broker, dataDir, kafka, admin, producer, consumer };
}

/** Waits until `condition` holds; fails with `what` after ten seconds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(10);
  }
}

export interface Seen {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | undefined;
  readonly value: Buffer | null;
  readonly timestamp: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Reads a topic from its start until `count` records are there. */
export async function readAll(consumer: Consumer, topic: string, count: number): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachBatch: ({ batch }) => {
      for (const { offset, key, value, timestamp, headers } of batch.messages) {
        seen.push({ partition: batch.partition, offset, key: key?.toString(), value, timestamp, headers: headers ?? {} });
      }
      return Promise.resolve();
    },
  });
  await eventually(`${count} records of ${topic}`, () => seen.length >= count, 30_000);
  return seen;
}
