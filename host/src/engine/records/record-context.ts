import type { Http, Log, Metrics, Objects, RecordInfo, Staging, UnavailableError, WorkerContext } from '@pipeline-host/sdk';
import type { KafkaRecord } from '../../kafka/driver.ts';
import { authorHeaders, failedAttempts, HEADER, headerText } from '../../retry/headers.ts';
import type { PartitionState } from '../intake/partition-state.ts';
import { heldHttp } from './held-http.ts';

/** What all handlers of a worker share. */
export interface WorkerServices {
  readonly config: unknown;
  readonly services: unknown;
  readonly log: Log & { child(fields: Readonly<Record<string, unknown>>): Log };
  readonly metrics: Metrics;
  readonly http: Http;
  /** Why the handler of this record is not to ask a host now, or null. */
  readonly refusal?: (of: RecordContext, host: string) => UnavailableError | null;
  readonly objects: Objects;
  /** A view on the staging area whose `release` is told to the given function. */
  readonly stagingFor: (release: (uri: string) => void) => Staging;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Where a record came from, as the handler sees it. */
export function recordInfo(topic: string, partition: number, record: KafkaRecord): RecordInfo {
  return {
    id: headerText(record.headers, HEADER.id) ?? null,
    topic,
    partition,
    offset: BigInt(record.offset),
    key: record.key === null ? null : record.key.toString('utf8'),
    timestamp: record.timestamp,
    headers: authorHeaders(record.headers),
    value: record.value,
  };
}

/**
 * What a handler gets beside its message. Everything costly (logger, abort controller, header texts) is made when it is
 * asked for: most handlers ask for little.
 */
export class RecordContext implements WorkerContext {
  readonly #worker: WorkerServices;
  readonly #partition: PartitionState;
  readonly #record: KafkaRecord;
  readonly #startedAt: number;
  readonly #tries: number;
  #abort: AbortController | null = null;
  #abortedWith: unknown;
  #log: Log | null = null;
  #released: string[] | null = null;
  #acknowledged: (() => void)[] | null = null;

  /** @param tries failed attempts that were made in place */
  constructor(worker: WorkerServices, partition: PartitionState, record: KafkaRecord, startedAt: number, tries = 0) {
    this.#worker = worker;
    this.#partition = partition;
    this.#record = record;
    this.#startedAt = startedAt;
    this.#tries = tries;
  }

  get config(): unknown {
    return this.#worker.config;
  }
  get services(): unknown {
    return this.#worker.services;
  }
  get metrics(): Metrics {
    return this.#worker.metrics;
  }
  get http(): Http {
    const { http, refusal } = this.#worker;
    return refusal === undefined ? http : heldHttp(http, (host) => refusal(this, host));
  }
  get objects(): Objects {
    return this.#worker.objects;
  }
  get staging(): Staging {
    return this.#worker.stagingFor((uri) => {
      this.#released ??= [];
      this.#released.push(uri);
    });
  }
  get log(): Log {
    this.#log ??= this.#worker.log.child({
      topic: this.#partition.topic,
      partition: this.#partition.partition,
      offset: this.#record.offset,
      trace_id: headerText(this.#record.headers, 'trace_id') ?? this.#record.key?.toString('utf8'),
    });
    return this.#log;
  }
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController();
      if (this.#abortedWith !== undefined) this.#abort.abort(this.#abortedWith);
    }
    return this.#abort.signal;
  }
  get deadline(): number {
    return this.#startedAt + this.#worker.timeout;
  }
  get attempt(): number {
    return failedAttempts(this.#record.headers, this.#partition.lane !== null) + this.#tries + 1;
  }
  get record(): RecordInfo {
    return recordInfo(this.#partition.topic, this.#partition.partition, this.#record);
  }

  /** A function of its own: handlers take it out of the context. */
  get onAcknowledged(): (callback: () => void) => void {
    return (callback) => {
      this.#acknowledged ??= [];
      this.#acknowledged.push(callback);
    };
  }

  /** The record is done and its outputs are acknowledged. */
  tellAcknowledged(): void {
    for (const callback of this.#acknowledged ?? []) {
      try {
        callback();
      } catch (error) {
        this.log.error({ error }, 'a callback of onAcknowledged failed');
      }
    }
    this.#acknowledged = null;
  }

  /** The handler's word counts: what it released goes when the record is committed. Never called for a record that is handled again. */
  releaseStaged(): void {
    for (const uri of this.#released ?? []) this.#partition.releaseAfter(this.#record.offset, uri);
    this.#released = null;
  }

  /** Tells the handler to stop, now and whenever it looks at its signal. */
  abort(reason: unknown): void {
    this.#abortedWith = reason;
    this.#abort?.abort(reason);
  }
}
