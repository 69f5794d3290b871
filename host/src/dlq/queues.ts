import type { KafkaAdmin, KafkaCluster } from '../kafka/driver.ts';
import type { RetryShape } from '../retry/layout.ts';

/** Clusters by their name in the config. */
export interface ClusterAccess {
  get(name: string): Promise<KafkaCluster>;
}

/** What is known of a worker whose records may become dead letters. */
export interface QueueWorker {
  readonly plugin: string;
  readonly name: string;
  /** Where its dead letters and its retry topic are. */
  readonly cluster: string;
  readonly deadLetterTopic: string;
  readonly retryTopic: string;
  readonly source: { readonly cluster: string; readonly topic: string };
  readonly retry: RetryShape;
}

/** One dead-letter topic and the workers that write it. */
export interface DeadLetterQueue {
  /** Part of the ids of its dead letters: the topic, after its cluster where that is not the default one. */
  readonly name: string;
  readonly cluster: string;
  readonly topic: string;
  /** Keeps what was done with its dead letters. */
  readonly dispositionTopic: string;
  readonly workers: readonly QueueWorker[];
}

/** Separates cluster and topic; no topic has it in its name. */
const OF = '~';

/** The topic that keeps what was done with the dead letters of another. */
export function dispositionTopicOf(deadLetterTopic: string): string {
  return `${deadLetterTopic}.dispositions`;
}

/** The queues of the workers, by name. */
export function queuesOf(workers: readonly QueueWorker[], defaultCluster: string): ReadonlyMap<string, DeadLetterQueue> {
  const named = Map.groupBy(workers, ({ cluster, deadLetterTopic }) =>
    cluster === defaultCluster ? deadLetterTopic : `${cluster}${OF}${deadLetterTopic}`,
  );
  return new Map(
    [...named].flatMap(([name, sharing]) =>
      sharing
        .slice(0, 1)
        .map(({ cluster, deadLetterTopic: topic }): [string, DeadLetterQueue] => [
          name,
          { name, cluster, topic, dispositionTopic: dispositionTopicOf(topic), workers: sharing },
        ]),
    ),
  );
}

export async function isThere(admin: KafkaAdmin, topic: string): Promise<boolean> {
  return ((await admin.describeTopics([topic])).get(topic) ?? null) !== null;
}
