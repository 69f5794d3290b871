import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, PipelineError } from '@pipeline-host/sdk';
import { brokerErrorType, isGone, isHandover, isTopicRefused } from '../classify.ts';
import type { AssignedPartition, CommitAnswer, CommitOffset, ConsumerHandlers, KafkaLog, RecordBatch, TopicPartition } from '../driver.ts';
import type { BatchInternals, GroupInternals } from '../kafkajs-internals.ts';
import { joinRetrier, type MembershipHooks, ownConnections } from '../repairs.ts';
import { GroupCoordinator } from './group-coordinator.ts';
import { Heartbeats } from './heartbeats.ts';
import { LeaderOutages } from './leader-outages.ts';
import { recordBatch } from './record-batch.ts';

/** One assignment of this member: from the broker's answer to the join until it is revoked or lost. */
interface Assignment {
  readonly epoch: number;
  readonly group: GroupInternals;
  /** Held apart from the group, which forgets them on the next join: a late commit must carry the generation it belongs to. */
  readonly memberId: string;
  readonly generationId: number;
  readonly coordinator: GroupCoordinator;
  readonly heartbeats: Heartbeats;
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>;
  /** Batches are handed on. */
  open: boolean;
  /** Whether fetches are answered; null until the first one was. */
  reading: boolean | null;
  /** Nodes that refuse them. */
  readonly refusing: Set<string>;
  /** Commits are possible. */
  live: boolean;
  /** Settles with `onAssigned`; what ends the assignment waits for it. */
  ready: Promise<void>;
  revoking: Promise<void> | undefined;
}

export interface MemberOptions {
  readonly group: string;
  readonly handlers: ConsumerHandlers;
  readonly log: KafkaLog;
  readonly heartbeatInterval: number;
  readonly sessionTimeout: number;
  /** Its id in a life before, which the group may still know: joining under it, it need not wait for the end of that session. */
  readonly formerId: string | null;
  readonly drainDeadline: number;
  readonly nextEpoch: () => number;
  /** Null: fetches are answered, or there is nothing to fetch. An error: they are refused for want of a right, and repeated. */
  readonly access: (refused: unknown) => void;
  /** Takes a member out of the group by another connection: its own is taken while it joins. Never rejects. */
  readonly leave: (memberId: string) => Promise<void>;
}

/** The broker gives a member its id at once; without one it cannot leave. */
const ID_MILLISECONDS = 2_000;
/** A read that is refused is tried again after so long: well within the time in which a heartbeat is due. */
const REFUSED_MILLISECONDS = 500;
/** A coordinator that is to come is asked again after the pause; after the most the consumer says that it has none. */
const JOIN_MILLISECONDS = { pause: 200, most: 5_000 } as const;
/** A member that has left is answered at once, where the broker is there at all. */
const ANSWER_MILLISECONDS = 1_000;

/**
 * One life of a group member, from connect to disconnect or crash: turns what kafkajs's group does into the port's
 * callbacks in their promised order. It is the only writer of the assignment.
 */
export class Member implements MembershipHooks {
  readonly #options: MemberOptions;
  readonly #outages: LeaderOutages;
  #assignment: Assignment | undefined;
  #joining: Promise<void> | undefined;
  /** Of this member at the broker, from before its first join is answered until it has left. */
  #memberId: string | null;
  /** To join under, once. */
  #formerId: string | null;
  readonly #known = Promise.withResolvers<void>();
  /** Why kafkajs has to end this life. */
  #end: Error | undefined;
  #closing = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#outages = new LeaderOutages(options.log, options.group);
    this.#memberId = options.formerId;
    this.#formerId = options.formerId;
  }

  /** By which the group may still know it; null where it has left or never joined. */
  get memberId(): string | null {
    return this.#memberId;
  }

  /** Several fetchers can ask for it at once (one a broker); they share one join. */
  joining(group: GroupInternals, join: () => Promise<void>): Promise<void> {
    this.#joining ??= this.#rejoin(group, join).finally(() => {
      this.#joining = undefined;
    });
    return this.#joining;
  }

  requestingJoin(): void {
    if (this.#closing) throw unretriable(new Error('the consumer is closing'));
  }

  memberIdGiven(memberId: string): void {
    this.#memberId = memberId;
    this.#known.resolve();
  }

  async leaving(_group: GroupInternals, leave: () => Promise<void>): Promise<void> {
    this.lose();
    await leave();
    this.#memberId = null;
  }

  beating(): void {
    if (this.#end !== undefined) throw this.#end;
    this.#assignment?.heartbeats.check();
  }

  /** Hands each batch on as soon as it is decoded, past kafkajs's queue, which would hold all partitions for the slowest. */
  async fetching(group: GroupInternals, nodeId: string, fetch: () => Promise<BatchInternals[]>): Promise<BatchInternals[]> {
    const assignment = this.#assignment;
    if (assignment === undefined || !assignment.open) {
      await sleep(50);
      return [];
    }
    for (const batch of await this.#fetch(assignment, nodeId, fetch)) {
      // Another fetcher may have rejoined meanwhile; what was fetched before belongs to nobody now.
      if (this.#assignment !== assignment || !assignment.open) return [];
      const { topic, partition } = batch;
      if (group.seekOffset.has(topic, partition) || group.isPaused(topic, partition)) continue;
      if (batch.isEmpty() && !batch.isEmptyDueToFiltering()) continue;
      const lastOffset = batch.lastOffset();
      group.resolveOffset({ topic, partition, offset: lastOffset });
      this.#hand(recordBatch(batch, assignment.epoch, Number(lastOffset)));
    }
    return [];
  }

  /**
   * Whoever may not read (any more), or whose leader is away, is a member still. Its end and a rebuild would repeat what is
   * settled, since the broker takes no offsets of a topic that may not be read, and stop the other partitions; so it
   * stays, and asks again.
   */
  async #fetch(assignment: Assignment, nodeId: string, fetch: () => Promise<BatchInternals[]>): Promise<BatchInternals[]> {
    let batches: BatchInternals[];
    try {
      batches = await fetch();
    } catch (error) {
      if (isHandover(error)) await this.#outages.wait(nodeId, error, assignment.group.cluster);
      else if (isTopicRefused(error)) {
        assignment.refusing.add(nodeId);
        this.#setReading(assignment, error);
        await sleep(REFUSED_MILLISECONDS);
      } else throw error;
      return [];
    }
    this.#outages.end(nodeId);
    assignment.refusing.delete(nodeId);
    if (assignment.refusing.size === 0) this.#setReading(assignment, null);
    return batches;
  }

  #setReading(assignment: Assignment, refused: unknown): void {
    const reading = refused === null;
    if (assignment.reading === reading || this.#assignment !== assignment) return;
    assignment.reading = reading;
    this.#options.access(refused);
  }

  /** A batch that was refused must not be read past: no retry of kafkajs, but the end of this life. */
  #hand(batch: RecordBatch): void {
    try {
      this.#options.handlers.onBatch(batch);
    } catch (error) {
      this.lose();
      throw unretriable(error);
    }
  }

  assigned({ topic, partition }: TopicPartition): boolean {
    return this.#assignment?.partitions.get(topic)?.has(partition) === true;
  }

  async commit(epoch: number, offsets: readonly CommitOffset[]): Promise<CommitAnswer> {
    const assignment = this.#assignment;
    if (assignment === undefined || assignment.epoch !== epoch || !assignment.live) return 'stale';
    const topics = new Map<string, { partition: number; offset: string; metadata: string | null }[]>();
    for (const { topic, partition, offset, metadata } of offsets) {
      if (!this.assigned({ topic, partition })) {
        throw new PipelineError('PH_KAFKA_NOT_ASSIGNED', `commit of ${topic}/${partition}, which epoch ${epoch} does not hold`, {
          place: this.#options.group,
        });
      }
      const partitions = topics.get(topic) ?? [];
      partitions.push({
        partition,
        offset: String(offset),
        metadata: metadata ?? null,
      });
      topics.set(topic, partitions);
    }
    if (topics.size === 0) return 'committed';
    try {
      const { throttleTime = 0, clientSideThrottleTime = 0 } = await assignment.coordinator.request((broker) =>
        broker.offsetCommit({
          groupId: this.#options.group,
          memberId: assignment.memberId,
          groupGenerationId: assignment.generationId,
          topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
        }),
      );
      return throttleTime > 0 || clientSideThrottleTime > 0 ? 'throttled' : 'committed';
    } catch (error) {
      if (isGone(error)) assignment.live = false;
      if (isGone(error) || brokerErrorType(error) === 'REBALANCE_IN_PROGRESS') return 'stale';
      throw error;
    }
  }

  /** Ends the assignment with a chance to drain; nothing is joined after it. */
  async close(): Promise<void> {
    this.#closing = true;
    const joining = this.#joining;
    await this.#revoke();
    if (joining !== undefined) await this.#stopJoining(joining.catch(() => {}));
  }

  /** The answer to a join may wait for other members, and kafkajs with it; to a member that leaves it comes at once. */
  async #stopJoining(answered: Promise<void>): Promise<void> {
    await Promise.race([answered, this.#known.promise, pause(ID_MILLISECONDS)]);
    await this.#leave();
    await Promise.race([answered, pause(ANSWER_MILLISECONDS)]);
  }

  async #leave(): Promise<void> {
    const memberId = this.#memberId;
    this.#memberId = null;
    if (memberId !== null) await this.#options.leave(memberId);
  }

  /** Ends the assignment without a chance to drain, if one is held. */
  lose(): void {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    assignment.open = false;
    assignment.live = false;
    if (assignment.revoking !== undefined) return;
    assignment.heartbeats.stop();
    this.#assignment = undefined;
    this.#options.handlers.onLost(assignment.epoch);
  }

  async #rejoin(group: GroupInternals, join: () => Promise<void>): Promise<void> {
    try {
      await this.#revoke();
      if (this.#closing) throw new Error('the consumer is closing');
      ownConnections(group.cluster, this);
      group.retrier = joinRetrier();
      group.memberId ??= this.#formerId;
      this.#formerId = null;
      await this.#join(join);
      if (this.#closing) throw new Error('the consumer is closing');
      await this.#assign(group);
    } catch (error) {
      // kafkajs itself leaves only a group that it had joined before. Where it goes on, its next life takes the id over.
      if (this.#closing) await this.#leave();
      // kafkajs would go on fetching with half a membership; its crash, and our rebuild, is the recovery that always works.
      throw unretriable(error);
    }
  }

  /** The group may be on its way to another coordinator, which is waited for here: a new life would take longer. */
  async #join(join: () => Promise<void>): Promise<void> {
    const end = performance.now() + JOIN_MILLISECONDS.most;
    for (;;) {
      try {
        return await join();
      } catch (error) {
        if (!isHandover(error) || this.#closing || performance.now() > end) throw error;
        await sleep(JOIN_MILLISECONDS.pause);
      }
    }
  }

  async #assign(group: GroupInternals): Promise<void> {
    const { memberId, generationId } = group;
    if (memberId === null) throw new Error('joined the group without a member id');
    // Pauses and seeks of kafkajs outlive a rebalance; the new assignment starts clean.
    group.resume(group.paused());
    group.seekOffset.clear();
    const assigned = group.assigned().filter(({ partitions }) => partitions.length > 0);
    const coordinator = new GroupCoordinator(group);
    const committed = await this.#committed(coordinator, assigned);
    const assignment: Assignment = {
      epoch: this.#options.nextEpoch(),
      group,
      memberId,
      generationId,
      coordinator,
      heartbeats: this.#beat(() => assignment),
      partitions: new Map(assigned.map(({ topic, partitions }) => [topic, new Set(partitions)])),
      open: false,
      reading: null,
      refusing: new Set(),
      live: true,
      ready: Promise.resolve(),
      revoking: undefined,
    };
    this.#assignment = assignment;
    assignment.ready = Promise.resolve(this.#options.handlers.onAssigned(assignment.epoch, committed));
    await assignment.ready;
    if (this.#assignment !== assignment || assignment.revoking !== undefined) return;
    assignment.open = true;
    // Nothing will be fetched.
    if (assigned.length === 0) this.#setReading(assignment, null);
  }

  async #committed(
    coordinator: GroupCoordinator,
    assigned: readonly {
      readonly topic: string;
      readonly partitions: readonly number[];
    }[],
  ): Promise<AssignedPartition[]> {
    if (assigned.length === 0) return [];
    const topics = assigned.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition })),
    }));
    const { responses } = await coordinator.request((broker) => broker.offsetFetch({ groupId: this.#options.group, topics }));
    return responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        // Negative: never committed, or kafkajs's own mark for "out of range, start over".
        committed: Number(offset) < 0 ? null : Number(offset),
        metadata: metadata === '' ? null : metadata,
      })),
    );
  }

  #revoke(): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return Promise.resolve();
    assignment.open = false;
    assignment.revoking ??= this.#drain(assignment).finally(() => {
      assignment.live = false;
      assignment.heartbeats.stop();
      if (this.#assignment === assignment) this.#assignment = undefined;
    });
    return assignment.revoking;
  }

  async #drain(assignment: Assignment): Promise<void> {
    const { handlers, log, group, drainDeadline } = this.#options;
    await assignment.ready.catch(() => {});
    await Promise.race([assignment.heartbeats.now(), pause(ANSWER_MILLISECONDS)]);
    if (!assignment.live) {
      handlers.onLost(assignment.epoch);
      return;
    }
    const expired = new AbortController();
    try {
      const deadline = sleep(drainDeadline, 'expired' as const, {
        signal: expired.signal,
        ref: true,
      });
      deadline.catch(() => {});
      const outcome = await Promise.race([handlers.onRevoking(assignment.epoch), deadline]);
      if (outcome === 'expired')
        log.warn('drain deadline passed; what is still open will be repeated', {
          group,
          epoch: assignment.epoch,
        });
    } catch (error) {
      log.error('draining failed; what is still open will be repeated', {
        group,
        epoch: assignment.epoch,
        error: String(error),
      });
    } finally {
      expired.abort();
    }
  }

  #beat(of: () => Assignment): Heartbeats {
    const { group: groupId, heartbeatInterval: interval, sessionTimeout } = this.#options;
    return new Heartbeats({
      interval,
      sessionTimeout,
      beat: async () => {
        const assignment = of();
        const { memberId, generationId: groupGenerationId } = assignment;
        try {
          await assignment.coordinator.request((broker) => broker.heartbeat({ groupId, groupGenerationId, memberId }));
        } catch (error) {
          if (isGone(error)) assignment.live = false;
          throw error;
        }
      },
      onExpired: (silence) => {
        const assignment = of();
        // One that is being drained goes on to join anew.
        if (assignment.revoking === undefined) this.#end = unretriable(silence);
        if (this.#assignment === assignment) this.lose();
      },
    });
  }
}

const pause = (milliseconds: number): Promise<void> => sleep(milliseconds, undefined, { ref: false });

/** Marked so that kafkajs does not try again but crashes at once. */
const unretriable = (cause: unknown): Error => Object.assign(new Error(errorMessage(cause), { cause }), { retriable: false });
