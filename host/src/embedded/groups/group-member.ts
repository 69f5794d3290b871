import type { ErrorCode } from '../error-code.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface JoinRequest {
  /** Empty for a member that has none yet. */
  readonly memberId: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly GroupProtocol[];
  /** From version 4 on a new member is first told its id, so that a lost answer leaves no ghost behind. */
  readonly requireMemberId: boolean;
}

export interface JoinResult {
  readonly error: ErrorCode;
  readonly generation: number;
  readonly protocol: string;
  readonly leader: string;
  readonly memberId: string;
  /** For the leader alone: everyone's metadata. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export interface SyncResult {
  readonly error: ErrorCode;
  readonly assignment: Buffer;
}

export interface GroupMember {
  readonly id: string;
  readonly clientId: string;
  readonly clientHost: string;
  protocols: readonly GroupProtocol[];
  assignment: Buffer;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** Set while the member's JoinGroup or SyncGroup waits for the others. */
  joining: ((result: JoinResult) => void) | undefined;
  syncing: ((result: SyncResult) => void) | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Whether the member knows this way of assigning. */
export function supports(member: GroupMember, protocol: string): boolean {
  return member.protocols.some(({ name }) => name === protocol);
}

/** Of the protocols that all support, the one that most members name first. */
export function chooseProtocol(members: readonly GroupMember[]): string {
  const votes = new Map<string, number>();
  for (const member of members) {
    const choice = member.protocols.find(({ name }) => members.every((other) => supports(other, name)))?.name ?? '';
    votes.set(choice, (votes.get(choice) ?? 0) + 1);
  }
  return [...votes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? '';
}

/** Whether a member that joins again brings nothing new. */
export function sameProtocols(a: readonly GroupProtocol[], b: readonly GroupProtocol[]): boolean {
  return a.length === b.length && a.every((protocol, i) => protocol.name === b[i]?.name && protocol.metadata.equals(b[i].metadata));
}
