import { setTimeout } from 'node:timers/promises';
import { isPipelineError, PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { KafkaAdmin, TopicDescription, TopicSpec } from '../kafka/driver.ts';
import type { ResolvedTopic, ResolvedWorker } from '../plugins/topology.ts';
import { layoutFor, newLayout, type RetryLayout, type RetryShape } from '../retry/layout.ts';
import { checkVisible } from './access.ts';
import type { Clusters } from './clusters.ts';

/** Topics that the host makes keep their records for 7 days, retry topics and dead letters without limit. */
const RETENTION = { topic: String(7 * 24 * 3_600_000), unlimited: '-1' } as const;
/** The `ph.` headers of a dead letter fit into this beside the largest record of the source. */
const DEAD_LETTER_ROOM = 64 * 1024;
const DEFAULT_MAX_MESSAGE = 1_048_588;
/** Not every broker knows at once of a topic that was made. */
const SPREADS_IN = 30_000;
const LOOK_AGAIN = 100;

/** What a worker learns of its topics before it consumes. */
export interface WorkerTopics {
  /** How the retry topic is divided. */
  readonly retry: RetryLayout;
  readonly deadLetterPartitions: number;
}

/** A table writer holds its batch instead of delaying records: a retry topic of its own has the lane of replays alone. */
export function retryShape({ definition, retryShared, settings }: ResolvedWorker): RetryShape {
  return { lanes: 1 + settings.retry.lanes.length, wholeSets: retryShared || 'rows' in definition };
}

/**
 * Creates what is missing of the workers' topics and checks what is there. Sources and outputs first: the shape of retry
 * topics follows from them. A topic that workers share is made for all of them, whichever of them is started first.
 *
 * @param everyone the workers of the topology, those included that are not run here
 * @throws PipelineError `PH_TOPIC_MISSING` (external, or `kafka.createTopics` is off), `PH_RETRY_TOPIC_SHAPE`, `PH_KAFKA_ACL`
 */
export async function ensureTopics(
  workers: readonly ResolvedWorker[],
  clusters: Clusters,
  create: boolean,
  everyone: readonly ResolvedWorker[] = workers,
): Promise<ReadonlyMap<string, WorkerTopics>> {
  const known = new Map<string, number>();
  const streams = new Map<string, ResolvedTopic>();
  for (const worker of workers)
    for (const topic of [worker.consumes, ...worker.produces.values()]) {
      // What is another's to one plugin may be another plugin's own: whoever owns it makes it.
      if (topic !== null && (!topic.definition.external || !streams.has(keyOf(topic)))) streams.set(keyOf(topic), topic);
    }
  await Promise.all(
    [...Map.groupBy(streams.values(), (topic) => topic.cluster)].map(async ([cluster, topics]) => {
      const admin = await (await clusters.get(cluster)).admin();
      const found = await admin.describeTopics(topics.map(({ topic }) => topic));
      const missing = topics.filter(({ topic }) => (found.get(topic) ?? null) === null);
      await checkVisible(
        admin,
        cluster,
        missing.map(({ topic }) => topic),
      );
      for (const { topic, definition } of missing) {
        if (definition.external || !create) throw missingTopic(topic, cluster, definition.external);
      }
      await createAll(
        admin,
        missing.map(({ topic, partitions }) => ({ name: topic, partitions, config: { 'retention.ms': RETENTION.topic } })),
      );
      for (const topic of topics) known.set(keyOf(topic), found.get(topic.topic)?.partitions ?? topic.partitions);
    }),
  );

  /** Partitions of a worker's source, as it is or, where it is not there yet, as it is to be. */
  const sourcePartitions = async (of: ResolvedWorker): Promise<number> => {
    const { consumes } = of;
    if (consumes !== null && !known.has(keyOf(consumes))) {
      const admin = await (await clusters.get(consumes.cluster)).admin();
      const found = (await admin.describeTopics([consumes.topic])).get(consumes.topic) ?? null;
      if (found !== null) known.set(keyOf(consumes), found.partitions);
    }
    return sourcePartitionsOf(of, known);
  };
  /** Bytes of the largest record of a worker's source. */
  const largest = async ({ consumes }: ResolvedWorker): Promise<number> => {
    if (consumes === null) return 0;
    if (!known.has(keyOf(consumes))) return DEFAULT_MAX_MESSAGE;
    return (await (await (await clusters.get(consumes.cluster)).admin()).maxMessageBytes(consumes.topic)) ?? DEFAULT_MAX_MESSAGE;
  };

  const shapes = new Map<string, WorkerTopics>();
  for (const worker of workers) {
    if (worker.consumes === null) continue;
    const admin = await (await clusters.get(worker.cluster)).admin();
    const names = [worker.deadLetterTopic, worker.retryTopic];
    let found = await admin.describeTopics(names);
    const missing: TopicSpec[] = [];
    await checkVisible(
      admin,
      worker.cluster,
      names.filter((name) => (found.get(name) ?? null) === null),
    );
    for (const name of names) {
      if ((found.get(name) ?? null) !== null) continue;
      if (!create) throw missingTopic(name, worker.cluster, false);
      const isDeadLetters = name === worker.deadLetterTopic;
      const sharing = isDeadLetters ? sharingDeadLetters(worker, everyone) : sharingRetryTopic(worker, everyone);
      const widest = Math.max(...(await Promise.all(sharing.map(sourcePartitions))));
      const limits = await Promise.all(sharing.map(largest));
      const most = clusters.mostPartitions(worker.cluster);
      missing.push({
        name,
        partitions: isDeadLetters ? Math.min(widest, most) : retryPartitions(worker, widest, most),
        config: { 'retention.ms': RETENTION.unlimited, 'max.message.bytes': String(Math.max(...limits) + DEAD_LETTER_ROOM) },
      });
    }
    if (missing.length > 0) {
      await createAll(admin, missing);
      // Another host may have been faster, with another shape.
      found = await describeMade(admin, names);
    }
    const deadLetters = found.get(worker.deadLetterTopic)?.partitions;
    shapes.set(worker.id, {
      retry: retryLayout(worker, found.get(worker.retryTopic)?.partitions ?? 0, sourcePartitionsOf(worker, known)),
      deadLetterPartitions: deadLetters ?? sourcePartitionsOf(worker, known),
    });
  }
  return shapes;
}

function sourcePartitionsOf({ consumes }: ResolvedWorker, known: ReadonlyMap<string, number>): number {
  return (consumes === null ? undefined : known.get(keyOf(consumes))) ?? consumes?.partitions ?? 1;
}

const keyOf = ({ cluster, topic }: ResolvedTopic): string => `${cluster}/${topic}`;

function retryPartitions(worker: ResolvedWorker, sourcePartitions: number, most: number): number {
  const { lanes } = retryShape(worker);
  const layout = newLayout(sourcePartitions, lanes, most);
  if (layout !== null) return layout.lanes * layout.classes;
  throw shapeFault(worker, `${lanes} lanes do not fit into the ${most} partitions that a topic may have on this cluster`, {
    hint: 'give the worker fewer retry.delays, or raise maxPartitions of the cluster',
  });
}

function retryLayout(worker: ResolvedWorker, partitions: number, sourcePartitions: number): RetryLayout {
  const shape = retryShape(worker);
  const { lanes } = shape;
  const layout = layoutFor(shape, partitions, sourcePartitions);
  if (layout !== null) return layout;
  const needed = shape.wholeSets ? `a multiple of ${lanes}` : String(sourcePartitions * lanes);
  throw shapeFault(
    worker,
    `${worker.retryTopic} has ${partitions} partitions, but ${sourcePartitions} source partitions with ${lanes} lanes need ${needed}`,
  );
}

function shapeFault(worker: ResolvedWorker, message: string, more: { readonly hint?: string } = {}): PipelineError {
  return new PipelineError('PH_RETRY_TOPIC_SHAPE', message, { place: `worker ${worker.id}`, ...more });
}

function sharingRetryTopic(worker: ResolvedWorker, workers: readonly ResolvedWorker[]): readonly ResolvedWorker[] {
  return workers.filter((other) => other.retryTopic === worker.retryTopic && other.consumes !== null && other.cluster === worker.cluster);
}

function sharingDeadLetters(worker: ResolvedWorker, workers: readonly ResolvedWorker[]): readonly ResolvedWorker[] {
  return workers.filter((other) => other.deadLetterTopic === worker.deadLetterTopic && other.consumes !== null);
}

/** Makes sure that one topic is there. @throws PipelineError `PH_TOPIC_MISSING` where it may not be created */
export async function createTopic(
  admin: KafkaAdmin,
  { topic, cluster, partitions, definition }: ResolvedTopic,
  create: boolean,
): Promise<void> {
  if (((await admin.describeTopics([topic])).get(topic) ?? null) !== null) return;
  if (definition.external || !create) throw missingTopic(topic, cluster, definition.external);
  await createAll(admin, [{ name: topic, partitions, config: { 'retention.ms': RETENTION.topic } }]);
}

/** @throws UnavailableError `PH_KAFKA_UNREACHABLE` where the brokers do not know of all of them after a while */
async function describeMade(admin: KafkaAdmin, names: readonly string[]): Promise<Map<string, TopicDescription | null>> {
  const end = performance.now() + SPREADS_IN;
  for (;;) {
    const found = await admin.describeTopics(names);
    const unknown = names.filter((name) => (found.get(name) ?? null) === null);
    if (unknown.length === 0) return found;
    if (performance.now() > end)
      throw new UnavailableError('PH_KAFKA_UNREACHABLE', `the brokers do not know of ${unknown.join(', ')}, which was made`);
    await setTimeout(LOOK_AGAIN);
  }
}

/** @throws PipelineError `PH_TOPIC_CREATION` where the cluster lets its clients create none, as Event Hubs does */
async function createAll(admin: KafkaAdmin, specs: readonly TopicSpec[]): Promise<void> {
  if (specs.length === 0) return;
  try {
    await admin.createTopics(specs);
  } catch (error) {
    if (!isPipelineError(error) || error.code !== 'PH_KAFKA_ACL') throw error;
    const named = specs.map(({ name, partitions }) => `${name} (${partitions} partitions)`).join(', ');
    throw new PipelineError('PH_TOPIC_CREATION', `the cluster does not let this client create topics: ${named}`, {
      place: specs.length === 1 ? `topic ${specs[0]?.name}` : 'topics',
      cause: error,
    });
  }
}

function missingTopic(topic: string, cluster: string, external: boolean): PipelineError {
  return new PipelineError('PH_TOPIC_MISSING', `topic ${topic} does not exist on cluster ${cluster}`, {
    place: `topic ${topic}`,
    ...(external && { hint: 'the topic belongs to someone else; start its owner first, or correct its name in plugins.<p>.topics' }),
  });
}
