import { PipelineError } from '@pipeline-host/sdk';
import type { KafkaAdmin, TopicSpec } from '../kafka/driver.ts';
import type { ResolvedTopic, ResolvedWorker } from '../plugins/topology.ts';
import type { Clusters } from './clusters.ts';

/** Topics that the host makes keep their records for 7 days, retry topics and dead letters without limit. */
const RETENTION = { topic: String(7 * 24 * 3_600_000), unlimited: '-1' } as const;
/** The `ph.` headers of a dead letter fit into this beside the largest record of the source. */
const DEAD_LETTER_ROOM = 64 * 1024;
const DEFAULT_MAX_MESSAGE = 1_048_588;

/** What a worker learns of its topics before it consumes. */
export interface WorkerTopics {
  readonly sourcePartitions: number;
  /** Lanes of the retry topic: as many as the topic has for each source partition. */
  readonly lanes: number;
  readonly deadLetterPartitions: number;
}

/** A table writer holds its batch instead of delaying records: its retry topic has the lane of replays alone, however many its source has. */
export function hasLaneOfReplaysAlone({ definition }: ResolvedWorker): boolean {
  return 'rows' in definition;
}

/**
 * Creates what is missing of the workers' topics and checks what is there. Sources and outputs first: the shape of retry
 * topics follows from them.
 *
 * @throws PipelineError `PH_TOPIC_MISSING` (external, or `kafka.createTopics` is off), `PH_RETRY_TOPIC_SHAPE`
 */
export async function ensureTopics(
  workers: readonly ResolvedWorker[],
  clusters: Clusters,
  create: boolean,
): Promise<ReadonlyMap<string, WorkerTopics>> {
  const known = new Map<string, number>();
  const streams = new Map<string, ResolvedTopic>();
  for (const worker of workers)
    for (const topic of [worker.consumes, ...worker.produces.values()])
      if (topic !== null) streams.set(`${topic.cluster}/${topic.topic}`, topic);
  await Promise.all(
    [...Map.groupBy(streams.values(), (topic) => topic.cluster)].map(async ([cluster, topics]) => {
      const admin = await (await clusters.get(cluster)).admin();
      const found = await admin.describeTopics(topics.map(({ topic }) => topic));
      const missing = topics.filter(({ topic }) => (found.get(topic) ?? null) === null);
      for (const { topic, definition } of missing) {
        if (definition.external || !create) throw missingTopic(topic, cluster, definition.external);
      }
      await createAll(
        admin,
        missing.map(({ topic, partitions }) => ({ name: topic, partitions, config: { 'retention.ms': RETENTION.topic } })),
      );
      for (const { topic, partitions } of topics) known.set(`${cluster}/${topic}`, found.get(topic)?.partitions ?? partitions);
    }),
  );

  /** Bytes of the largest record of a worker's source. */
  const largest = async ({ consumes }: ResolvedWorker): Promise<number> => {
    if (consumes === null) return 0;
    return (await (await (await clusters.get(consumes.cluster)).admin()).maxMessageBytes(consumes.topic)) ?? DEFAULT_MAX_MESSAGE;
  };

  const shapes = new Map<string, WorkerTopics>();
  for (const worker of workers) {
    if (worker.consumes === null) continue;
    const admin = await (await clusters.get(worker.cluster)).admin();
    const sourcePartitions = known.get(`${worker.consumes.cluster}/${worker.consumes.topic}`) ?? worker.consumes.partitions;
    const wanted = 1 + worker.settings.retryDelays.length;
    const names = [worker.deadLetterTopic, worker.retryTopic];
    let found = await admin.describeTopics(names);
    const missing: TopicSpec[] = [];
    for (const name of names) {
      if ((found.get(name) ?? null) !== null) continue;
      if (!create) throw missingTopic(name, worker.cluster, false);
      const isDeadLetters = name === worker.deadLetterTopic;
      const limits = await Promise.all((isDeadLetters ? sharingDeadLetters(worker, workers) : [worker]).map(largest));
      missing.push({
        name,
        partitions: isDeadLetters ? deadLetterPartitions(worker, workers, known) : sourcePartitions * wanted,
        config: { 'retention.ms': RETENTION.unlimited, 'max.message.bytes': String(Math.max(...limits) + DEAD_LETTER_ROOM) },
      });
    }
    if (missing.length > 0) {
      await createAll(admin, missing);
      // Another host may have been faster, with another shape.
      found = await admin.describeTopics(names);
    }
    const retryPartitions = found.get(worker.retryTopic)?.partitions ?? sourcePartitions * wanted;
    const lanes = hasLaneOfReplaysAlone(worker) ? 1 : retryPartitions / sourcePartitions;
    if (!Number.isInteger(lanes) || lanes < wanted) {
      throw new PipelineError(
        'PH_RETRY_TOPIC_SHAPE',
        `${worker.retryTopic} has ${retryPartitions} partitions, but ${sourcePartitions} source partitions with ${wanted} lanes need ${sourcePartitions * wanted}`,
        { place: `worker ${worker.id}` },
      );
    }
    shapes.set(worker.id, {
      sourcePartitions,
      lanes,
      deadLetterPartitions: found.get(worker.deadLetterTopic)?.partitions ?? deadLetterPartitions(worker, workers, known),
    });
  }
  return shapes;
}

/** As many as the widest source of the plugin, so that a dead letter keeps its partition number. */
function deadLetterPartitions(worker: ResolvedWorker, workers: readonly ResolvedWorker[], known: ReadonlyMap<string, number>): number {
  return Math.max(
    ...sharingDeadLetters(worker, workers).map((other) => known.get(`${other.consumes?.cluster}/${other.consumes?.topic}`) ?? 1),
  );
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

async function createAll(admin: KafkaAdmin, specs: readonly TopicSpec[]): Promise<void> {
  if (specs.length > 0) await admin.createTopics(specs);
}

function missingTopic(topic: string, cluster: string, external: boolean): PipelineError {
  return new PipelineError('PH_TOPIC_MISSING', `topic ${topic} does not exist on cluster ${cluster}`, {
    place: `topic ${topic}`,
    ...(external && { hint: 'the topic belongs to someone else; start its owner first, or correct its name in plugins.<p>.topics' }),
  });
}
