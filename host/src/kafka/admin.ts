import { setTimeout } from 'node:timers/promises';
import { PermanentError, UnavailableError } from '@pipeline-host/sdk';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { openBareCluster } from './bare-cluster.ts';
import { brokerErrorType, classify, isGone, type Where } from './classify.ts';
import { openClient } from './client.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { CommittedOffset, KafkaAdmin, KafkaLog, PartitionOffsets, TopicDescription, TopicSpec } from './driver.ts';
import { brokerError } from './repairs.ts';
import { topicRights } from './topic-rights.ts';

/** Calls that run when the client is closed get this long to end. */
const CLOSE_MILLISECONDS = 5_000;

/** Opens the admin client; rejects with a PipelineError within about ten seconds where the cluster cannot be used. */
export async function openAdmin(config: ClusterConfig, log: KafkaLog): Promise<KafkaAdmin> {
  const where: Where = {
    cluster: config.name,
    get brokers() {
      return config.brokers;
    },
  };
  const admin = openClient(config, log).admin();
  const running = new Set<Promise<unknown>>();
  const attempt = async <T>(place: string | undefined, call: () => Promise<T>): Promise<T> => {
    const answer = untilReady(call);
    running.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw classify(error, place === undefined ? where : { ...where, place });
    } finally {
      running.delete(answer);
    }
  };
  await attempt(undefined, () => admin.connect());

  const listTopics = () => attempt(undefined, () => admin.listTopics());
  return {
    clusterId: () => attempt(undefined, async () => (await admin.describeCluster()).clusterId),
    listTopics,
    describeTopics: (names) =>
      attempt(undefined, () =>
        untilReady(
          async () => describe(admin, names, new Set(await admin.listTopics())),
          // Another broker than the one that listed it answers, and has not heard of a new topic, or of its partitions.
          (error) => NOT_LED.has(brokerErrorType(error) ?? ''),
        ),
      ),
    topicRights: (names) => attempt(undefined, () => topicRights(config, names, log)),
    createTopics: (specs) =>
      attempt(`topics ${specs.map(({ name }) => name).join(', ')}`, () => createTopics(admin, specs, config.replicationFactor ?? -1)),
    deleteTopics: (names) => attempt(`topics ${names.join(', ')}`, () => admin.deleteTopics({ topics: [...names] })),
    offsets: (topic) =>
      attempt(`topic '${topic}'`, async () =>
        (await admin.fetchTopicOffsets(topic))
          .map(
            ({ partition, low, high }): PartitionOffsets => ({
              partition,
              low: Number(low),
              high: Number(high),
            }),
          )
          .sort((a, b) => a.partition - b.partition),
      ),
    offsetsAt: (topic, timestamp) =>
      attempt(`topic '${topic}'`, async () =>
        (await admin.fetchTopicOffsetsByTimestamp(topic, timestamp))
          .map(({ partition, offset }) => ({
            partition,
            offset: Number(offset),
          }))
          .sort((a, b) => a.partition - b.partition),
      ),
    committed: (group, topics) =>
      attempt(`group '${group}'`, async () =>
        (await admin.fetchOffsets({ groupId: group, topics: [...topics] })).flatMap(({ topic, partitions }) =>
          partitions
            .map(
              ({ partition, offset, metadata }): CommittedOffset => ({
                topic,
                partition,
                offset: Number(offset) < 0 ? null : Number(offset),
                metadata: metadata === '' || metadata === null ? null : metadata,
              }),
            )
            .sort((a, b) => a.partition - b.partition),
        ),
      ),
    setOffsets: (group, topic, offsets) =>
      attempt(`group '${group}' on topic '${topic}'`, () => storeOffsets(config, group, topic, offsets, log)),
    maxMessageBytes: async (topic) => {
      const limit = (await topicConfig(admin, topic))?.['max.message.bytes'];
      return limit === undefined ? undefined : Number(limit);
    },
    close: async () => {
      // A call that goes on after `disconnect` connects again, and that connection would keep the process alive.
      await Promise.race([Promise.allSettled(running), setTimeout(CLOSE_MILLISECONDS, undefined, { ref: false })]);
      await admin.disconnect();
    },
  };
}

/**
 * The coordinator of a group is being found or loads the group's offsets, or a partition's leader does not know yet that it
 * is: the first seconds of a cluster or topic, and each fail-over.
 */
const NOT_READY: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_LEADER_FOR_PARTITION',
]);
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const READINESS = { deadline: 10_000, pause: 200 } as const;

/** A TypeError is kafkajs's own: its calls share one state of the cluster, and one replaced it while another read it. */
const isNotReady = (error: unknown): boolean => NOT_READY.has(brokerErrorType(error) ?? '') || error instanceof TypeError;

/** Asks again while who is to answer is not ready, which kafkajs's admin takes for a failure. */
async function untilReady<T>(call: () => Promise<T>, isEarly: (error: unknown) => boolean = isNotReady): Promise<T> {
  const end = Date.now() + READINESS.deadline;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isEarly(error) || Date.now() > end) throw error;
      await setTimeout(READINESS.pause);
    }
  }
}

async function describe(admin: Admin, names: readonly string[], all: ReadonlySet<string>): Promise<Map<string, TopicDescription | null>> {
  const known = names.filter((name) => all.has(name));
  const described = new Map<string, TopicDescription | null>(names.map((name) => [name, null]));
  if (known.length === 0) return described;
  const { topics } = await admin.fetchTopicMetadata({ topics: known });
  for (const { name, partitions } of topics) {
    if (partitions.length === 0) throw brokerError(UNKNOWN_TOPIC_OR_PARTITION);
    const config = await topicConfig(admin, name);
    described.set(name, {
      partitions: partitions.length,
      ...(config !== undefined && { config }),
    });
  }
  return described;
}

/** Undefined where the broker does not tell: no right to ask, or no such request (Event Hubs). */
async function topicConfig(admin: Admin, topic: string): Promise<Record<string, string> | undefined> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
    });
    return Object.fromEntries((resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]));
  } catch {
    return undefined;
  }
}

async function createTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  replicationFactor: number,
): Promise<{ created: string[]; existing: string[] }> {
  const all = new Set(await admin.listTopics());
  const created: string[] = [];
  const existing: string[] = [];
  for (const { name, partitions, config = {} } of specs) {
    if (all.has(name)) {
      existing.push(name);
      continue;
    }
    const configEntries = Object.entries(config).map(([key, value]) => ({
      name: key,
      value,
    }));
    try {
      const made = await admin.createTopics({
        // kafkajs gives up where a broker does not know the topic yet that another one has just made.
        waitForLeaders: false,
        timeout: LEADERS.deadline,
        topics: [
          {
            topic: name,
            numPartitions: partitions,
            replicationFactor,
            configEntries,
          },
        ],
      });
      (made ? created : existing).push(name);
    } catch (error) {
      // Another process was faster.
      if (brokerErrorType(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
      existing.push(name);
    }
  }
  await untilLed(
    admin,
    specs.flatMap(({ name }) => (all.has(name) ? [] : [name])),
  );
  return { created, existing };
}

const LEADERS = { deadline: 15_000, pause: 50 } as const;
const NOT_LED: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']);

/** Resolves when every partition of the new topics has a leader. */
async function untilLed(admin: Admin, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) return;
  const end = Date.now() + LEADERS.deadline;
  for (;;) {
    try {
      const found = await admin.fetchTopicMetadata({ topics: [...topics] });
      if (found.topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) return;
      if (Date.now() > end) throw new UnavailableError('PH_KAFKA_UNAVAILABLE', `no leader for the new topics ${topics.join(', ')}`);
    } catch (error) {
      if (!NOT_LED.has(brokerErrorType(error) ?? '') || Date.now() > end) throw error;
    }
    await setTimeout(LEADERS.pause);
  }
}

/** A plain commit from outside the group, which the broker takes while it has no members. kafkajs's own way costs it five seconds. */
async function storeOffsets(
  config: ClusterConfig,
  group: string,
  topic: string,
  offsets: readonly { readonly partition: number; readonly offset: number }[],
  log: KafkaLog,
): Promise<void> {
  const { cluster, close } = await openBareCluster(config, log);
  try {
    await cluster.addMultipleTargetTopics([topic]);
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    const partitions = offsets.map(({ partition, offset }) => ({ partition, offset: String(offset), metadata: null }));
    await coordinator.offsetCommit({ groupId: group, memberId: '', groupGenerationId: -1, topics: [{ topic, partitions }] });
  } catch (error) {
    if (!isGone(error)) throw error;
    throw new PermanentError('PH_KAFKA_REQUEST', `group '${group}' has running members`, {
      cause: error,
      hint: 'stop every worker of the group first',
    });
  } finally {
    await close();
  }
}
