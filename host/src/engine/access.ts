import { AuthError } from '@pipeline-host/sdk';
import type { KafkaAdmin, TopicRight } from '../kafka/driver.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import type { Clusters } from './clusters.ts';

type Needed = Map<string, Set<TopicRight>>;

/**
 * Checks, where the brokers tell, that we may read and write what the workers read and write: found at the start, and not
 * by the first record that cannot be sent on.
 *
 * @throws AuthError `PH_KAFKA_ACL` with the first topic that a right is missing on
 */
export async function checkAccess(workers: readonly ResolvedWorker[], clusters: Clusters): Promise<void> {
  const needed = new Map<string, Needed>();
  const need = ({ cluster, topic }: { readonly cluster: string; readonly topic: string }, ...rights: readonly TopicRight[]): void => {
    const topics = needed.get(cluster) ?? new Map<string, Set<TopicRight>>();
    needed.set(cluster, topics.set(topic, new Set([...(topics.get(topic) ?? []), ...rights])));
  };
  for (const { cluster, consumes, produces, retryTopic, deadLetterTopic } of workers) {
    if (consumes !== null) {
      need(consumes, 'read');
      need({ cluster, topic: retryTopic }, 'read', 'write');
      need({ cluster, topic: deadLetterTopic }, 'write');
    }
    for (const topic of produces.values()) need(topic, 'write');
  }
  for (const [name, topics] of needed) {
    const rights = await (await (await clusters.get(name)).admin()).topicRights([...topics.keys()]);
    for (const [topic, wanted] of topics) {
      const given = rights.get(topic) ?? null;
      const missing = given === null ? [] : [...wanted].filter((right) => !given.has(right));
      if (missing.length > 0) throw missingRight(name, topic, `may not ${missing.join(' or ')} it`);
    }
  }
}

/**
 * Of topics that were not found: refuses those that we may not even look for.
 *
 * @throws AuthError `PH_KAFKA_ACL`
 */
export async function checkVisible(admin: KafkaAdmin, cluster: string, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) return;
  const rights = await admin.topicRights(topics);
  const hidden = topics.find((topic) => rights.get(topic)?.size === 0);
  if (hidden !== undefined) throw missingRight(cluster, hidden, 'may not see whether it exists');
}

function missingRight(cluster: string, topic: string, what: string): AuthError {
  return new AuthError('PH_KAFKA_ACL', `cluster '${cluster}' does not allow this on topic '${topic}': we ${what}`, {
    place: `topic '${topic}'`,
  });
}
