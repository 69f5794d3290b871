import { errorMessage, UnavailableError } from '@pipeline-host/sdk';
import { DRAIN_DEADLINE } from '../../host/src/engine/intake/intake.ts';
import type {
  AssignedPartition,
  CommitAnswer,
  CommitOffset,
  ConsumerHandlers,
  KafkaConsumer,
  KafkaRecord,
  TopicPartition,
} from '../../host/src/kafka/driver.ts';
import type { Network } from './network.ts';
import type { Membership, SimulatedGroup } from './simulated-group.ts';
import { place } from './simulated-log.ts';

interface Position extends TopicPartition {
  next: number;
  paused: boolean;
}

interface Assignment {
  readonly epoch: number;
  readonly generation: number;
  readonly positions: ReadonlyMap<string, Position>;
  /** Batches are handed on. */
  open: boolean;
  /** Commits are possible. */
  live: boolean;
  revoking: boolean;
  /** Nothing went wrong with its commits while it was handed over. */
  clean: boolean;
}

/** What those who check learn of a consumer's life. */
export interface ConsumerWatch {
  readonly assigned: (epoch: number, partitions: readonly AssignedPartition[]) => void;
  /** Offsets were stored. */
  readonly committed: (offsets: readonly CommitOffset[]) => void;
  /** The assignment has ended. `clean`: drained in time, with every commit answered. */
  readonly handedOver: (epoch: number, clean: boolean) => void;
  readonly lost: (epoch: number) => void;
  /** Others may be given its partitions, though it may still drain. */
  readonly fenced: () => void;
  readonly broken: (what: string) => void;
}

const MOST_RECORDS = 8;
/** Milliseconds between tries to connect. */
const RECONNECT = 1_000;

/** A member of the group behind the port of the engine: callbacks in the order that the port promises. */
export class SimulatedConsumer implements KafkaConsumer {
  readonly #name: string;
  readonly #network: Network;
  readonly #group: SimulatedGroup;
  readonly #handlers: ConsumerHandlers;
  readonly #watch: ConsumerWatch;
  readonly #drainDeadline: number;
  readonly #stopWatching: () => void;
  #epoch = 0;
  #joins = 0;
  #memberId = '';
  /** In the life before, which the coordinator may still count in. */
  #formerId = '';
  #assignment: Assignment | null = null;
  #fetching = false;
  #killed = false;
  #closing: Promise<void> | null = null;
  /** What the coordinator asked for, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    name: string,
    network: Network,
    group: SimulatedGroup,
    drainDeadline: number,
    handlers: ConsumerHandlers,
    watch: ConsumerWatch,
  ) {
    this.#name = name;
    this.#network = network;
    this.#group = group;
    this.#drainDeadline = drainDeadline;
    this.#handlers = handlers;
    this.#watch = watch;
    this.#stopWatching = network.log.watch(() => this.#fetchSoon());
    void this.#join();
  }

  /** Joins with a new id, as soon as there is a broker. */
  async #join(): Promise<void> {
    await this.#network.pass('fetch');
    while (this.#network.log.isDown && !this.#isOver) await this.#network.time.sleep(RECONNECT);
    if (this.#isOver) return;
    this.#group.leave(this.#formerId);
    this.#memberId = `${this.#name}-${++this.#joins}`;
    this.#group.join(this.#membership(this.#memberId));
  }

  get #isOver(): boolean {
    return this.#killed || this.#closing !== null;
  }

  #membership(id: string): Membership {
    const inTurn = (wait: number, step: () => Promise<void>): void => {
      this.#turn = this.#turn
        .then(() => this.#network.time.sleep(wait))
        .then(async () => {
          if (!this.#killed && this.#memberId === id) await step();
        });
    };
    return {
      id,
      // Noticed with the next heartbeat.
      rebalancing: () =>
        inTurn(this.#network.random.between(1, 200), async () => {
          await this.#revoke();
          if (this.#closing === null) this.#group.rejoined(id);
        }),
      assigned: (generation, partitions) =>
        inTurn(this.#network.delay('fetch'), async () => {
          if (this.#closing === null && this.#group.has(id)) await this.#assign(generation, partitions);
        }),
    };
  }

  async #assign(generation: number, partitions: Readonly<Record<string, readonly number[]>>): Promise<void> {
    const { log } = this.#network;
    if (generation !== this.#group.generation) return;
    if (log.isDown) return this.#lose('no broker answers');
    const assigned = Object.entries(partitions).flatMap(([topic, list]) =>
      list.map((partition) => {
        const stored = log.commitsOf(this.#group.name).get(place(topic, partition));
        return { topic, partition, committed: stored?.offset ?? null, metadata: stored?.metadata || null };
      }),
    );
    const assignment: Assignment = {
      epoch: ++this.#epoch,
      generation,
      positions: new Map(assigned.map((one) => [place(one.topic, one.partition), { ...one, next: one.committed ?? 0, paused: false }])),
      open: false,
      live: true,
      revoking: false,
      clean: true,
    };
    this.#assignment = assignment;
    this.#watch.assigned(assignment.epoch, assigned);
    try {
      await this.#handlers.onAssigned(assignment.epoch, assigned);
    } catch (error) {
      // Lost meanwhile: it is built again already.
      if (this.#assignment === assignment) this.#lose(errorMessage(error));
      return;
    }
    if (this.#assignment !== assignment || this.#isOver) return;
    assignment.open = true;
    this.#handlers.onAccess(null);
    this.#fetchSoon();
  }

  /** Drains, up to the deadline of the consumer. */
  async #revoke(): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === null) return;
    assignment.open = false;
    assignment.revoking = true;
    // Thrown out before: there is nothing to hand over any more.
    if (!this.#isMember(assignment)) {
      assignment.live = false;
      this.#assignment = null;
      this.#handlers.onLost(assignment.epoch);
      this.#watch.lost(assignment.epoch);
      return;
    }
    const began = this.#network.time.now;
    const late = Symbol('late');
    const outcome = await Promise.race([
      this.#handlers.onRevoking(assignment.epoch),
      this.#network.time.sleep(this.#drainDeadline).then(() => late),
    ]);
    if (this.#killed) return;
    const inTime = outcome !== late && this.#network.time.now - began < DRAIN_DEADLINE;
    const clean = inTime && assignment.clean && assignment.live && this.#isMember(assignment);
    assignment.live = false;
    this.#assignment = null;
    this.#watch.handedOver(assignment.epoch, clean);
  }

  #isMember({ generation }: Assignment): boolean {
    return this.#group.has(this.#memberId) && generation === this.#group.generation;
  }

  /** The session ends at the broker at once; the member learns of it after a while, and works on until then. */
  throwOut(noticedAfter: number): void {
    const id = this.#memberId;
    if (this.#isOver || !this.#group.has(id)) return;
    this.#group.leave(id);
    this.#network.time.after(noticedAfter, () => {
      if (!this.#isOver && this.#memberId === id) this.#lose('the session has ended');
    });
  }

  /** The connection is gone, as in an outage: the consumer is built again. */
  crash(): void {
    if (!this.#isOver && this.#memberId !== '') this.#lose('no broker answers');
  }

  #lose(why: string): void {
    const assignment = this.#assignment;
    this.#watch.fenced();
    if (assignment !== null) {
      assignment.open = false;
      assignment.live = false;
      if (!assignment.revoking) {
        this.#assignment = null;
        this.#handlers.onLost(assignment.epoch);
        this.#watch.lost(assignment.epoch);
      }
    }
    this.#formerId = this.#memberId;
    this.#memberId = '';
    this.#handlers.onError(new UnavailableError('PH_KAFKA_UNREACHABLE', why));
    this.#network.time.after(this.#network.random.between(200, 1_000), () => void this.#join());
  }

  #fetchSoon(): void {
    if (this.#fetching || this.#killed || this.#assignment?.open !== true) return;
    this.#fetching = true;
    this.#network.time.after(this.#network.delay('fetch'), () => {
      this.#fetching = false;
      this.#fetch();
    });
  }

  #fetch(): void {
    const assignment = this.#assignment;
    const { log, random } = this.#network;
    if (assignment?.open !== true || this.#killed || log.isDown) return;
    let more = false;
    for (const position of assignment.positions.values()) {
      if (!assignment.open || position.paused) continue;
      const { topic, partition, next } = position;
      const stored = log.partition(topic, partition);
      if (next >= stored.length) continue;
      const end = Math.min(stored.length, next + random.between(1, MOST_RECORDS));
      position.next = end;
      more = true;
      try {
        this.#handlers.onBatch({
          topic,
          partition,
          epoch: assignment.epoch,
          highWatermark: stored.length,
          lastOffset: end - 1,
          records: stored.slice(next, end).filter((one): one is KafkaRecord => one !== null),
        });
      } catch (error) {
        this.#watch.broken(`onBatch threw: ${errorMessage(error)}`);
      }
    }
    if (more) this.#fetchSoon();
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#steer(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#steer(partitions, false);
    this.#fetchSoon();
  }

  #steer(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const { topic, partition } of partitions) {
      const position = this.#assignment?.positions.get(place(topic, partition));
      if (position !== undefined) position.paused = paused;
    }
  }

  seek({ topic, partition, offset }: TopicPartition & { readonly offset: number }): void {
    const position = this.#assignment?.positions.get(place(topic, partition));
    if (position !== undefined) position.next = offset;
    this.#fetchSoon();
  }

  async commit(epoch: number, offsets: readonly CommitOffset[]): Promise<CommitAnswer> {
    const assignment = this.#assignment;
    const { log, random, time } = this.#network;
    if (this.#killed) return new Promise(() => {});
    if (assignment === null || assignment.epoch !== epoch || !assignment.live) return 'stale';
    for (const { topic, partition } of offsets)
      if (!assignment.positions.has(place(topic, partition)))
        this.#watch.broken(`commit of ${topic}/${partition}, which epoch ${epoch} does not hold`);
    await this.#network.pass('commit');
    const fails = time.now < this.#network.commitsFailUntil && random.chance(0.6);
    // Killed on the way: the request may have left or not.
    const leaves = this.#killed ? random.chance(0.5) : !fails || random.chance(0.5);
    const arrives = !log.isDown && leaves;
    if (arrives) {
      if (!this.#isMember(assignment)) {
        if (this.#killed) return new Promise(() => {});
        assignment.live = false;
        return 'stale';
      }
      log.commit(this.#group.name, offsets);
      this.#watch.committed(offsets);
    }
    await this.#network.pass('answer');
    if (this.#killed) return new Promise(() => {});
    if (fails || !arrives || log.isDown) {
      assignment.clean = false;
      throw new UnavailableError('PH_KAFKA_UNREACHABLE', 'the commit was not answered');
    }
    return random.chance(0.02) ? 'throttled' : 'committed';
  }

  /** The process dies: the coordinator finds out when its session ends. */
  kill(sessionEndsAfter: number): void {
    const ids = [this.#memberId, this.#formerId];
    this.#killed = true;
    this.#assignment = null;
    this.#stopWatching();
    this.#network.time.after(sessionEndsAfter, () => {
      for (const id of ids) this.#group.leave(id);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#killed ? Promise.resolve() : this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const revoked = this.#turn.then(() => this.#revoke());
    this.#turn = revoked;
    await revoked;
    this.#stopWatching();
    this.#group.leave(this.#formerId);
    this.#group.leave(this.#memberId);
  }

  /** The group has gone on without it, and it does not know yet. */
  get isFenced(): boolean {
    return this.#assignment !== null && !this.#isMember(this.#assignment);
  }
}
