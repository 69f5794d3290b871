import { setTimeout as delay } from 'node:timers/promises';
import { deleteGroupsApi, describeGroupsApi, listGroupsApi } from '../api/group-admin.ts';
import { heartbeatApi, joinGroupApi, leaveGroupApi, syncGroupApi } from '../api/membership.ts';
import {
  findCoordinatorApi,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  offsetCommitApi,
  offsetFetchApi,
} from '../api/offsets.ts';
import { type BrokerParts, NODE_ID } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import { CommitThrottle } from '../profiles/commit-throttle.ts';
import type { Call } from '../server/call.ts';
import { type Route, route } from '../server/router.ts';
import { storing } from './storing.ts';
import { advertisedAddress } from './topics.ts';

const NO_BYTES = Buffer.alloc(0);
const GROUP = 0;
const TRANSACTION = 1;

/** Consumer groups: membership, offsets, and what tools ask about them. */
export function groupRoutes(parts: BrokerParts): readonly Route[] {
  const { groups, settings } = parts;
  const throttle = new CommitThrottle(settings.profile.commitsPerSecond);
  return [
    route(findCoordinatorApi, ({ type }, { faults, peer }) => {
      const known = type === GROUP || (type === TRANSACTION && settings.profile.transactions);
      const error = faults.errorFor() || (known ? ErrorCode.NONE : ErrorCode.INVALID_REQUEST);
      return { error, nodeId: NODE_ID, ...advertisedAddress(parts.settings, peer) };
    }),
    route(joinGroupApi, (request, { version, clientId, peer, faults }) => {
      const injected = faults.errorFor();
      if (injected) return { error: injected, generation: -1, protocol: '', leader: '', memberId: request.memberId, members: [] };
      return groups.join(request.groupId, { ...request, clientId, clientHost: peer.clientHost, requireMemberId: version >= 4 });
    }),
    route(syncGroupApi, ({ groupId, memberId, generation, assignments }, { faults }) => {
      const injected = faults.errorFor();
      return injected ? { error: injected, assignment: NO_BYTES } : groups.sync(groupId, memberId, generation, assignments);
    }),
    route(heartbeatApi, ({ groupId, memberId, generation }, { faults }) => ({
      error: faults.errorFor() || groups.heartbeat(groupId, memberId, generation),
    })),
    route(leaveGroupApi, ({ groupId, members }, { faults }) => ({
      members: members.map((member) => ({ ...member, error: faults.errorFor() || groups.leave(groupId, member.memberId) })),
    })),
    route(offsetCommitApi, (request, call) => commitOffsets(parts, throttle, request, call)),
    route(offsetFetchApi, ({ groupId, topics }, { faults }) => {
      const wanted = topics ?? [...groups.offsets.of(groupId)].map(([name, committed]) => ({ name, partitions: [...committed.keys()] }));
      return {
        error: faults.errorFor(),
        topics: wanted.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map((index) => ({ index, ...(groups.offsets.get(groupId, name, index) ?? { offset: -1, metadata: '' }) })),
        })),
      };
    }),
    route(describeGroupsApi, (request) => ({ groups: request.groups.map((id) => groups.describe(id)) })),
    route(listGroupsApi, () => ({ groups: groups.list() })),
    route(deleteGroupsApi, (request) => ({
      groups: request.groups.map((id) => ({ id, error: storing(parts.settings.log, `delete the group ${id}`, () => groups.delete(id)) })),
    })),
  ];
}

async function commitOffsets(
  { groups, topics, settings, settle }: BrokerParts,
  throttle: CommitThrottle,
  request: OffsetCommitRequest,
  { faults, peer }: Call,
): Promise<OffsetCommitResponse> {
  const { groupId, memberId, generation } = request;
  const commits = request.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ index, offset, metadata }) => ({
      ...{ topic: name, partition: index, offset },
      metadata: settings.commitMetadata === 'drop' ? '' : metadata,
    })),
  );
  const kept = commits.filter(({ topic, partition }) => faults.errorFor(topic, partition) === 0);
  let codes: readonly number[];
  try {
    codes = groups.commit(groupId, memberId, generation, kept, ({ topic, partition }) => topics.partition(topic, partition) !== undefined);
    await settle([groups.offsets]);
  } catch (error) {
    settings.log('error', 'cannot store offsets', { group: groupId, error });
    codes = kept.map(() => ErrorCode.KAFKA_STORAGE_ERROR);
  }
  const throttleMs = throttle.delay(groupId, commits, performance.now());
  // Stored, and the answer comes late: the client has nothing else to do on this connection meanwhile.
  if (throttleMs > 0) await delay(throttleMs, undefined, { signal: peer.closed }).catch(() => {});
  const errorOf = (topic: string, partition: number): number => {
    const at = kept.findIndex((commit) => commit.topic === topic && commit.partition === partition);
    return codes[at] ?? faults.errorFor(topic, partition);
  };
  return {
    throttleMs,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => ({ index, error: errorOf(name, index) })),
    })),
  };
}
