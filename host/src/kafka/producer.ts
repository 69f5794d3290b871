import { setTimeout as sleep } from 'node:timers/promises';
import { PermanentError, type PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { Producer, TopicMessages } from 'kafkajs';
import kafkajs from 'kafkajs';
import { classify, isConnectionClosed, isProducerRefused, isTooLarge, type Where } from './classify.ts';
import { openClient } from './client.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { KafkaLog, KafkaProducer, OutgoingRecord, ProducerOptions } from './driver.ts';
import { partitionOf } from './partitioner.ts';
import { WireMessage } from './produce-encoder.ts';

/** A request takes at most this many records; more only make the pauses of the event loop longer. */
const MOST_RECORDS = 2_000;
/** From this many waiting records on a request leaves at once. */
const ENOUGH_RECORDS = 500;
const BACKOFF_MILLISECONDS = { first: 50, most: 1_000 } as const;
/** A broker that closes the connection on one over-large record this often will not take it. */
const CLOSED_BY_SIZE = 3;

/** A record and whom to tell when it is acknowledged. */
interface Waiting {
  readonly message: WireMessage;
  readonly topic: string;
  readonly bytes: number;
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: PipelineError) => void;
}

const sizeOf = (part: Buffer | string | null | undefined): number =>
  part === null || part === undefined ? 0 : typeof part === 'string' ? Buffer.byteLength(part) : part.length;

function bytesOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = 24 + sizeOf(key) + sizeOf(value);
  for (const name in headers) {
    const header = headers[name];
    if (typeof header === 'object' && !Buffer.isBuffer(header)) for (const one of header) bytes += name.length + 4 + sizeOf(one);
    else bytes += name.length + 4 + sizeOf(header);
  }
  return bytes;
}

const COMPRESSION = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  zstd: kafkajs.CompressionTypes.ZSTD,
} as const;

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
  readonly #stopped = new AbortController();
  #producer: Producer | undefined;
  #queue: Waiting[] = [];
  #head = 0;
  #queuedBytes = 0;
  #bufferedBytes = 0;
  #pumping: Promise<void> | undefined;
  #enough: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #sticky = 0;

  private constructor(config: ClusterConfig, options: ProducerOptions, log: KafkaLog) {
    this.#config = config;
    this.#log = log;
    this.#where = { cluster: config.name, brokers: config.brokers };
    this.#linger = options.linger ?? 5;
    this.#deliveryTimeout = options.deliveryTimeout ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = options.maxRequestBytes ?? 900_000;
    this.#compression = COMPRESSION[options.compression ?? 'none'];
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
      const now = Date.now();
      const bytes = bytesOf(record);
      this.#queue.push({
        message: new WireMessage(record, now),
        topic: record.topic,
        bytes,
        deadline: now + this.#deliveryTimeout,
        resolve,
        reject,
      });
      this.#bufferedBytes += bytes;
      this.#queuedBytes += bytes;
      if (this.#pumping === undefined) this.#pumping = this.#pump();
      else if (this.#enough !== undefined && this.#full()) this.#enough();
    });
  }

  async sendAll(records: readonly OutgoingRecord[]): Promise<void> {
    const settled = await Promise.allSettled(records.map((record) => this.send(record)));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  flush(): Promise<void> {
    if (this.#pumping === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const late = setTimeout(() => this.#stopped.abort(), 10_000);
    this.#enough?.();
    await this.#pumping;
    clearTimeout(late);
    this.#stopped.abort();
    await this.#producer?.disconnect().catch(() => {});
  }

  #closedError(): UnavailableError {
    return new UnavailableError('PH_KAFKA_CLOSED', `the producer of cluster '${this.#config.name}' is closed`);
  }

  #full(): boolean {
    return this.#queue.length - this.#head >= ENOUGH_RECORDS || this.#queuedBytes >= this.#maxBytes;
  }

  async #pump(): Promise<void> {
    // One turn of the event loop gathers what the current one still sends.
    await new Promise(setImmediate);
    let last = 0;
    while (this.#head < this.#queue.length) {
      if (last >= 100 && !this.#full() && this.#closing === undefined) await this.#company();
      const chunk = this.#take();
      last = chunk.length;
      await this.#deliver(chunk);
    }
    this.#pumping = undefined;
    for (const idle of this.#idle.splice(0)) idle();
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

  #take(): Waiting[] {
    const from = this.#head;
    let bytes = 0;
    let to = from;
    while (to < this.#queue.length && to - from < MOST_RECORDS) {
      const next = (this.#queue[to] as Waiting).bytes;
      if (to > from && bytes + next > this.#maxBytes) break;
      bytes += next;
      to++;
    }
    const chunk = this.#queue.slice(from, to);
    this.#queuedBytes -= bytes;
    this.#head = to;
    if (to === this.#queue.length || to > 10_000) {
      this.#queue = this.#queue.slice(to);
      this.#head = 0;
    }
    return chunk;
  }

  /** Settles every record of the chunk. Never rejects. */
  async #deliver(chunk: Waiting[]): Promise<void> {
    let closures = 0;
    for (let failures = 0; ; failures++) {
      let error: unknown;
      try {
        await this.#request(chunk);
        for (const { bytes, resolve } of chunk) {
          this.#bufferedBytes -= bytes;
          resolve();
        }
        return;
      } catch (failure) {
        error = failure;
      }
      if (isProducerRefused(error)) {
        this.#log.warn('the broker refused the producer id; a new one is taken', { cluster: this.#config.name, error: String(error) });
        await this.#drop();
      }
      const fault = classify(error, this.#where);
      if (chunk.length === 1 && isConnectionClosed(error) && (chunk[0] as Waiting).bytes > this.#maxBytes) closures++;
      if (closures >= CLOSED_BY_SIZE) return this.#reject(chunk, this.#tooLarge(chunk[0] as Waiting, error));
      const outlasts =
        !isProducerRefused(error) && (fault.kind === 'permanent' || fault.kind === 'auth' || fault.code === 'PH_KAFKA_UNKNOWN_TOPIC');
      if (outlasts) return this.#isolate(chunk, error, fault);
      const now = Date.now();
      const late = chunk.filter(({ deadline }) => deadline <= now);
      if (late.length > 0 || this.#stopped.signal.aborted)
        return this.#reject(chunk, this.#stopped.signal.aborted ? this.#closedError() : fault);
      const backoff = Math.min(BACKOFF_MILLISECONDS.most, BACKOFF_MILLISECONDS.first * 2 ** Math.min(failures, 10));
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, {
        signal: this.#stopped.signal,
      }).catch(() => {});
    }
  }

  /**
   * Finds the records that an error is about. First by partition, each with its batch as it was: a batch that the broker
   * stored before the error is recognised by its sequence numbers only if it is whole. Then by halves, where size decides.
   */
  async #isolate(chunk: Waiting[], error: unknown, fault: PipelineError): Promise<void> {
    const parts = Map.groupBy(chunk, ({ topic, message }) => `${topic} ${message.partition ?? ''}`);
    if (parts.size > 1) {
      for (const part of parts.values()) await this.#deliver(part);
      return;
    }
    const [first] = chunk;
    if (first === undefined) return;
    if (chunk.length === 1)
      return this.#reject(chunk, isTooLarge(error) ? this.#tooLarge(first, error) : this.#placed(fault, first, error));
    if (!isTooLarge(error) && fault.code !== 'PH_KAFKA_REQUEST') return this.#reject(chunk, this.#placed(fault, first, error));
    const half = chunk.length >> 1;
    await this.#deliver(chunk.slice(0, half));
    await this.#deliver(chunk.slice(half));
  }

  #placed(fault: PipelineError, { topic }: Waiting, error: unknown): PipelineError {
    return fault.place === undefined ? classify(error, { ...this.#where, place: `topic '${topic}'` }) : fault;
  }

  #tooLarge({ topic, bytes }: Waiting, error: unknown): PermanentError {
    return new PermanentError('PH_MESSAGE_TOO_LARGE', `a record of ${bytes} bytes is larger than topic '${topic}' takes`, {
      place: topic,
      cause: error,
    });
  }

  #reject(chunk: readonly Waiting[], fault: PipelineError): void {
    for (const { bytes, reject } of chunk) {
      this.#bufferedBytes -= bytes;
      reject(fault);
    }
  }

  async #request(chunk: readonly Waiting[]): Promise<void> {
    this.#sticky++;
    const topics = new Map<string, WireMessage[]>();
    for (const { topic, message } of chunk) {
      const messages = topics.get(topic);
      if (messages === undefined) topics.set(topic, [message]);
      else messages.push(message);
    }
    const producer = this.#producer ?? (await this.#connect());
    await producer.sendBatch({
      acks: -1,
      timeout: 30_000,
      compression: this.#compression,
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
        ({ message, partitionMetadata }) => {
          message.partition ??=
            message.key === null || message.key === undefined
              ? this.#sticky % partitionMetadata.length
              : partitionOf(message.key, partitionMetadata.length);
          return message.partition;
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

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.disconnect().catch(() => {});
  }
}
