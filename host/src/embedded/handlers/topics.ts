import { metadataApi } from '../api/metadata.ts';
import { alterReassignmentsApi, listReassignmentsApi } from '../api/reassignments.ts';
import { type CreateTopicsRequest, createPartitionsApi, createTopicsApi, deleteTopicsApi, type TopicResults } from '../api/topic-admin.ts';
import { type BrokerParts, NODE_ID } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import type { BrokerSettings } from '../options.ts';
import type { Peer } from '../server/call.ts';
import { type Route, route } from '../server/router.ts';
import { findConfigFault } from '../topics/topic-config.ts';
import { isTopicName } from '../topics/topic-store.ts';
import { storing } from './storing.ts';

const MAX_PARTITIONS = 20_000;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

type TopicResult = TopicResults['topics'][number];

/** Where this client should connect to. */
export function advertisedAddress(settings: BrokerSettings, peer: Peer): { readonly host: string; readonly port: number } {
  const listening = WILDCARDS.has(settings.host) ? peer.localHost : settings.host;
  return { host: settings.advertisedHost ?? listening, port: peer.localPort };
}

/** Topics: what there is, and making, growing and removing them. */
export function topicRoutes(parts: BrokerParts): readonly Route[] {
  const { topics, groups, transactions, settings, clusterId } = parts;
  return [
    route(metadataApi, ({ topics: asked, allowAutoCreate }, { peer, faults }) => ({
      broker: { nodeId: NODE_ID, ...advertisedAddress(settings, peer) },
      clusterId,
      topics: (asked ?? topics.all().map(({ name }) => name)).map((name) => {
        const injected = faults.errorFor(name);
        if (injected) return { name, error: injected, partitionCount: 0 };
        if (!isTopicName(name)) return { name, error: ErrorCode.INVALID_TOPIC, partitionCount: 0 };
        if (!topics.get(name) && allowAutoCreate && settings.autoCreateTopics && settings.profile.clientsManageTopics)
          topics.create(name, 1, {});
        const topic = topics.get(name);
        return {
          name,
          error: topic ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          partitionCount: topic?.partitions.length ?? 0,
        };
      }),
    })),
    route(createTopicsApi, (request, { faults }) => ({
      topics: request.topics.map((topic): TopicResult => {
        const injected = faults.errorFor(topic.name);
        return injected ? { name: topic.name, error: injected, message: null } : createTopic(parts, topic, request);
      }),
    })),
    route(deleteTopicsApi, (request, { faults }) => ({
      topics: request.topics.map((name): TopicResult => {
        const known = topics.get(name) ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        const error = faults.errorFor(name) || (settings.profile.clientsManageTopics ? known : ErrorCode.TOPIC_AUTHORIZATION_FAILED);
        if (error !== ErrorCode.NONE) return { name, error, message: null };
        const stored = storing(settings.log, `delete the topic ${name}`, () => {
          topics.delete(name);
          groups.offsets.deleteTopic(name);
          transactions.forgetTopic(name);
          return ErrorCode.NONE;
        });
        return { name, error: stored, message: null };
      }),
    })),
    route(createPartitionsApi, (request) => ({
      topics: request.topics.map(({ name, count, assignments }): TopicResult => {
        const result = (error: number, message: string | null = null): TopicResult => ({ name, error, message });
        const present = topics.get(name)?.partitions.length;
        if (present === undefined) return result(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
        if (count <= present)
          return result(
            ErrorCode.INVALID_PARTITIONS,
            `Topic currently has ${present} partitions, which is not less than the requested ${count}.`,
          );
        if (!roomFor(parts, count, count - present)) return result(ErrorCode.INVALID_PARTITIONS, 'too many partitions');
        if (assignments?.some((replicas) => !isOnlyNode(replicas))) return result(ErrorCode.INVALID_REPLICA_ASSIGNMENT);
        if (request.validateOnly) return result(ErrorCode.NONE);
        return result(
          storing(settings.log, `add partitions to ${name}`, () => {
            topics.addPartitions(name, count);
            return ErrorCode.NONE;
          }),
        );
      }),
    })),
    route(alterReassignmentsApi, (request) => ({
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, replicas }) => {
          if (!topics.partition(name, index)) return { index, error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
          if (replicas === null) return { index, error: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS };
          return { index, error: isOnlyNode(replicas) ? ErrorCode.NONE : ErrorCode.INVALID_REPLICA_ASSIGNMENT };
        }),
      })),
    })),
    route(listReassignmentsApi, () => undefined),
  ];
}

function createTopic(parts: BrokerParts, wanted: CreateTopicsRequest['topics'][number], request: CreateTopicsRequest): TopicResult {
  const { topics, settings } = parts;
  const { name, assignment, replicationFactor } = wanted;
  const result = (error: number, message: string | null = null): TopicResult => ({ name, error, message });
  const count = assignment.length > 0 ? assignment.length : wanted.partitionCount === -1 ? 1 : wanted.partitionCount;
  const config = Object.fromEntries(wanted.config.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])));
  const fault = findConfigFault(config, settings);

  if (!settings.profile.clientsManageTopics)
    return result(ErrorCode.TOPIC_AUTHORIZATION_FAILED, `Topics are made by who runs the broker (profile ${settings.profile.name}).`);
  if (!isTopicName(name)) return result(ErrorCode.INVALID_TOPIC, `Topic name is invalid: '${name.slice(0, 300)}'`);
  if (topics.get(name)) return result(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
  if (request.topics.filter((topic) => topic.name === name).length > 1) return result(ErrorCode.INVALID_REQUEST, 'Duplicate topic name.');
  // Some clients send their defaults along with an assignment; only a contradiction is an error.
  if (wanted.partitionCount > 0 && wanted.partitionCount !== count)
    return result(ErrorCode.INVALID_REQUEST, 'Partition count and assignment differ.');
  if (assignment.some(({ partition, replicas }, i) => partition !== i || !isOnlyNode(replicas)))
    return result(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `The only broker is ${NODE_ID}.`);
  if (replicationFactor !== -1 && replicationFactor !== 1)
    return result(ErrorCode.INVALID_REPLICATION_FACTOR, `Replication factor: ${replicationFactor} larger than available brokers: 1.`);
  if (count < 1 || !roomFor(parts, count, count))
    return result(ErrorCode.INVALID_PARTITIONS, `Number of partitions must be 1 to ${settings.profile.maxPartitionsOfTopic}.`);
  if (fault !== undefined) return result(ErrorCode.INVALID_CONFIG, fault);
  if (request.validateOnly) return result(ErrorCode.NONE);
  const stored = storing(settings.log, `create the topic ${name}`, () => {
    topics.create(name, count, config);
    return ErrorCode.NONE;
  });
  if (stored === ErrorCode.NONE) settings.log('info', 'topic created', { topic: name, partitions: count });
  return result(stored);
}

function roomFor({ topics, settings }: BrokerParts, ofTopic: number, more: number): boolean {
  return ofTopic <= settings.profile.maxPartitionsOfTopic && topics.partitionCount + more <= MAX_PARTITIONS;
}

function isOnlyNode(replicas: readonly number[]): boolean {
  return replicas.length === 1 && replicas[0] === NODE_ID;
}
