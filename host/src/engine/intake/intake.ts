import type { Log } from '@pipeline-host/sdk';
import { type Clock, systemClock } from '../../clock.ts';
import type { AssignedPartition, KafkaConsumer, KafkaRecord, RecordBatch } from '../../kafka/driver.ts';
import { HEADER, headerNumber, headerText } from '../../retry/headers.ts';
import type { RetryLayout } from '../../retry/layout.ts';
import { ReleaseRate } from '../../retry/release-rate.ts';
import { schemaVersion } from '../messages/schema-version.ts';
import { decodeAhead } from './commit-metadata.ts';
import { Commits, type CommitsOptions } from './commits.ts';
import type { Span } from './ledger.ts';
import { PartitionState, recordBytes } from './partition-state.ts';
import type { ReplayGuard } from './replay-guard.ts';
import { type SettledAs, Tally } from './tally.ts';

/** What is open at revocation gets this long to end. */
export const DRAIN_DEADLINE = 10_000;
/** A record of a newer schema is looked at again after so long, doubled up to the second. */
const NEWER_WAIT = { first: 1_000, longest: 60_000 } as const;
/** So long until a lane is asked again that was paused for a look at what stands before a replay. */
const LOOK_WAIT = 20;
/** A partition keeps its turn for so many records. */
const TURN = 64;

/** What works on the records: handlers in lanes, or rows in batches. */
export interface Sink {
  /** Records are waiting: take some. Returns at once. */
  wake(): void;
  /** Finishes what was started, so that the watermark reaches everything that was started, and starts nothing else. */
  drain(deadline: number): Promise<void>;
  /** The assignment is gone: waiting records are forgotten, late outcomes change nothing. */
  abandon(): void;
  /** Learns where its tables stand before the first record of an assignment comes, and may let partitions begin later for it. */
  assigned?(partitions: readonly PartitionState[]): Promise<void>;
}

export interface TakenRecord {
  readonly partition: PartitionState;
  readonly record: KafkaRecord;
}

export interface IntakeOptions extends Pick<CommitsOptions, 'readBack' | 'releaseFile' | 'onCommit'> {
  readonly sourceTopic: string;
  /** Of the retry topic. */
  readonly layout: RetryLayout;
  /** Milliseconds of lanes 1 and up. */
  readonly delays: readonly number[];
  /** Records of the retry topic that are taken up again a second. */
  readonly release: number;
  /** The worker, where others have their retries in the same topic: theirs are settled unread. */
  readonly addressee: string | null;
  /** Bytes of records that may be held; above it every partition is paused until half of it is free. */
  readonly byteBudget: number;
  /** The newest version of the topic's schema that the plugin knows. */
  readonly schemaVersion: number;
  /** Finds replays that stand in lane 0 twice. */
  readonly replays: Pick<ReplayGuard, 'verdict'>;
  readonly log: Log;
  /** The system's by default. */
  readonly clock?: Clock;
}

/**
 * Where fetched records wait for the sink, and where they are settled: the ledgers, the byte budget, the pauses and the
 * commits of one consumer.
 */
export class Intake {
  readonly tally = new Tally();
  readonly #options: IntakeOptions;
  readonly #commits: Commits;
  readonly #releaseRate: ReleaseRate;
  readonly #clock: Clock;
  readonly #attached = Promise.withResolvers<void>();
  #sink: Sink | null = null;
  #consumer: KafkaConsumer | null = null;
  #epoch = -1;
  #partitions: PartitionState[] = [];
  #byPlace = new Map<string, PartitionState>();
  #turn = 0;
  #turnLeft = TURN;
  #bytes = 0;
  #budgetPaused = false;
  #closed = false;
  #accepting = false;
  #revoking: Promise<void> = Promise.resolve();
  /** When a record was settled last, and when a batch came last, on the monotonic clock. */
  lastSettled = performance.now();
  lastReceived = performance.now();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#commits = new Commits({ ...options, held: () => ({ epoch: this.#epoch, partitions: this.#partitions }) });
    this.#releaseRate = new ReleaseRate(options.release, Date.now());
    this.#clock = options.clock ?? systemClock;
  }

  attach(sink: Sink, consumer: KafkaConsumer): void {
    this.#sink = sink;
    this.#consumer = consumer;
    this.#commits.start(consumer);
    this.#attached.resolve();
  }

  get partitions(): readonly PartitionState[] {
    return this.#partitions;
  }

  /** Whether a crash repeats only what was open or settled since the last commit; null until it is known of the broker. */
  get exactResume(): boolean | null {
    return this.#commits.exact;
  }

  get open(): number {
    let open = 0;
    for (const partition of this.#partitions) open += partition.ledger.open;
    return open;
  }

  /** Hands over the next record, fair over the partitions; undefined where none waits or the assignment is ending. */
  take(): TakenRecord | undefined {
    return this.#takeOf(() => true);
  }

  /** The next record that was never tried, else one that comes back. */
  takeUntried(): TakenRecord | undefined {
    return this.#takeOf(({ lane }) => lane === null) ?? this.take();
  }

  #takeOf(may: (partition: PartitionState) => boolean): TakenRecord | undefined {
    if (!this.#accepting) return undefined;
    const count = this.#partitions.length;
    for (let tried = 0; tried <= count; tried++) {
      const partition = this.#partitions[this.#turn];
      const record = this.#turnLeft > 0 && partition !== undefined && may(partition) ? partition.shift() : undefined;
      if (partition !== undefined && record !== undefined) {
        this.#turnLeft--;
        return { partition, record };
      }
      this.#turn = this.#turn + 1 >= count ? 0 : this.#turn + 1;
      this.#turnLeft = TURN;
    }
    return undefined;
  }

  /** A record has found its end. Late settlements of a lost partition change nothing. */
  settle(partition: PartitionState, record: KafkaRecord, as: SettledAs): void {
    if (partition.closed) return;
    partition.ledger.settle(record.offset);
    this.tally[as]++;
    this.lastSettled = performance.now();
    this.#bytes -= recordBytes(record);
    if (this.#budgetPaused && this.#bytes * 2 < this.#options.byteBudget) this.#resumeAll();
  }

  // What the consumer calls

  async assign(epoch: number, assigned: readonly AssignedPartition[]): Promise<void> {
    await this.#attached.promise;
    // A member that crashed or ran out of time while it drained joins again: its drain must not end in the new assignment.
    await this.#revoking.catch(() => {});
    this.#letGo();
    this.#epoch = epoch;
    const { sourceTopic, layout } = this.#options;
    this.#partitions = assigned.map((one) => {
      const { topic, partition, committed } = one;
      return new PartitionState({
        topic,
        partition,
        source: topic === sourceTopic ? partition % layout.classes : Math.floor(partition / layout.lanes),
        lane: topic === sourceTopic ? null : partition % layout.lanes,
        committed: committed ?? 0,
        resumed: this.#resumed(one),
      });
    });
    this.#byPlace = new Map(this.#partitions.map((state) => [place(state.topic, state.partition), state]));
    await this.#sink?.assigned?.(this.#partitions);
    if (this.#epoch === epoch) this.#skipSettled();
    if (this.#epoch === epoch) this.#accepting = !this.#closed;
  }

  /** Reads nothing that is known to be settled, and commits that it is. */
  #skipSettled(): void {
    const behind = this.#partitions.filter(({ ledger, committed }) => ledger.start > committed);
    for (const { topic, partition, ledger } of behind) this.#consumer?.seek({ topic, partition, offset: ledger.start });
    if (behind.length > 0) this.#commits.expect();
  }

  /** What the last owner had settled above its watermark. */
  #resumed({ topic, partition, committed, metadata }: AssignedPartition): readonly Span[] {
    if (committed === null || metadata === null) return [];
    const ahead = decodeAhead(committed, metadata);
    if (ahead !== null) this.#commits.wasKept();
    else this.#options.log.info({ topic, partition, committed }, 'the metadata of the last commit is not of this version and is ignored');
    return ahead ?? [];
  }

  /** Before the member rejoins: everything started ends and is committed, so that the next owner repeats nothing. */
  revoke(): Promise<void> {
    this.#revoking = this.#drain();
    return this.#revoking;
  }

  async #drain(): Promise<void> {
    await this.#attached.promise;
    this.#accepting = false;
    await this.#sink?.drain(Date.now() + DRAIN_DEADLINE);
    await this.commit();
    this.#letGo();
  }

  /** The assignment is gone without notice. */
  lose(): void {
    this.#letGo();
    this.#sink?.abandon();
  }

  receive(batch: RecordBatch): void {
    const state = this.#byPlace.get(place(batch.topic, batch.partition));
    if (state === undefined || batch.epoch !== this.#epoch || !this.#accepting || state.delayed !== null) return;
    const now = Date.now();
    this.lastReceived = performance.now();
    if (batch.lastOffset < state.committed && state.ledger.end === state.committed) this.#startBelow(state, batch);
    const { ledger } = state;
    if (batch.highWatermark < ledger.resumedEnd) ledger.forgetResumed();
    let received = 0;
    for (const record of batch.records) {
      if (ledger.seen(record.offset) || ledger.passSettled(record.offset)) continue;
      if (state.lane !== null && this.#isForOthers(record)) {
        ledger.cover(record.offset);
        continue;
      }
      if (this.#waitForPlugin(state, record)) break;
      if (state.lane !== null && this.#waitUntilDue(state, record, now)) break;
      const verdict = state.lane === 0 ? this.#options.replays.verdict(state, record) : 'first';
      if (verdict === 'unknown') {
        this.#lookAgain(state, record.offset, LOOK_WAIT);
        break;
      }
      if (received === 0) state.arrived(record.offset, this.lastReceived);
      ledger.deliver(record.offset);
      this.#bytes += recordBytes(record);
      received++;
      if (verdict === 'first') state.push(record);
      else this.#skipRepeated(state, record);
    }
    if (state.delayed === null) ledger.cover(batch.lastOffset);
    this.#commits.expect();
    this.tally.received += received;
    if (this.#bytes > this.#options.byteBudget && !this.#budgetPaused) this.#pauseAll();
    if (received > 0) this.#sink?.wake();
  }

  /** The first batch ends before the committed offset: the partition lost its end or was made anew, and is read from its start. */
  #startBelow(state: PartitionState, { topic, partition, records, lastOffset }: RecordBatch): void {
    const start = records[0]?.offset ?? lastOffset;
    const { committed } = state;
    this.#options.log.error(
      { topic, partition, committed, start },
      'the committed offset is beyond the end of the partition: it is read again',
    );
    state.restart(start);
  }

  /** No record waits longer than its lane does, whatever clock or sender wrote its due time. */
  #longestWait({ lane }: PartitionState): number {
    const { delays } = this.#options;
    return lane === null || lane === 0 ? 0 : (delays[lane - 1] ?? Math.max(0, ...delays));
  }

  #isForOthers({ headers }: KafkaRecord): boolean {
    const { addressee } = this.#options;
    return addressee !== null && (headerText(headers, HEADER.worker) ?? addressee) !== addressee;
  }

  /**
   * Pauses a lane until the due time of its head (all records of a lane wait equally long, so the head is due first), or
   * until more may be released.
   */
  #waitUntilDue(state: PartitionState, head: KafkaRecord, now: number): boolean {
    const since = state.waitedFor(head.offset, now);
    const due = Math.min(headerNumber(head.headers, HEADER.dueAt, 0), since + this.#longestWait(state));
    const wait = due > now ? due - now : this.#releaseRate.take(now);
    if (wait === 0) return false;
    this.#lookAgain(state, head.offset, wait);
    return true;
  }

  /** Pauses a partition at a record that only a newer version of the plugin can read: nothing is burned, and it is looked at again. */
  #waitForPlugin(state: PartitionState, head: KafkaRecord): boolean {
    const version = schemaVersion(head.headers);
    if (version <= this.#options.schemaVersion) {
      state.newer = null;
      return false;
    }
    const { topic, partition } = state;
    const { offset } = head;
    if (state.newer?.offset !== offset) {
      this.#options.log.warn(
        { topic, partition, offset, version },
        'the partition waits for a plugin that knows this version of the schema',
      );
      state.newer = { offset, version, wait: NEWER_WAIT.first };
    }
    this.#lookAgain(state, offset, state.newer.wait);
    state.newer = { offset, version, wait: Math.min(state.newer.wait * 2, NEWER_WAIT.longest) };
    return true;
  }

  /** Reads the partition from this offset again after a time. */
  #lookAgain(state: PartitionState, offset: number, wait: number): void {
    const { topic, partition } = state;
    this.#consumer?.pause([{ topic, partition }]);
    this.#consumer?.seek({ topic, partition, offset });
    state.delayed = this.#clock.after(Math.min(wait, 0x7fffffff), () => {
      state.delayed = null;
      if (!state.closed && !this.#budgetPaused) this.#consumer?.resume([{ topic, partition }]);
    });
  }

  #skipRepeated(state: PartitionState, record: KafkaRecord): void {
    const { topic, partition } = state;
    this.#options.log.warn({ topic, partition, offset: record.offset }, 'a replay stands in its lane twice: the second one is skipped');
    this.settle(state, record, 'skipped');
  }

  #pauseAll(): void {
    this.#budgetPaused = true;
    this.#consumer?.pause(this.#partitions);
    void this.commit();
  }

  #resumeAll(): void {
    this.#budgetPaused = false;
    this.#consumer?.resume(this.#partitions.filter((state) => state.delayed === null));
  }

  /** Commits what was settled since the last commit. Never rejects: a failed one is tried again by the timer. */
  commit(): Promise<void> {
    return this.#commits.commit();
  }

  #letGo(): void {
    this.#accepting = false;
    for (const state of this.#partitions) state.close();
    this.#partitions = [];
    this.#byPlace.clear();
    this.#bytes = 0;
    this.#budgetPaused = false;
    this.#turn = 0;
  }

  /** Stops taking records for good; what was started may still be settled and committed. */
  stopAccepting(): void {
    this.#closed = true;
    this.#accepting = false;
    this.#consumer?.pause(this.#partitions);
  }

  close(): void {
    this.#closed = true;
    this.#commits.close();
    this.#letGo();
  }
}

const place = (topic: string, partition: number): string => `${partition}/${topic}`;
