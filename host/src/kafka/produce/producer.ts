import { setTimeout as sleep } from 'node:timers/promises';
import { type PipelineError, UnavailableError } from '@pipeline-host/sdk';
import { classify, type Where } from '../classify.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { KafkaLog, KafkaProducer, OutgoingRecord, ProducerOptions } from '../driver.ts';
import { COMPRESSION } from '../wire/codecs.ts';
import { BatchDelivery, type DeliveryParts } from './batch-delivery.ts';
import { ProduceLink } from './produce-link.ts';
import { RefusedTopics } from './refused-topics.ts';
import { SendQueue, type Waiting, waitingRecord } from './send-queue.ts';
import { Sequences } from './sequences.ts';

const BACKOFF_MILLISECONDS = { first: 50, most: 500 } as const;
/** Whoever closes has drained before: what is still here waits for a broker that is away. Drain and this together stay far below 30 s. */
const CLOSE_MILLISECONDS = 5_000;
/** A request with so many records was under load, and the next is worth a linger. */
const LOADED_RECORDS = 100;
/** Failures in a row that are more than a leader's ordinary move. */
const WORTH_A_WARNING = 4;

/**
 * An idempotent producer. One delivery at a time: what waits meanwhile leaves with the next. A batch that was sent and not
 * answered comes again as it was, with its sequence numbers, so the broker stores it once. Only where a broker refuses
 * the producer id of such a batch, which one that keeps its log does not, the records may be stored twice: they are
 * sent under a new id rather than lost, logged, and counted in {@link doubtfulRecords}.
 */
export class BatchingProducer implements KafkaProducer {
  readonly #cluster: string;
  readonly #log: KafkaLog;
  readonly #linger: number;
  readonly #deliveryTimeout: number;
  readonly #queue: SendQueue;
  readonly #parts: DeliveryParts;
  readonly #link: ProduceLink;
  readonly #stopped = new AbortController();
  readonly #maxBytes: number;
  readonly #refused = new RefusedTopics();
  /** Our credentials are refused, or our right to write at all. */
  #lockedOut: PipelineError | null = null;
  #probing: NodeJS.Timeout | undefined;
  #bufferedBytes = 0;
  #doubtfulRecords = 0;
  #pumping: Promise<void> | undefined;
  #enough: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #deliveries = 0;

  private constructor(config: ClusterConfig, options: ProducerOptions, log: KafkaLog, link: ProduceLink, sequences: Sequences) {
    const maxBytes = options.maxRequestBytes ?? 900_000;
    this.#cluster = config.name;
    this.#log = log;
    this.#link = link;
    this.#linger = options.linger ?? 5;
    this.#deliveryTimeout = options.deliveryTimeout ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = maxBytes;
    this.#queue = new SendQueue(maxBytes);
    this.#parts = {
      link,
      sequences,
      log,
      where: whereOf(config),
      compression: COMPRESSION[options.compression ?? config.compression ?? 'none'],
      maxBytes,
      known: new Set(),
      acknowledged: (records) => this.#settled(records, ({ resolve }) => resolve()),
      rejected: (records, fault) => this.#settled(records, ({ reject }) => reject(fault)),
      doubtful: ({ length }) => {
        this.#doubtfulRecords += length;
      },
      access:
        options.whenRefused === 'wait'
          ? { setLockedOut: (fault) => this.#setLockedOut(fault), hold: (topic, records, fault) => this.#refuse(topic, records, fault) }
          : null,
    };
  }

  static async open(config: ClusterConfig, options: ProducerOptions, log: KafkaLog): Promise<BatchingProducer> {
    let link: ProduceLink | undefined;
    try {
      const opened = await ProduceLink.open(config, log);
      link = opened;
      const sequences = new Sequences(await opened.identify(), () => opened.identify());
      return new BatchingProducer(config, options, log, opened, sequences);
    } catch (error) {
      await link?.close().catch(() => {});
      throw classify(error, whereOf(config));
    }
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get doubtfulRecords(): number {
    return this.#doubtfulRecords;
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
    const fault = this.#closedError();
    this.#settled(this.#refused.clear(), ({ reject }) => reject(fault));
    this.#settleIdle();
    await this.#link.close();
  }

  #closedError(): UnavailableError {
    return new UnavailableError('PH_KAFKA_CLOSED', `the producer of cluster '${this.#cluster}' is closed`);
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
      if (allowed.length > 0) await this.#deliver(allowed);
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
      await this.#deliver(queue.take());
      if (!this.#refused.isWaiting(topic)) continue;
      while (!queue.empty) for (const record of queue.take()) this.#refused.hold(record);
      return;
    }
    this.#refused.allow(topic);
    this.#log.info(`topic '${topic}' can be written again`, { cluster: this.#cluster, topic });
  }

  #refuse(topic: string, records: readonly Waiting[], fault: PipelineError): void {
    if (this.#refused.refuse(topic, records, fault))
      this.#log.error(`what is for topic '${topic}' waits: ${fault.message}`, { code: fault.code, topic });
  }

  /** Says once when it begins and once when it ends. */
  #setLockedOut(fault: PipelineError | null): void {
    const before = this.#lockedOut;
    this.#lockedOut = fault;
    if (fault !== null && before === null) this.#log.error(`nothing can be written: ${fault.message}`, { code: fault.code });
    if (fault === null && before !== null) this.#log.info('records can be written again', { cluster: this.#cluster });
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
  async #deliver(chunk: readonly Waiting[]): Promise<void> {
    const delivery = new BatchDelivery(chunk, ++this.#deliveries, this.#parts);
    let failures = 0;
    while (!delivery.done) {
      const failure = await delivery.round();
      if (this.#stopped.signal.aborted) {
        delivery.giveUp(this.#closedError());
        return;
      }
      failures = failure === undefined ? 0 : failures + 1;
      if (failure === undefined) continue;
      if (failures === WORTH_A_WARNING) this.#warn(failure);
      const backoff = Math.min(BACKOFF_MILLISECONDS.most, BACKOFF_MILLISECONDS.first * 2 ** Math.min(failures - 1, 10));
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }

  #warn(failure: PipelineError): void {
    this.#log.warn('the broker takes no records; they wait', { cluster: this.#cluster, code: failure.code, error: failure.message });
  }

  #settled(records: readonly Waiting[], tell: (record: Waiting) => void): void {
    for (const record of records) {
      this.#bufferedBytes -= record.bytes;
      tell(record);
    }
  }
}

function whereOf(config: ClusterConfig): Where {
  return {
    cluster: config.name,
    get brokers() {
      return config.brokers;
    },
  };
}
