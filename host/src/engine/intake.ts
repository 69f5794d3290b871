import type { Log } from '@pipeline-host/sdk';
import { errorMessage } from '@pipeline-host/sdk';
import type { AssignedPartition, KafkaConsumer, KafkaRecord, RecordBatch } from '../kafka/driver.ts';
import { HEADER, headerNumber } from '../retry/headers.ts';
import { PartitionState, recordBytes } from './partition-state.ts';
import type { ReplayGuard } from './replay-guard.ts';
import { type SettledAs, Tally } from './tally.ts';

/** Offsets are committed this often. A crash repeats what was settled since. */
const COMMIT_INTERVAL = 100;
/** What is open at revocation gets this long to end. */
export const DRAIN_DEADLINE = 10_000;
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
  /** Learns where its tables stand before the first record of an assignment comes. */
  assigned?(partitions: readonly PartitionState[]): Promise<void>;
}

export interface TakenRecord {
  readonly partition: PartitionState;
  readonly record: KafkaRecord;
}

export interface IntakeOptions {
  readonly sourceTopic: string;
  readonly lanes: number;
  /** Milliseconds of lanes 1 and up. */
  readonly delays: readonly number[];
  /** Bytes of records that may be held; above it every partition is paused until half of it is free. */
  readonly byteBudget: number;
  /** Finds replays that stand in lane 0 twice. */
  readonly replays: Pick<ReplayGuard, 'verdict'>;
  readonly log: Log;
  /** Deletes a staged file. */
  readonly releaseFile: (uri: string) => Promise<void>;
  /** Told the seconds of each offset commit. */
  readonly onCommit: (seconds: number) => void;
}

/**
 * Where fetched records wait for the sink, and where they are settled: the ledgers, the byte budget, the pauses and the
 * commits of one consumer.
 */
export class Intake {
  readonly tally = new Tally();
  readonly #options: IntakeOptions;
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
  #commitTimer: NodeJS.Timeout | null = null;
  #committing: Promise<void> = Promise.resolve();
  /** The commit that waits for the one in work: whoever asks meanwhile gets the same. */
  #nextCommit: Promise<void> | null = null;
  #revoking: Promise<void> = Promise.resolve();
  /** Epoch milliseconds of the last settlement. */
  lastSettled = Date.now();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  attach(sink: Sink, consumer: KafkaConsumer): void {
    this.#sink = sink;
    this.#consumer = consumer;
    this.#commitTimer = setInterval(() => void this.commit(), COMMIT_INTERVAL);
    this.#attached.resolve();
  }

  get partitions(): readonly PartitionState[] {
    return this.#partitions;
  }

  get open(): number {
    let open = 0;
    for (const partition of this.#partitions) open += partition.ledger.open;
    return open;
  }

  /** Hands over the next record, fair over the partitions; undefined where none waits or the assignment is ending. */
  take(): TakenRecord | undefined {
    if (!this.#accepting) return undefined;
    const count = this.#partitions.length;
    for (let tried = 0; tried <= count; tried++) {
      const partition = this.#partitions[this.#turn];
      const record = this.#turnLeft > 0 ? partition?.shift() : undefined;
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
    this.lastSettled = Date.now();
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
    const { sourceTopic, lanes } = this.#options;
    this.#partitions = assigned.map(
      ({ topic, partition, committed }) =>
        new PartitionState({
          topic,
          partition,
          source: topic === sourceTopic ? partition : Math.floor(partition / lanes),
          lane: topic === sourceTopic ? null : partition % lanes,
          committed: committed ?? 0,
        }),
    );
    this.#byPlace = new Map(this.#partitions.map((state) => [place(state.topic, state.partition), state]));
    await this.#sink?.assigned?.(this.#partitions);
    if (this.#epoch === epoch) this.#accepting = !this.#closed;
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
    if (batch.lastOffset < state.committed && state.ledger.end === state.committed) this.#startBelow(state, batch);
    const { ledger } = state;
    let received = 0;
    for (const record of batch.records) {
      if (ledger.seen(record.offset)) continue;
      if (state.lane !== null && this.#waitUntilDue(state, record, now)) break;
      const verdict = state.lane === 0 ? this.#options.replays.verdict(state, record) : 'first';
      if (verdict === 'unknown') {
        this.#delay(state, record.offset, LOOK_WAIT);
        break;
      }
      if (received === 0) state.arrived(record.offset, now);
      ledger.deliver(record.offset);
      this.#bytes += recordBytes(record);
      received++;
      if (verdict === 'first') state.push(record);
      else this.#skipRepeated(state, record);
    }
    if (state.delayed === null) ledger.cover(batch.lastOffset);
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

  /** Pauses a lane until the due time of its head: all records of a lane wait equally long, so the head is due first. */
  #waitUntilDue(state: PartitionState, head: KafkaRecord, now: number): boolean {
    const since = state.waitedFor(head.offset, now);
    const due = Math.min(headerNumber(head.headers, HEADER.dueAt, 0), since + this.#longestWait(state));
    if (due <= now) return false;
    this.#delay(state, head.offset, due - now);
    return true;
  }

  /** Pauses a lane for a while, and reads on at the offset. */
  #delay(state: PartitionState, offset: number, wait: number): void {
    const { topic, partition } = state;
    this.#consumer?.pause([{ topic, partition }]);
    this.#consumer?.seek({ topic, partition, offset });
    state.delayed = setTimeout(
      () => {
        state.delayed = null;
        if (!state.closed && !this.#budgetPaused) this.#consumer?.resume([{ topic, partition }]);
      },
      Math.min(wait, 0x7fffffff),
    );
  }

  #skipRepeated(state: PartitionState, record: KafkaRecord): void {
    const { topic, partition } = state;
    this.#options.log.warn({ topic, partition, offset: record.offset }, 'a replay stands in its lane twice: the second one is skipped');
    this.settle(state, record, 'skipped');
  }

  #pauseAll(): void {
    this.#budgetPaused = true;
    this.#consumer?.pause(this.#partitions);
  }

  #resumeAll(): void {
    this.#budgetPaused = false;
    this.#consumer?.resume(this.#partitions.filter((state) => state.delayed === null));
  }

  /** Commits the watermark of every partition that moved. One commit at a time; a failed one is tried again by the timer. */
  commit(): Promise<void> {
    if (this.#nextCommit === null) {
      this.#nextCommit = this.#committing.then(() => {
        this.#nextCommit = null;
        return this.#commitMoved();
      });
      this.#committing = this.#nextCommit;
    }
    return this.#nextCommit;
  }

  async #commitMoved(): Promise<void> {
    const consumer = this.#consumer;
    const moved = this.#partitions.filter((state) => !state.closed && state.ledger.watermark > state.committed);
    if (consumer === null || moved.length === 0) return;
    const offsets = moved.map((state) => ({ topic: state.topic, partition: state.partition, offset: state.ledger.watermark }));
    const began = performance.now();
    try {
      if ((await consumer.commit(this.#epoch, offsets)) === 'stale') return;
      this.#options.onCommit((performance.now() - began) / 1000);
    } catch (error) {
      this.#options.log.warn({ error }, `commit failed, it is tried again: ${errorMessage(error)}`);
      return;
    }
    for (const [index, state] of moved.entries()) {
      state.committed = offsets[index]?.offset ?? state.committed;
      for (const uri of state.takeReleased()) await this.#release(uri);
    }
  }

  /** A staged file that cannot be deleted is swept later: it holds up no commit. */
  async #release(uri: string): Promise<void> {
    try {
      await this.#options.releaseFile(uri);
    } catch (error) {
      this.#options.log.warn({ error, uri }, 'a staged file could not be deleted');
    }
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
    if (this.#commitTimer !== null) clearInterval(this.#commitTimer);
    this.#letGo();
  }
}

const place = (topic: string, partition: number): string => `${partition}/${topic}`;
