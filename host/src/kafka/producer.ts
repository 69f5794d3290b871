import { setTimeout as sleep } from 'node:timers/promises';
import { PermanentError, type PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { Producer, RecordMetadata, TopicMessages } from 'kafkajs';
import { classify, isConnectionClosed, isProducerRefused, isTooLarge, isTopicRefused, type Where } from './classify.ts';
import { openClient } from './client.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { COMPRESSION } from './codecs.ts';
import type { KafkaLog, KafkaProducer, OutgoingRecord, ProducerOptions } from './driver.ts';
import { partitionOf } from './partitioner.ts';
import type { WireMessage } from './produce-encoder.ts';
import { RefusedTopics } from './refused-topics.ts';
import { SendQueue, type Waiting, waitingRecord } from './send-queue.ts';
import { isKnown, UnknownPartition } from './unknown-partition.ts';

const BACKOFF_MILLISECONDS = { first: 50, most: 1_000 } as const;
/** Whoever closes has drained before: what is still here waits for a broker that is away. Drain and this together stay far below 30 s. */
const CLOSE_MILLISECONDS = 5_000;
/** A request with so many records was under load, and the next is worth a linger. */
const LOADED_RECORDS = 100;
/** A broker that closes the connection on one over-large record this often will not take it. */
const CLOSED_BY_SIZE = 3;
/** A topic that took records before may be unknown for a moment, while brokers restart; one that never did is a mistake. */
const UNKNOWN_MILLISECONDS = 15_000;

/** What is tried next with a record that is too large. Some brokers know only gzip. */
const SMALLER: ReadonlyMap<number, number> = new Map([
  [COMPRESSION.none, COMPRESSION.zstd],
  [COMPRESSION.snappy, COMPRESSION.zstd],
  [COMPRESSION.lz4, COMPRESSION.zstd],
  [COMPRESSION.zstd, COMPRESSION.gzip],
]);

/**
 * One queue, one request in flight: concurrent idempotent sends of kafkajs lose acknowledged records when one of them
 * fails (its sequence numbers roll back for all partitions). What waits while a request is in flight leaves with the next.
 */
export class BatchingProducer implements KafkaProducer {
  readonly #config: ClusterConfig;
  readonly #log: KafkaLog;
  readonly #where: Where;
  readonly #linger: number;
  readonly #deliveryTimeout: number;
  readonly #maxBytes: number;
  readonly #compression: number;
  readonly #queue: SendQueue;
  readonly #stopped = new AbortController();
  readonly #known = new Set<string>();
  readonly #waitsWhenRefused: boolean;
  readonly #refused = new RefusedTopics();
  /** Our credentials are refused, or our right to write at all. */
  #lockedOut: PipelineError | null = null;
  /** kafkajs asks for all topics of its past at once, and one that is refused would spoil the answer for the others. */
  #forgetTopics = false;
  #probing: NodeJS.Timeout | undefined;
  #producer: Producer | undefined;
  #bufferedBytes = 0;
  #pumping: Promise<void> | undefined;
  #enough: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #requests = 0;
  /** What the request in flight carries. */
  #inFlight: readonly Waiting[] = [];

  private constructor(config: ClusterConfig, options: ProducerOptions, log: KafkaLog) {
    this.#config = config;
    this.#log = log;
    this.#where = {
      cluster: config.name,
      get brokers() {
        return config.brokers;
      },
    };
    this.#linger = options.linger ?? 5;
    this.#deliveryTimeout = options.deliveryTimeout ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = options.maxRequestBytes ?? 900_000;
    this.#compression = COMPRESSION[options.compression ?? config.compression ?? 'none'];
    this.#waitsWhenRefused = options.whenRefused === 'wait';
    this.#queue = new SendQueue(this.#maxBytes);
  }

  static async open(config: ClusterConfig, options: ProducerOptions, log: KafkaLog): Promise<BatchingProducer> {
    const opened = new BatchingProducer(config, options, log);
    try {
      await opened.#connect();
    } catch (error) {
      throw classify(error, opened.#where);
    }
    return opened;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(record: OutgoingRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) {
        reject(this.#closedError());
        return;
      }
      const waiting = waitingRecord(record, this.#deliveryTimeout, resolve, reject);
      this.#queue.push(waiting);
      this.#bufferedBytes += waiting.bytes;
      if (this.#pumping === undefined) this.#startPump();
      else if (this.#enough !== undefined && this.#queue.full) this.#enough();
    });
  }

  async sendAll(records: readonly OutgoingRecord[]): Promise<void> {
    const settled = await Promise.allSettled(records.map((record) => this.send(record)));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  refusal(topics: Iterable<string>): PipelineError | null {
    if (this.#lockedOut !== null) return this.#lockedOut;
    if (!this.#refused.any) return null;
    for (const topic of topics) {
      const fault = this.#refused.fault(topic);
      if (fault !== null) return fault;
    }
    return null;
  }

  flush(): Promise<void> {
    if (this.#pumping === undefined && !this.#refused.any) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const late = setTimeout(() => this.#stopped.abort(), CLOSE_MILLISECONDS);
    this.#enough?.();
    await this.#pumping;
    clearTimeout(late);
    this.#stopped.abort();
    clearTimeout(this.#probing);
    this.#reject(this.#refused.clear(), this.#closedError());
    this.#settleIdle();
    await this.#drop();
  }

  #closedError(): UnavailableError {
    return new UnavailableError('PH_KAFKA_CLOSED', `the producer of cluster '${this.#config.name}' is closed`);
  }

  #startPump(): void {
    clearTimeout(this.#probing);
    this.#pumping = this.#pump();
  }

  async #pump(): Promise<void> {
    // One turn of the event loop gathers what the current one still sends.
    await new Promise(setImmediate);
    let last = 0;
    while (!this.#queue.empty || (this.#refused.due().length > 0 && this.#closing === undefined)) {
      if (this.#refused.any) for (const topic of this.#refused.due()) await this.#tryRefused(topic);
      if (this.#queue.empty) continue;
      if (last >= LOADED_RECORDS && !this.#queue.full && this.#closing === undefined) await this.#company();
      const chunk = this.#queue.take();
      last = chunk.length;
      const allowed = this.#refused.any ? this.#holdRefused(chunk) : chunk;
      if (allowed.length === 0) continue;
      await this.#forget();
      await this.#deliver(allowed);
    }
    this.#pumping = undefined;
    if (!this.#refused.any) this.#settleIdle();
    else if (this.#closing === undefined) this.#probing = setTimeout(() => this.#startPump(), this.#refused.nextProbe);
  }

  #settleIdle(): void {
    for (const idle of this.#idle.splice(0)) idle();
  }

  /** Those that may be sent; the others wait behind the earlier ones of their topic. */
  #holdRefused(chunk: readonly Waiting[]): readonly Waiting[] {
    return chunk.filter((record) => {
      if (!this.#refused.has(record.topic)) return true;
      this.#refused.hold(record);
      return false;
    });
  }

  /** Sends what waits for the topic, in order, as long as the broker takes it. */
  async #tryRefused(topic: string): Promise<void> {
    const queue = new SendQueue(this.#maxBytes);
    for (const record of this.#refused.take(topic)) queue.push(record);
    while (!queue.empty) {
      await this.#forget();
      await this.#deliver(queue.take());
      if (!this.#refused.isWaiting(topic)) continue;
      while (!queue.empty) for (const record of queue.take()) this.#refused.hold(record);
      return;
    }
    this.#refused.allow(topic);
    this.#log.info(`topic '${topic}' can be written again`, { cluster: this.#config.name, topic });
  }

  /** Between requests nothing is unsure, so a new identity repeats nothing. */
  async #forget(): Promise<void> {
    if (!this.#forgetTopics) return;
    this.#forgetTopics = false;
    await this.#drop();
  }

  /** Under load a fuller request is worth the linger; a lone record never waits. */
  #company(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#enough = undefined;
        resolve();
      };
      const timer = setTimeout(done, this.#linger);
      this.#enough = done;
    });
  }

  /** Settles every record of the chunk, however long it takes. Never rejects. */
  async #deliver(given: readonly Waiting[], compression = this.#compression): Promise<void> {
    const began = Date.now();
    let chunk = given;
    let closures = 0;
    for (let failures = 0; ; failures++) {
      let error: unknown;
      try {
        chunk = this.#acknowledge(chunk, await this.#request(chunk, compression));
        this.#setLockedOut(null);
        if (chunk.length === 0) return;
        error = new UnavailableError('PH_KAFKA_UNAVAILABLE', `cluster '${this.#config.name}' did not answer for every partition`);
      } catch (failure) {
        error = failure;
      }
      const refused = isProducerRefused(error);
      if (refused) {
        this.#log.warn('the broker refused the producer id; a new one is taken', { cluster: this.#config.name, error: String(error) });
        await this.#drop();
      }
      const [first] = chunk;
      if (first !== undefined && chunk.length === 1 && first.bytes > this.#maxBytes && isConnectionClosed(error)) closures++;
      if (closures >= CLOSED_BY_SIZE) return this.#shrink(first as Waiting, compression, error);
      const fault = classify(error, this.#where);
      if (this.#waitsWhenRefused && fault.kind === 'auth') this.#setLockedOut(isTopicRefused(error) ? null : fault);
      if (!refused && this.#isLasting(fault, chunk, Date.now() - began)) return this.#isolate(chunk, compression, error, fault);
      if (this.#stopped.signal.aborted) return this.#reject(chunk, this.#closedError());
      if (chunk.some(({ deadline }) => deadline <= Date.now())) return this.#reject(chunk, fault);
      const backoff = Math.min(BACKOFF_MILLISECONDS.most, BACKOFF_MILLISECONDS.first * 2 ** Math.min(failures, 10));
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }

  /** The same request would fail the same way for as long as anyone waits. */
  #isLasting({ kind, code }: PipelineError, chunk: readonly Waiting[], elapsed: number): boolean {
    if (code === 'PH_KAFKA_UNKNOWN_TOPIC') return elapsed > UNKNOWN_MILLISECONDS || chunk.some(({ topic }) => !this.#known.has(topic));
    return kind === 'permanent' || kind === 'fatal' || (kind === 'auth' && this.#lockedOut === null);
  }

  /** Says once when it begins and once when it ends. */
  #setLockedOut(fault: PipelineError | null): void {
    const before = this.#lockedOut;
    this.#lockedOut = fault;
    if (fault !== null && before === null) this.#log.error(`nothing can be written: ${fault.message}`, { code: fault.code });
    if (fault === null && before !== null) this.#log.info('records can be written again', { cluster: this.#config.name });
  }

  /**
   * Finds the records that an error is about. First by partition, each with its batch as it was: a batch that the broker
   * stored before the error is recognised by its sequence numbers only if it is whole. Then by halves, where a record's
   * size or content decides.
   */
  async #isolate(chunk: readonly Waiting[], compression: number, error: unknown, fault: PipelineError): Promise<void> {
    // A topic that was not looked at yet stays whole: its records without a partition keep their order among the others.
    const unplaced = new Set(chunk.filter(({ message }) => message.partition === undefined).map(({ topic }) => topic));
    const parts = Map.groupBy(chunk, ({ topic, message }) => (unplaced.has(topic) ? topic : `${topic} ${message.partition}`));
    if (parts.size > 1) {
      for (const part of parts.values()) {
        const allowed = part.some(({ topic }) => this.#refused.isWaiting(topic)) ? this.#holdRefused(part) : part;
        if (allowed.length > 0) await this.#deliver(allowed);
      }
      return;
    }
    const first = chunk[0] as Waiting;
    if (isTopicRefused(error) && this.#waitsWhenRefused) return this.#refuse(first.topic, chunk, error);
    const byRecord = isTooLarge(error) || fault.code === 'PH_KAFKA_REQUEST';
    if (chunk.length > 1 && byRecord) {
      const half = chunk.length >> 1;
      await this.#deliver(chunk.slice(0, half));
      await this.#deliver(chunk.slice(half));
      return;
    }
    const compressionRefused = compression !== this.#compression && fault.code === 'PH_KAFKA_REQUEST';
    if (isTooLarge(error) || compressionRefused) return this.#shrink(first, compression, error);
    this.#reject(chunk, classify(error, { ...this.#where, place: `topic '${first.topic}'` }));
  }

  #refuse(topic: string, chunk: readonly Waiting[], error: unknown): void {
    const fault = classify(error, { ...this.#where, place: `topic '${topic}'` });
    this.#forgetTopics = true;
    if (this.#refused.refuse(topic, chunk, fault))
      this.#log.error(`what is for topic '${topic}' waits: ${fault.message}`, { code: fault.code, topic });
  }

  /** Sends a record that is too large as it is compressed, and rejects it where it still is. */
  #shrink(record: Waiting, compression: number, error: unknown): Promise<void> | void {
    const smaller = SMALLER.get(compression);
    if (smaller !== undefined) return this.#deliver([record], smaller);
    this.#reject([record], this.#tooLarge(record, error));
  }

  #tooLarge({ topic, bytes }: Waiting, error: unknown): PermanentError {
    return new PermanentError('PH_MESSAGE_TOO_LARGE', `a record of ${bytes} bytes is larger than topic '${topic}' takes`, {
      place: topic,
      cause: error,
    });
  }

  /** Settles what the broker answered for; gives back what it did not: kafkajs may leave out a partition whose leader moved. */
  #acknowledge(chunk: readonly Waiting[], answers: readonly RecordMetadata[]): readonly Waiting[] {
    const answered = new Set(answers.map(({ topicName, partition }) => `${topicName} ${partition}`));
    return chunk.filter(({ bytes, topic, message, resolve }) => {
      if (!answered.has(`${topic} ${message.partition}`)) return true;
      this.#bufferedBytes -= bytes;
      this.#known.add(topic);
      resolve();
      return false;
    });
  }

  #reject(chunk: readonly Waiting[], fault: PipelineError): void {
    for (const { bytes, reject } of chunk) {
      this.#bufferedBytes -= bytes;
      reject(fault);
    }
  }

  async #request(chunk: readonly Waiting[], compression: number): Promise<readonly RecordMetadata[]> {
    this.#requests++;
    this.#inFlight = chunk;
    const topics = new Map<string, WireMessage[]>();
    for (const { topic, message } of chunk) {
      const messages = topics.get(topic);
      if (messages === undefined) topics.set(topic, [message]);
      else messages.push(message);
    }
    const producer = this.#producer ?? (await this.#connect());
    return producer.sendBatch({
      acks: -1,
      timeout: 30_000,
      compression,
      // Our messages, which kafkajs only carries: the repaired `produce` encodes them.
      topicMessages: [...topics].map(([topic, messages]) => ({ topic, messages })) as unknown as TopicMessages[],
    });
  }

  async #connect(): Promise<Producer> {
    const producer = openClient(this.#config, this.#log).producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      maxInFlightRequests: 1,
      metadataMaxAge: 60_000,
      retry: { retries: 3, initialRetryTime: 50, maxRetryTime: 500 },
      // Called again on each retry: what it chose once stays.
      createPartitioner:
        () =>
        ({ topic, message, partitionMetadata }) => {
          const partition = this.#place(message as unknown as WireMessage, partitionMetadata.length);
          if (isKnown(partition, partitionMetadata)) return partition;
          // All of the topic have their partition before the chunk is taken apart.
          for (const other of this.#inFlight) if (other.topic === topic) this.#place(other.message, partitionMetadata.length);
          throw new UnknownPartition(topic, partition, partitionMetadata.length);
        },
    });
    try {
      await producer.connect();
    } catch (error) {
      await producer.disconnect().catch(() => {});
      throw error;
    }
    this.#producer = producer;
    return producer;
  }

  #place(message: Pick<WireMessage, 'key' | 'partition'>, partitions: number): number {
    const { key } = message;
    message.partition ??= key === null ? this.#requests % partitions : partitionOf(key, partitions);
    return message.partition;
  }

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.disconnect().catch(() => {});
  }
}
