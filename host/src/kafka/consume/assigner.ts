import kafkajs from 'kafkajs';
import type { LaneTopic } from '../driver.ts';
import type { ClusterInternals } from '../kafkajs-internals.ts';
import { HOOKS, type MembershipHooks } from '../repairs.ts';

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol;

/**
 * Who reads what: member number `c mod members` (members sorted by id) reads class c, and class c is, of every topic, the
 * partitions p with `p mod R = c`, and of the lane topic the partitions `c·lanes … c·lanes + lanes − 1`. R is the number
 * of lane sets that the lane topic has room for, at most the partitions of its source (then each class is one partition);
 * without lane topic R is the largest partition count. So a key's live and retried records are always with one member.
 */
export function assignLanes(
  memberIds: readonly string[],
  partitionCounts: ReadonlyMap<string, number>,
  lane: LaneTopic | undefined,
): Map<string, Record<string, number[]>> {
  const members = memberIds.toSorted();
  const assignment = new Map(members.map((id) => [id, {} as Record<string, number[]>]));
  const give = (part: number, topic: string, partition: number): void => {
    const owner = assignment.get(members[part % members.length] as string) as Record<string, number[]>;
    owner[topic] ??= [];
    owner[topic].push(partition);
  };
  const lanePartitions = lane === undefined ? 0 : (partitionCounts.get(lane.topic) ?? 0);
  const classes =
    lane === undefined || lanePartitions < lane.lanes
      ? Number.POSITIVE_INFINITY
      : Math.min(partitionCounts.get(lane.source) ?? Number.POSITIVE_INFINITY, Math.floor(lanePartitions / lane.lanes));
  for (const [topic, count] of partitionCounts) {
    if (topic === lane?.topic) continue;
    for (let p = 0; p < count; p++) give(classes === Number.POSITIVE_INFINITY ? p : p % classes, topic, p);
  }
  // Partitions beyond the last whole set of lanes hold nothing of ours, but are read all the same.
  for (let q = 0; lane !== undefined && q < lanePartitions; q++) give(Math.floor(q / lane.lanes), lane.topic, q);
  return assignment;
}

/**
 * kafkajs's form of {@link assignLanes}, which also carries the consumer's hooks into its group. The number of lanes, from
 * which all else follows, is part of its name: a broker lets no member into a group that shares no assignor with those who
 * are there, and does so before any of them hears of it. So no two members ever read one lane topic by two divisions.
 */
export function lanesAssigner(lane: LaneTopic | undefined, hooks: MembershipHooks) {
  const name = lane === undefined ? 'PipelineLanes' : `PipelineLanes/${lane.lanes}`;
  return ({ cluster }: { readonly cluster: unknown }) => {
    const { findTopicPartitionMetadata } = cluster as ClusterInternals;
    return {
      name,
      version: 1,
      [HOOKS]: hooks,
      assign: async ({
        members,
        topics,
      }: {
        readonly members: readonly { readonly memberId: string }[];
        readonly topics: readonly string[];
      }) => {
        const counts = new Map(topics.map((topic) => [topic, findTopicPartitionMetadata.call(cluster, topic).length]));
        const assigned = assignLanes(members.map(({ memberId }) => memberId), counts, lane); // biome-ignore format: one step
        return [...assigned].map(([memberId, assignment]) => ({
          memberId,
          memberAssignment: MemberAssignment.encode({
            version: 1,
            assignment,
            userData: Buffer.alloc(0),
          }),
        }));
      },
      protocol: ({ topics }: { readonly topics: string[] }) => ({
        name,
        metadata: MemberMetadata.encode({
          version: 1,
          topics,
          userData: Buffer.alloc(0),
        }),
      }),
    };
  };
}
