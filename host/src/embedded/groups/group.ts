import { randomUUID } from 'node:crypto';
import { ErrorCode } from '../error-code.ts';
import {
  chooseProtocol,
  type GroupMember,
  type GroupState,
  type JoinRequest,
  type JoinResult,
  type SyncResult,
  sameProtocols,
  supports,
} from './group-member.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * One consumer group by the classic protocol: members join, the leader assigns, all fetch their part; any change starts again.
 * A member that sends nothing for its session timeout is out.
 */
export class Group {
  readonly id: string;
  readonly members = new Map<string, GroupMember>();
  state: GroupState = 'Empty';
  generation = 0;
  protocolType = '';
  protocol = '';
  #leader = '';
  /** Ids given out by MEMBER_ID_REQUIRED and not used yet. */
  readonly #promised = new Map<string, NodeJS.Timeout>();
  #rebalanceTimer: NodeJS.Timeout | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** True when nothing would be lost by forgetting the group. */
  get unused(): boolean {
    return this.members.size === 0 && this.#promised.size === 0 && this.generation === 0;
  }

  /** Resolves when the rebalance that it starts or joins has all its members. */
  join(request: JoinRequest): Promise<JoinResult> {
    const refused = (error: ErrorCode, memberId = request.memberId): Promise<JoinResult> =>
      Promise.resolve({ error, generation: -1, protocol: '', leader: '', memberId, members: [] });
    if (!this.#fits(request)) return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    let memberId = request.memberId;
    if (memberId === '') {
      memberId = `${request.clientId}-${randomUUID()}`;
      if (request.requireMemberId) {
        this.#promise(memberId, request.sessionTimeoutMs);
        return refused(ErrorCode.MEMBER_ID_REQUIRED, memberId);
      }
    } else if (!this.members.has(memberId) && !this.#redeem(memberId)) {
      return refused(ErrorCode.UNKNOWN_MEMBER_ID);
    }

    const known = this.members.get(memberId);
    const unchanged = known !== undefined && sameProtocols(known.protocols, request.protocols);
    const member = this.#enrol(memberId, request);
    this.protocolType = request.protocolType;
    this.#restartSession(member);
    const repeats = this.state === 'CompletingRebalance' || (this.state === 'Stable' && this.#leader !== memberId);
    if (unchanged && repeats) return Promise.resolve(this.#joined(member));
    member.joining?.({ error: ErrorCode.REBALANCE_IN_PROGRESS, generation: -1, protocol: '', leader: '', memberId, members: [] });
    return new Promise((resolve) => {
      member.joining = resolve;
      if (this.state === 'PreparingRebalance') this.#completeJoin(false);
      else this.#prepareRebalance();
    });
  }

  /** Resolves with the member's part when the leader has brought the assignment. */
  sync(memberId: string, generation: number, assignments: ReadonlyMap<string, Buffer>): Promise<SyncResult> {
    const answer = (error: ErrorCode, assignment: Buffer = NO_BYTES): Promise<SyncResult> => Promise.resolve({ error, assignment });
    const member = this.members.get(memberId);
    if (!member) return answer(ErrorCode.UNKNOWN_MEMBER_ID);
    if (generation !== this.generation) return answer(ErrorCode.ILLEGAL_GENERATION);
    if (this.state === 'PreparingRebalance') return answer(ErrorCode.REBALANCE_IN_PROGRESS);
    this.#restartSession(member);
    if (this.state === 'Stable') return answer(ErrorCode.NONE, member.assignment);
    return new Promise((resolve) => {
      member.syncing?.({ error: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NO_BYTES });
      member.syncing = resolve;
      if (memberId === this.#leader) this.#distribute(assignments);
    });
  }

  heartbeat(memberId: string, generation: number): ErrorCode {
    const member = this.members.get(memberId);
    if (!member) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION;
    this.#restartSession(member);
    return this.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  leave(memberId: string): ErrorCode {
    const member = this.members.get(memberId);
    if (!member) return this.#redeem(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
    this.#remove(member);
    return ErrorCode.NONE;
  }

  /** Whether this member may commit offsets now; without members anyone may, for tools. Members go on committing during a rebalance. */
  checkCommit(memberId: string, generation: number): ErrorCode {
    if (generation < 0 && this.members.size === 0) return ErrorCode.NONE;
    const member = this.members.get(memberId);
    if (!member) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (generation !== this.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (this.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
    this.#restartSession(member);
    return ErrorCode.NONE;
  }

  /** Stops all timers and answers whoever waits. */
  close(): void {
    clearTimeout(this.#rebalanceTimer);
    for (const timer of this.#promised.values()) clearTimeout(timer);
    for (const member of this.members.values()) {
      clearTimeout(member.timer);
      this.#refuseWaiting(member, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    this.state = 'Dead';
  }

  #fits(request: JoinRequest): boolean {
    const others = [...this.members.values()].filter((member) => member.id !== request.memberId);
    if (request.protocols.length === 0 || request.protocolType === '') return false;
    if (others.length === 0) return true;
    const common = request.protocols.some((protocol) => others.every((member) => supports(member, protocol.name)));
    return request.protocolType === this.protocolType && common;
  }

  #promise(memberId: string, sessionTimeoutMs: number): void {
    this.#promised.set(
      memberId,
      setTimeout(() => this.#promised.delete(memberId), sessionTimeoutMs),
    );
  }

  #redeem(memberId: string): boolean {
    clearTimeout(this.#promised.get(memberId));
    return this.#promised.delete(memberId);
  }

  #enrol(id: string, request: JoinRequest): GroupMember {
    const { clientId, clientHost, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = request;
    const known = this.members.get(id);
    if (known) return Object.assign(known, { protocols, sessionTimeoutMs, rebalanceTimeoutMs });
    const member: GroupMember = {
      ...{ id, clientId, clientHost, protocols, sessionTimeoutMs, rebalanceTimeoutMs },
      ...{ assignment: NO_BYTES, joining: undefined, syncing: undefined, timer: undefined },
    };
    this.members.set(id, member);
    return member;
  }

  #restartSession(member: GroupMember): void {
    clearTimeout(member.timer);
    member.timer = setTimeout(() => {
      // Waiting for the others is not silence.
      if (member.joining || member.syncing) this.#restartSession(member);
      else this.#remove(member);
    }, member.sessionTimeoutMs);
  }

  #remove(member: GroupMember): void {
    clearTimeout(member.timer);
    this.members.delete(member.id);
    this.#refuseWaiting(member, ErrorCode.UNKNOWN_MEMBER_ID);
    if (this.state === 'PreparingRebalance') this.#completeJoin(false);
    else if (this.state !== 'Empty') this.#prepareRebalance();
  }

  #refuseWaiting(member: GroupMember, error: ErrorCode): void {
    const { joining, syncing } = member;
    member.joining = undefined;
    member.syncing = undefined;
    joining?.({ error, generation: -1, protocol: '', leader: '', memberId: member.id, members: [] });
    syncing?.({ error, assignment: NO_BYTES });
  }

  #prepareRebalance(): void {
    for (const member of this.members.values()) {
      const { syncing } = member;
      member.syncing = undefined;
      syncing?.({ error: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NO_BYTES });
    }
    this.state = 'PreparingRebalance';
    this.#startRebalanceTimer(() => this.#completeJoin(true));
    this.#completeJoin(false);
  }

  /** Goes on when all members are back; with `force`, without those who are not. */
  #completeJoin(force: boolean): void {
    const absent = [...this.members.values()].filter((member) => !member.joining);
    if (absent.length > 0 && !force) return;
    for (const member of absent) {
      clearTimeout(member.timer);
      this.members.delete(member.id);
    }
    clearTimeout(this.#rebalanceTimer);
    this.generation += 1;
    const present = [...this.members.values()];
    const [first] = present;
    if (!first) {
      this.state = 'Empty';
      this.#leader = '';
      this.protocol = '';
      return;
    }
    this.protocol = chooseProtocol(present);
    if (!this.members.has(this.#leader)) this.#leader = first.id;
    this.state = 'CompletingRebalance';
    // A leader that never brings the assignment must not hold the others for ever.
    this.#startRebalanceTimer(() => this.#prepareRebalance());
    for (const member of present) {
      const { joining } = member;
      member.joining = undefined;
      member.assignment = NO_BYTES;
      this.#restartSession(member);
      joining?.(this.#joined(member));
    }
  }

  #distribute(assignments: ReadonlyMap<string, Buffer>): void {
    clearTimeout(this.#rebalanceTimer);
    this.state = 'Stable';
    for (const member of this.members.values()) {
      member.assignment = assignments.get(member.id) ?? NO_BYTES;
      const { syncing } = member;
      member.syncing = undefined;
      syncing?.({ error: ErrorCode.NONE, assignment: member.assignment });
    }
  }

  #joined(member: GroupMember): JoinResult {
    const isLeader = member.id === this.#leader;
    const metadata = (other: GroupMember): Buffer => other.protocols.find(({ name }) => name === this.protocol)?.metadata ?? NO_BYTES;
    return {
      error: ErrorCode.NONE,
      generation: this.generation,
      protocol: this.protocol,
      leader: this.#leader,
      memberId: member.id,
      members: isLeader ? [...this.members.values()].map((other) => ({ memberId: other.id, metadata: metadata(other) })) : [],
    };
  }

  #startRebalanceTimer(then: () => void): void {
    clearTimeout(this.#rebalanceTimer);
    const longest = Math.max(0, ...[...this.members.values()].map((member) => member.rebalanceTimeoutMs));
    this.#rebalanceTimer = setTimeout(then, longest);
  }
}
