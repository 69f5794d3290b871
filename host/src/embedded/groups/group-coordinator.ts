import { ErrorCode } from '../error-code.ts';
import { Group } from './group.ts';
import type { GroupState, JoinRequest, JoinResult, SyncResult } from './group-member.ts';
import { MAX_METADATA_UNITS, type OffsetCommit, type OffsetStore } from './offset-store.ts';

const LEAST_SESSION_MS = 1_000;
const LONGEST_SESSION_MS = 1_800_000;

export interface GroupDescription {
  readonly id: string;
  readonly state: GroupState;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Buffer;
    readonly assignment: Buffer;
  }[];
}

const NO_BYTES = Buffer.alloc(0);

/** All consumer groups and their committed offsets. Membership lives in memory alone: after a restart members join again. */
export class GroupCoordinator {
  readonly offsets: OffsetStore;
  readonly #groups = new Map<string, Group>();

  constructor(offsets: OffsetStore) {
    this.offsets = offsets;
  }

  join(groupId: string, request: JoinRequest): Promise<JoinResult> {
    const refused = (error: ErrorCode): Promise<JoinResult> =>
      Promise.resolve({ error, generation: -1, protocol: '', leader: '', memberId: request.memberId, members: [] });
    if (groupId === '') return refused(ErrorCode.INVALID_GROUP_ID);
    if (request.sessionTimeoutMs < LEAST_SESSION_MS || request.sessionTimeoutMs > LONGEST_SESSION_MS)
      return refused(ErrorCode.INVALID_SESSION_TIMEOUT);
    const group = this.#groups.get(groupId) ?? new Group(groupId);
    const result = group.join(request);
    if (!group.unused) this.#groups.set(groupId, group);
    return result;
  }

  sync(groupId: string, memberId: string, generation: number, assignments: ReadonlyMap<string, Buffer>): Promise<SyncResult> {
    const group = this.#groups.get(groupId);
    return group?.sync(memberId, generation, assignments) ?? Promise.resolve({ error: ErrorCode.UNKNOWN_MEMBER_ID, assignment: NO_BYTES });
  }

  heartbeat(groupId: string, memberId: string, generation: number): ErrorCode {
    return this.#groups.get(groupId)?.heartbeat(memberId, generation) ?? ErrorCode.UNKNOWN_MEMBER_ID;
  }

  leave(groupId: string, memberId: string): ErrorCode {
    return this.#groups.get(groupId)?.leave(memberId) ?? ErrorCode.UNKNOWN_MEMBER_ID;
  }

  /** One code a commit, in order. What is accepted is in the store when this returns. Throws StorageFailure. */
  commit(
    groupId: string,
    memberId: string,
    generation: number,
    commits: readonly OffsetCommit[],
    exists: (commit: OffsetCommit) => boolean,
  ): readonly ErrorCode[] {
    const allowed = this.#checkCommit(groupId, memberId, generation);
    const codes = commits.map((commit) => {
      if (allowed !== ErrorCode.NONE) return allowed;
      if (!exists(commit)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return commit.metadata.length > MAX_METADATA_UNITS ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE;
    });
    this.offsets.commit(
      groupId,
      commits.filter((_, i) => codes[i] === ErrorCode.NONE),
    );
    return codes;
  }

  /** A group that nobody knows is described as dead, as Kafka does. */
  describe(groupId: string): GroupDescription {
    const group = this.#groups.get(groupId);
    if (!group) return { id: groupId, state: this.offsets.has(groupId) ? 'Empty' : 'Dead', protocolType: '', protocol: '', members: [] };
    const members = [...group.members.values()].map(({ id, clientId, clientHost, protocols, assignment }) => ({
      memberId: id,
      ...{ clientId, clientHost, assignment },
      metadata: protocols.find(({ name }) => name === group.protocol)?.metadata ?? NO_BYTES,
    }));
    return { id: groupId, state: group.state, protocolType: group.protocolType, protocol: group.protocol, members };
  }

  list(): readonly { readonly id: string; readonly protocolType: string }[] {
    const active = [...this.#groups.values()].filter((group) => !group.unused);
    const ids = new Map(this.offsets.groups().map((id) => [id, 'consumer']));
    for (const group of active) ids.set(group.id, group.protocolType || 'consumer');
    return [...ids].map(([id, protocolType]) => ({ id, protocolType }));
  }

  delete(groupId: string): ErrorCode {
    const group = this.#groups.get(groupId);
    if (group && group.members.size > 0) return ErrorCode.NON_EMPTY_GROUP;
    if (!group && !this.offsets.has(groupId)) return ErrorCode.GROUP_ID_NOT_FOUND;
    this.offsets.deleteGroup(groupId);
    group?.close();
    this.#groups.delete(groupId);
    return ErrorCode.NONE;
  }

  close(): void {
    for (const group of this.#groups.values()) group.close();
  }

  #checkCommit(groupId: string, memberId: string, generation: number): ErrorCode {
    if (groupId === '') return ErrorCode.INVALID_GROUP_ID;
    const group = this.#groups.get(groupId);
    if (group) return group.checkCommit(memberId, generation);
    return generation < 0 ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }
}
