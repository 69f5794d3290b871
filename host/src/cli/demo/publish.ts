import { setTimeout as wait } from 'node:timers/promises';
import { PipelineError, type SourceMessage } from '@pipeline-host/sdk';
import type { KafkaCluster, KafkaProducer, OutgoingRecord } from '../../kafka/driver.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../plugins/topology.ts';

const CHUNK = 500;

export interface PublishOptions {
  readonly plugin: string;
  /** The plugin's workers: they know the physical names of its topics. */
  readonly workers: readonly ResolvedWorker[];
  readonly cluster: (name: string) => Promise<KafkaCluster>;
  readonly signal: AbortSignal;
  /** Called with the number of messages that were just acknowledged. */
  readonly onPublished: (messages: number) => void;
}

/** Sends all messages, a few hundred at a time; resolves when the broker has them all, or early when the signal is aborted. */
export async function publishAll(messages: Iterable<SourceMessage> | AsyncIterable<SourceMessage>, options: PublishOptions): Promise<void> {
  await using sender = openSender(options);
  let chunk: SourceMessage[] = [];
  for await (const message of messages) {
    if (options.signal.aborted) return;
    chunk.push(message);
    if (chunk.length < CHUNK) continue;
    await sender.send(chunk);
    chunk = [];
  }
  await sender.send(chunk);
}

/** Sends a stream at a steady rate until the signal is aborted. */
export async function publishSteadily(messages: Iterable<SourceMessage>, perSecond: number, options: PublishOptions): Promise<void> {
  await using sender = openSender(options);
  for (const message of messages) {
    if (options.signal.aborted) return;
    await sender.send([message]);
    await wait(1000 / perSecond, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

interface Sender extends AsyncDisposable {
  send(messages: readonly SourceMessage[]): Promise<void>;
}

function openSender({ plugin, workers, cluster, onPublished }: PublishOptions): Sender {
  const topics = topicsByName(workers);
  const producers = new Map<string, Promise<KafkaProducer>>();
  const producerOf = (name: string): Promise<KafkaProducer> => {
    const producer = producers.get(name) ?? cluster(name).then((each) => each.producer());
    producers.set(name, producer);
    return producer;
  };
  return {
    async send(messages) {
      const addressed = messages.map((message) => ({ message, topic: resolveTopic(topics, message.topic, plugin) }));
      const byCluster = Map.groupBy(addressed, ({ topic }) => topic.cluster);
      await Promise.all(
        [...byCluster].map(async ([name, group]) =>
          (await producerOf(name)).sendAll(group.map(({ message, topic }) => outgoing(message, topic))),
        ),
      );
      onPublished(messages.length);
    },
    async [Symbol.asyncDispose]() {
      const opened = await Promise.allSettled(producers.values());
      await Promise.all(opened.flatMap((producer) => (producer.status === 'fulfilled' ? [producer.value.close()] : [])));
    },
  };
}

function outgoing({ key, value }: SourceMessage, { topic }: ResolvedTopic): OutgoingRecord {
  return { topic, key, value: typeof value === 'string' ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength) };
}

function topicsByName(workers: readonly ResolvedWorker[]): ReadonlyMap<string, ResolvedTopic> {
  const topics = workers.flatMap(({ consumes, produces }) => [...(consumes === null ? [] : [consumes]), ...produces.values()]);
  return new Map(topics.map((topic) => [topic.definition.name, topic]));
}

function resolveTopic(topics: ReadonlyMap<string, ResolvedTopic>, name: string, plugin: string): ResolvedTopic {
  const topic = topics.get(name);
  if (topic !== undefined) return topic;
  throw new PipelineError(
    'PH_SIMULATION_INVALID',
    `the simulation of ${plugin} sends to "${name}", which no worker of the plugin reads or writes`,
    { place: `simulation of plugin ${plugin}` },
  );
}
