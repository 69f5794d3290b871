import type { PipelineError } from '@pipeline-host/sdk';
import type { Compression } from './wire/codecs.ts';

/**
 * The engine's only view of Kafka: types, no code. `connectCluster` in cluster.ts gives the one implementation, which
 * speaks kafkajs; nothing in front of the port may know.
 *
 * Order of the consumer's callbacks, which the engine builds on:
 *
 *     onAssigned(e) ── onBatch(e)* ── onRevoking(e) ── onAssigned(e+1) ── …      a planned rebalance
 *     onAssigned(e) ── onBatch(e)* ── onLost(e) [── onError] ── onAssigned(e+n)  session lost, crash, rebuild
 *
 * - Epochs rise by one for each assignment and are never used twice by one consumer, also across rebuilds.
 * - No `onBatch(e)` comes before `onAssigned(e)` resolved, nor after `onRevoking(e)` was called or `onLost(e)` returned.
 * - Each epoch that was assigned ends with exactly one of `onRevoking` and `onLost`, the last one by `close()` (as
 *   `onRevoking`). If the member is thrown out while `onRevoking` runs, commits inside it answer `stale`.
 * - Batches of one partition come in offset order without gaps, but for `seek`.
 */
export type { SaslConfig, TlsConfig } from './cluster-config.ts';

/** A name that repeats has a list of values; undefined is a header without a value. */
export type RecordHeaders = Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>>;

export interface KafkaRecord {
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
  /**
   * Set where a stored batch of so many records cannot be read. This record stands for all of them, at the last offset, and
   * its value is the batch as it is stored: nothing is lost, and what follows goes on.
   */
  readonly unreadable?: { readonly reason: string; readonly records: number };
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface RecordBatch extends TopicPartition {
  /** The assignment this batch was fetched under. */
  readonly epoch: number;
  readonly highWatermark: number;
  /** The last offset covered; counts records that are never seen (compacted, aborted, control). `records` may be empty. */
  readonly lastOffset: number;
  readonly records: readonly KafkaRecord[];
}

export interface CommitOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number;
  /** Up to 4,096 UTF-16 units; a commit without it erases the stored one. */
  readonly metadata?: string;
}

export type CommitAnswer = 'committed' | 'throttled' | 'stale';

export interface AssignedPartition extends TopicPartition {
  /** Null where the group never committed: reading starts at the earliest record unless `seek` says otherwise. */
  readonly committed: number | null;
  readonly metadata: string | null;
}

export interface ConsumerHandlers {
  /** One fetched batch. Hands off and returns at once; a throw crashes the consumer (it is rebuilt, see `onError`). */
  onBatch(batch: RecordBatch): void;
  /** Awaited before the first fetch of the new assignment; `seek` and `pause` work inside. An empty list is an assignment too. */
  onAssigned(epoch: number, partitions: readonly AssignedPartition[]): void | Promise<void>;
  /**
   * Null when the first fetch of an assignment was answered (at once where no partition is assigned); an error of kind `auth`
   * when the broker does not let us read, null again when it does. Membership and assignment last meanwhile.
   */
  onAccess(refused: PipelineError | null): void;
  /** Awaited (up to the drain deadline) before the member rejoins or leaves: drain, then `commit`, which works inside. */
  onRevoking(epoch: number): Promise<void>;
  /** The partitions are gone without a chance to drain: session lost, broker gone, crash. Commits of this epoch answer `stale`. */
  onLost(epoch: number): void;
  /**
   * The consumer crashed and is being rebuilt. Always a PipelineError; kind `auth` where credentials or rights are refused.
   * Kind `fatal` ends it: PH_RETRY_DIVISION where members with another number of lanes are in the group. Nothing comes after it.
   */
  onError(error: Error): void;
}

/** Retry lanes that travel with their source: partition `p·lanes + l` of `topic` belongs to the owner of partition p of `source`. */
export interface LaneTopic {
  readonly source: string;
  readonly topic: string;
  readonly lanes: number;
}

export interface ConsumerOptions {
  readonly group: string;
  /** Topics to read; the lane topic is added by itself. All must exist. */
  readonly topics: readonly string[];
  readonly laneTopic?: LaneTopic;
  /** Bytes a partition may add to one fetch. 1 MiB by default. */
  readonly maxBytesPerPartition?: number;
  /** Bytes of one fetch over all partitions. 4 MiB by default. */
  readonly maxBytes?: number;
  /** Longest time that a fetch waits for data, so the delay before `resume` is noticed. 250 ms by default. */
  readonly maxWait?: number;
  /** Milliseconds without heartbeat until the broker gives the partitions away. 6,000 by default. */
  readonly sessionTimeout?: number;
  /** Milliseconds that `onRevoking` may take. 10,000 by default. */
  readonly drainDeadline?: number;
  /** Aborting it is `close()`. */
  readonly signal?: AbortSignal;
}

export interface KafkaConsumer {
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Next batch of the partition starts here; a fetch already in flight for it is thrown away. Not stored. */
  seek(position: TopicPartition & { readonly offset: number }): void;
  /**
   * Resolves `committed` once the group has stored the offsets, `throttled` where it has and the broker asks for fewer
   * requests, `stale` when the epoch is over or the group moved on; nothing is then stored. Rejects with a PipelineError
   * on any other failure, with PH_KAFKA_METADATA where the broker takes the offsets but not their metadata. Offsets of
   * partitions that are not assigned are an error of the caller.
   */
  commit(epoch: number, offsets: readonly CommitOffset[]): Promise<CommitAnswer>;
  /** Revokes (drain, commit), leaves the group and disconnects. */
  close(): Promise<void>;
}

export interface OutgoingRecord {
  readonly topic: string;
  /** Without it: Java-compatible murmur2 of the key; a null key sticks to one partition a batch. */
  readonly partition?: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: RecordHeaders;
  /** Epoch milliseconds; now by default. */
  readonly timestamp?: number;
}

export interface ProducerOptions {
  /** Longest time that a record waits for company while a request is in flight. 5 ms by default. */
  readonly linger?: number;
  /** Milliseconds to keep trying before a record is rejected; by default until `close()`: an outage is waited out. */
  readonly deliveryTimeout?: number;
  /** That of the cluster by default. */
  readonly compression?: Compression;
  /** Bytes of one request. 900,000 by default (Event Hubs refuses 1,046,528). */
  readonly maxRequestBytes?: number;
  /**
   * What becomes of records whose topic, or whose credentials, the broker refuses: they are rejected (the default), or they
   * wait in order, whatever their delivery time-out, and are tried again until access is given; other topics go on meanwhile.
   */
  readonly whenRefused?: 'reject' | 'wait';
}

/** Keeps the order of `send` calls in each partition. Idempotent: a retry stores nothing twice. */
export interface KafkaProducer {
  /**
   * Resolves when all in-sync replicas have the record. One that is too large is sent again alone, compressed. Rejects with
   * PH_MESSAGE_TOO_LARGE (this record alone), PH_KAFKA_UNKNOWN_TOPIC, PH_KAFKA_UNKNOWN_PARTITION, PH_KAFKA_ACL, or PH_KAFKA_UNREACHABLE after the delivery time-out or on close.
   */
  send(record: OutgoingRecord): Promise<void>;
  /** Resolves when all are acknowledged; rejects with the first failure once all are settled. */
  sendAll(records: readonly OutgoingRecord[]): Promise<void>;
  /** Resolves when everything given so far is settled. */
  flush(): Promise<void>;
  /** Flushes up to a deadline, then rejects what is left. */
  close(): Promise<void>;
  /** Why records for these topics wait (see {@link ProducerOptions.whenRefused}), or null. */
  refusal(topics: Iterable<string>): PipelineError | null;
  /** Keys, values and headers that are not yet acknowledged: the measure for back-pressure. */
  readonly bufferedBytes: number;
  /**
   * Records that may be stored twice: their outcome was unknown when the broker refused the producer id they were sent
   * under. None while brokers keep what they acknowledged.
   */
  readonly doubtfulRecords: number;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicDescription {
  readonly partitions: number;
  /** Absent where the broker does not tell (no right, not supported). */
  readonly config?: Readonly<Record<string, string>>;
}

export interface PartitionOffsets {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number | null;
  readonly metadata: string | null;
}

/** What a client may be allowed to do with a topic that it can see. */
export type TopicRight = 'read' | 'write';

export interface KafkaAdmin {
  clusterId(): Promise<string>;
  listTopics(): Promise<string[]>;
  /** Null for a topic that does not exist. */
  describeTopics(names: readonly string[]): Promise<Map<string, TopicDescription | null>>;
  /**
   * What this client may do with the topics. Empty where it may not even see whether there is such a topic; null, or absent,
   * where there is none or the broker does not tell.
   */
  topicRights(names: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<TopicRight> | null>>;
  /** Leaves existing topics as they are; resolves when the new ones have leaders. */
  createTopics(specs: readonly TopicSpec[]): Promise<{ readonly created: string[]; readonly existing: string[] }>;
  deleteTopics(names: readonly string[]): Promise<void>;
  /** Sorted by partition; PH_KAFKA_UNKNOWN_TOPIC if the topic does not exist. */
  offsets(topic: string): Promise<PartitionOffsets[]>;
  /** For each partition the first offset at or after the time; the end where there is none. */
  offsetsAt(topic: string, timestamp: number): Promise<{ readonly partition: number; readonly offset: number }[]>;
  /** Every partition of the topics, also those without commit. */
  committed(group: string, topics: readonly string[]): Promise<CommittedOffset[]>;
  /** Only for a group without members; erases commit metadata. */
  setOffsets(group: string, topic: string, offsets: readonly { readonly partition: number; readonly offset: number }[]): Promise<void>;
  /** The topic's `max.message.bytes`; undefined where the broker does not tell. */
  maxMessageBytes(topic: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface ReadOptions {
  readonly topic: string;
  /** All of them by default. */
  readonly partitions?: readonly number[];
  /** First offset for each partition; the earliest by default. */
  readonly from?: ReadonlyMap<number, number>;
  /** Offset to stop before, for each partition; the end at the time of the call by default. */
  readonly to?: ReadonlyMap<number, number>;
}

/** A record together with where it was read. */
export type LocatedRecord = KafkaRecord & TopicPartition;

export interface KafkaCluster {
  readonly name: string;
  /** One connected client for all callers; closed with the cluster. */
  admin(): Promise<KafkaAdmin>;
  producer(options?: ProducerOptions): Promise<KafkaProducer>;
  /** Resolves when the member is connected; the first assignment follows. Rejects if the start fails (address, password, topic). */
  consume(options: ConsumerOptions, handlers: ConsumerHandlers): Promise<KafkaConsumer>;
  /** Shows every record in the range, by partition and offset, without holding more than one fetch; joins no group. */
  scan(options: ReadOptions, visit: (record: LocatedRecord) => void): Promise<void>;
  /** What {@link scan} shows. For tools and tests: all of it is held in memory. */
  read(options: ReadOptions): Promise<LocatedRecord[]>;
  /** Closes everything that was opened here, consumers first, producers last. */
  close(): Promise<void>;
}

/** Where client noise goes: one call a line, already demoted and folded. */
export interface KafkaLog {
  debug(message: string, details?: Readonly<Record<string, unknown>>): void;
  info(message: string, details?: Readonly<Record<string, unknown>>): void;
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
  error(message: string, details?: Readonly<Record<string, unknown>>): void;
}
