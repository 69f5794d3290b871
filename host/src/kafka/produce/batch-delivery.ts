import { PermanentError, type PipelineError } from '@pipeline-host/sdk';
import { classify, isConnectionClosed, isProducerRefused, isTooLarge, isTopicRefused, type Where } from '../classify.ts';
import type { KafkaLog } from '../driver.ts';
import { COMPRESSION } from '../wire/codecs.ts';
import { sendToLeaders } from './leader-requests.ts';
import { type PartitionBatch, partitionBatch, release } from './partition-batch.ts';
import { partitionOf } from './partitioner.ts';
import type { ProduceLink } from './produce-link.ts';
import type { Waiting } from './send-queue.ts';
import type { Sequences } from './sequences.ts';
import { isKnown, UnknownPartition } from './unknown-partition.ts';

/** A broker that closes the connection on one over-large record this often will not take it. */
const CLOSED_BY_SIZE = 3;
/** A topic that took records before may be unknown for a moment, while brokers restart; one that never did is a mistake. */
const UNKNOWN_MILLISECONDS = 15_000;
/** A partition that was added just now may be unknown for so many rounds. */
const UNKNOWN_PARTITION_ROUNDS = 4;

/** What is tried next with a record that is too large. Some brokers know only gzip. */
const SMALLER: ReadonlyMap<number, number> = new Map([
  [COMPRESSION.none, COMPRESSION.zstd],
  [COMPRESSION.snappy, COMPRESSION.zstd],
  [COMPRESSION.lz4, COMPRESSION.zstd],
  [COMPRESSION.zstd, COMPRESSION.gzip],
]);

/** How a producer waits for access that is refused. */
export interface AccessWait {
  /** Nothing can be written, or something could be after all. */
  readonly setLockedOut: (fault: PipelineError | null) => void;
  /** Takes over all open records of a topic, in the order of each partition. */
  readonly hold: (topic: string, records: readonly Waiting[], fault: PipelineError) => void;
}

/** What the deliveries of a producer share. */
export interface DeliveryParts {
  readonly link: Pick<ProduceLink, 'lookUp' | 'distrust' | 'partitionsOf' | 'leaderOf' | 'reach'>;
  readonly sequences: Sequences;
  readonly log: KafkaLog;
  readonly where: Where;
  readonly compression: number;
  /** A record above this is sent alone. */
  readonly maxBytes: number;
  /** Topics that took records before. */
  readonly known: Set<string>;
  readonly acknowledged: (records: readonly Waiting[]) => void;
  readonly rejected: (records: readonly Waiting[], fault: PipelineError) => void;
  /** The records may stand twice from now on. */
  readonly doubtful: (records: readonly Waiting[]) => void;
  /** Null where records are rejected that access is refused for. */
  readonly access: AccessWait | null;
}

/**
 * Records on their way, until each has an outcome. Each round sends the first open batch of every partition, in one
 * request for each leader, and waits for all of them: a batch is never in two requests at a time.
 */
export class BatchDelivery {
  readonly #parts: DeliveryParts;
  /** Chooses the partition of records without a key. */
  readonly #turn: number;
  readonly #began = Date.now();
  /** By topic: records without a partition. */
  readonly #unplaced: Map<string, Waiting[]>;
  /** By partition: its open batches, in order. */
  readonly #placed = new Map<string, readonly PartitionBatch[]>();
  #rounds = 0;
  /** What the round failed with that is worth another one. */
  #failure: PipelineError | undefined;
  /** Topics that the round was refused, and with what. */
  readonly #refused = new Map<string, unknown>();

  constructor(records: readonly Waiting[], turn: number, parts: DeliveryParts) {
    this.#parts = parts;
    this.#turn = turn;
    this.#unplaced = Map.groupBy(records, ({ topic }) => topic);
  }

  get done(): boolean {
    return this.#unplaced.size === 0 && this.#placed.size === 0;
  }

  /** Tries everything open once. Gives a failure after which a wait is due. Never rejects. */
  async round(): Promise<PipelineError | undefined> {
    this.#rounds++;
    this.#failure = undefined;
    const { link, sequences } = this.#parts;
    const refused = await this.#lookUp();
    for (const [topic, records] of [...this.#unplaced]) this.#place(topic, records, refused.get(topic));
    const first = [...this.#placed.values()].flatMap((batches) => batches.slice(0, 1));
    for (const batch of first) if (refused.has(batch.topic)) this.#failed(batch, refused.get(batch.topic));
    const outcomes = await sendToLeaders(
      first.filter(({ topic }) => !refused.has(topic)),
      link,
      sequences,
    );
    for (const { batch, error } of outcomes) {
      if (error === undefined) this.#acknowledge(batch);
      else this.#failed(batch, error);
    }
    for (const [topic, error] of this.#refused) this.#holdTopic(topic, error);
    this.#refused.clear();
    if (this.#failure !== undefined) link.distrust();
    return this.#failure;
  }

  /** Rejects what is open. */
  giveUp(fault: PipelineError): void {
    for (const records of this.#unplaced.values()) this.#parts.rejected(records, fault);
    for (const batch of [...this.#placed.values()].flat()) this.#reject(batch, fault);
    this.#unplaced.clear();
  }

  /** Topics that cannot be sent to in this round, and why. */
  async #lookUp(): Promise<ReadonlyMap<string, unknown>> {
    const topics = [...new Set([...this.#unplaced.keys(), ...[...this.#placed.values()].flat().map(({ topic }) => topic)])];
    try {
      return await this.#parts.link.lookUp(topics);
    } catch (error) {
      return new Map(topics.map((topic) => [topic, error]));
    }
  }

  /** Gives each record its partition, for good, and makes a batch of those of one partition. */
  #place(topic: string, records: readonly Waiting[], refusal: unknown): void {
    this.#unplaced.delete(topic);
    if (refusal !== undefined) {
      if (this.#isHeld(topic, refusal)) this.#unplaced.set(topic, [...records]);
      else this.#unplace(topic, records, classify(refusal, this.#placeOf(topic)));
      return;
    }
    const partitions = this.#parts.link.partitionsOf(topic);
    for (const [partition, those] of Map.groupBy(records, ({ message }) => this.#partitionFor(message, partitions.length))) {
      if (isKnown(partition, partitions)) {
        this.#placed.set(`${topic} ${partition}`, [partitionBatch(topic, partition, those, this.#parts.compression)]);
      } else this.#unplace(topic, those, new UnknownPartition(topic, partition, partitions.length));
    }
  }

  #partitionFor(message: Waiting['message'], partitions: number): number {
    const { key } = message;
    message.partition ??= key === null ? this.#turn % partitions : partitionOf(key, partitions);
    return message.partition;
  }

  /** The records have no place yet, or never will. */
  #unplace(topic: string, records: readonly Waiting[], fault: PipelineError): void {
    const waits = this.#waitsForAccess(fault);
    if ((!waits && this.#isLasting(fault, topic)) || isLate(records)) {
      this.#parts.rejected(records, fault);
      return;
    }
    this.#unplaced.set(topic, [...(this.#unplaced.get(topic) ?? []), ...records]);
    this.#failure = fault;
  }

  /** Decides what becomes of a batch that is not acknowledged: it comes again as it was, unless that is of no use. */
  #failed(batch: PartitionBatch, error: unknown): void {
    const { topic, records } = batch;
    if (this.#isHeld(topic, error)) return;
    const [only] = records;
    const fault = classify(error, this.#placeOf(topic));
    const isAlone = records.length === 1 && only !== undefined;
    if (isAlone && only.bytes > this.#parts.maxBytes && isConnectionClosed(error)) batch.closures++;
    const byContent = fault.code === 'PH_KAFKA_REQUEST';
    const isRecompressed = batch.compression !== this.#parts.compression;
    const isTooMuch = isTooLarge(error) || (isRecompressed && byContent) || batch.closures >= CLOSED_BY_SIZE;
    if (isProducerRefused(error)) this.#startAnew(batch, fault);
    else if (isAlone && isTooMuch) this.#shrink(batch, only, error);
    else if (!isAlone && (isTooMuch || byContent)) this.#halve(batch, fault);
    else if ((!this.#waitsForAccess(fault) && this.#isLasting(fault, topic)) || isLate(records)) this.#reject(batch, fault);
    else this.#failure = fault;
  }

  /** Whether credentials are refused, or a right that is no topic's, and that is to be waited out. */
  #waitsForAccess(fault: PipelineError): boolean {
    const { access } = this.#parts;
    if (fault.kind !== 'auth' || access === null) return false;
    access.setLockedOut(fault);
    return true;
  }

  /** Whether the topic is refused to us and its records are to wait: the end of the round sees to that. */
  #isHeld(topic: string, error: unknown): boolean {
    if (this.#parts.access === null || !isTopicRefused(error)) return false;
    this.#refused.set(topic, error);
    return true;
  }

  /** Takes everything of the topic out of the delivery. */
  #holdTopic(topic: string, error: unknown): void {
    const { access, sequences } = this.#parts;
    if (access === null) return;
    const fault = classify(error, this.#placeOf(topic));
    const records: Waiting[] = [];
    for (const [name, batches] of [...this.#placed]) {
      if (batches[0]?.topic !== topic) continue;
      for (const batch of batches) {
        if (batch.isUncertain) this.#doubt(batch, fault);
        release(batch, sequences);
        records.push(...batch.records);
      }
      this.#placed.delete(name);
    }
    records.push(...(this.#unplaced.get(topic) ?? []));
    this.#unplaced.delete(topic);
    access.setLockedOut(null);
    access.hold(topic, records, fault);
  }

  /** The same request would fail the same way for as long as anyone waits. */
  #isLasting({ kind, code }: PipelineError, topic: string): boolean {
    if (code === 'PH_KAFKA_UNKNOWN_TOPIC') return Date.now() - this.#began > UNKNOWN_MILLISECONDS || !this.#parts.known.has(topic);
    if (code === 'PH_KAFKA_UNKNOWN_PARTITION') return this.#rounds >= UNKNOWN_PARTITION_ROUNDS;
    return kind === 'permanent' || kind === 'auth' || kind === 'fatal';
  }

  /**
   * The broker does not know this sequence, so it cannot recognise the batch: it comes again under a new identity. Where an
   * answer to it was lost before, it may be stored, and twice now; the alternative is to lose it.
   */
  #startAnew(batch: PartitionBatch, fault: PipelineError): void {
    const { topic, partition, records, isUncertain } = batch;
    if (isUncertain) this.#doubt(batch, fault);
    else this.#parts.log.warn('the broker refused the producer id; a new one is taken', { topic, partition, error: fault.message });
    this.#parts.sequences.end(topic, partition);
    this.#replace(batch, [partitionBatch(topic, partition, records, batch.compression)]);
    this.#failure = fault;
  }

  #doubt({ topic, partition, records }: PartitionBatch, fault: PipelineError): void {
    const details = { topic, partition, records: records.length, error: fault.message };
    this.#parts.log.warn('the broker refused records that it may have stored before: they are sent anew and may stand twice', details);
    this.#parts.doubtful(records);
  }

  /** A record's size or content decides, and the broker does not say which. */
  #halve(batch: PartitionBatch, fault: PipelineError): void {
    const { topic, partition, records, compression } = batch;
    if (batch.isUncertain) this.#doubt(batch, fault);
    release(batch, this.#parts.sequences);
    const half = records.length >> 1;
    this.#replace(
      batch,
      [records.slice(0, half), records.slice(half)].map((those) => partitionBatch(topic, partition, those, compression)),
    );
  }

  /** Sends a record that is too large as it is compressed, and rejects it where it still is. */
  #shrink(batch: PartitionBatch, record: Waiting, error: unknown): void {
    const { topic, partition, records, ticket, isUncertain } = batch;
    const smaller = SMALLER.get(batch.compression);
    if (smaller === undefined) {
      const text = `a record of ${record.bytes} bytes is larger than topic '${topic}' takes`;
      this.#reject(batch, new PermanentError('PH_MESSAGE_TOO_LARGE', text, { place: topic, cause: error }));
      return;
    }
    // The same record at the same place: the broker knows it, however it is compressed.
    this.#replace(batch, [{ ...partitionBatch(topic, partition, records, smaller), ...(ticket !== undefined && { ticket }), isUncertain }]);
  }

  #acknowledge(batch: PartitionBatch): void {
    this.#parts.known.add(batch.topic);
    this.#parts.access?.setLockedOut(null);
    this.#parts.acknowledged(batch.records);
    this.#replace(batch, []);
  }

  #reject(batch: PartitionBatch, fault: PipelineError): void {
    release(batch, this.#parts.sequences);
    this.#parts.rejected(batch.records, fault);
    this.#replace(batch, []);
  }

  #replace(batch: PartitionBatch, by: readonly PartitionBatch[]): void {
    const name = `${batch.topic} ${batch.partition}`;
    const left = [...by, ...(this.#placed.get(name) ?? []).filter((each) => each !== batch)];
    if (left.length > 0) this.#placed.set(name, left);
    else this.#placed.delete(name);
  }

  #placeOf(topic: string): Where {
    const { where } = this.#parts;
    return {
      cluster: where.cluster,
      get brokers() {
        return where.brokers;
      },
      place: `topic '${topic}'`,
    };
  }
}

const isLate = (records: readonly Waiting[]): boolean => {
  const now = Date.now();
  return records.some(({ deadline }) => deadline <= now);
};
