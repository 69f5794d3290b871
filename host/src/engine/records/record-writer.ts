import { hash } from 'node:crypto';
import { isPipelineError, type Output, PermanentError, type PipelineError } from '@pipeline-host/sdk';
import type { Payload } from '../../dlq/payloads.ts';
import type { KafkaProducer, KafkaRecord, OutgoingRecord } from '../../kafka/driver.ts';
import { fitsCompressed } from '../../kafka/stored-record.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../plugins/topology.ts';
import { HEADER, HOST_PREFIX, headerNumber, headerText, type Origin, originOf } from '../../retry/headers.ts';
import { chooseLane, laneFor } from '../../retry/lane-choice.ts';
import { type RetryLayout, retryPartition } from '../../retry/layout.ts';
import { delaysFor } from '../../retry/policy.ts';
import type { ClassifiedFailure } from '../failure-class.ts';
import { createMessageCodec, type MessageCodec } from '../messages/message-codec.ts';
import { schemaHeader } from '../messages/schema-version.ts';

/** Bytes of UTF-8 that one UTF-16 unit takes at the most. */
const MOST_BYTES_A_UNIT = 3;

/** Work may be sent again so many times along one chain of outputs. */
export const MAX_REDO = 2;

/** Headers that say something of the attempt before, which may not hold for this one. */
const OF_ONE_ATTEMPT: ReadonlySet<string> = new Set([
  HEADER.dueAt,
  HEADER.heldBy,
  HEADER.onDeadError,
  HEADER.written,
  HEADER.batch,
  HEADER.payload,
  HEADER.payloadValueBytes,
]);
/** A dead letter that is kept elsewhere keeps a key and headers up to so many bytes: lists are filtered by them. */
const KEPT_BYTES = 4_096;
/** Lengths, times and the batch around a record, and the host's own headers. */
const FRAMING = 512;

type Headers = Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>;

/** A record and the partition it was read from. */
export interface SourceRecord {
  readonly topic: string;
  readonly partition: number;
  /** The class of source partitions whose keys these are. */
  readonly source: number;
  /** It was read from a retry topic: only there are the host's own headers believed. */
  readonly retried: boolean;
  readonly record: KafkaRecord;
}

export interface RecordWriterOptions {
  readonly worker: ResolvedWorker;
  /** Name of the cluster that the worker consumes from. */
  readonly sourceCluster: string;
  /** Its id: part of the identity of outputs. */
  readonly sourceClusterId: string;
  /** Of the retry topic. */
  readonly layout: RetryLayout;
  readonly deadLetterPartitions: number;
  /** Bytes of the largest batch that a topic of {@link ResolvedWorker.produces} takes, by its name there; absent where nobody knows. */
  readonly largest: ReadonlyMap<string, number>;
  /** Keeps a record that the dead-letter topic does not take. Resolves with its reference when it is durable. */
  readonly storePayload: (topic: string, payload: Payload) => Promise<string>;
  /** The producer of a cluster. */
  readonly producerOf: (cluster: string) => KafkaProducer;
  /** Told of each record that is retried, postponed or dead. */
  readonly onFailure: (what: FailureEnd, from: SourceRecord, note: FailureNote) => void;
}

/** `postponed`: it is retried, but no attempt was burned. */
export type FailureEnd = 'retried' | 'postponed' | 'dead';

/** Why and how a record failed, for its headers. */
export interface FailureNote {
  readonly failure: ClassifiedFailure;
  readonly stage: 'decode' | 'handle' | 'write';
  /** Failed attempts, this one included. */
  readonly attempts: number;
  /** Set where `onDead` itself failed. */
  readonly onDeadError?: string;
  /** Tables that hold the record's rows already. */
  readonly written?: readonly string[];
}

interface ProducedTopic {
  readonly topic: ResolvedTopic;
  readonly codec: MessageCodec;
  readonly schema: string;
  readonly mostBytes: number;
}

/** An output as it is sent. */
export interface EncodedOutput {
  readonly cluster: string;
  readonly record: OutgoingRecord;
  /** Bytes of the largest batch that its topic takes. */
  readonly mostBytes: number;
  /** More than this it cannot be as it is. */
  readonly bytes: number;
}

/**
 * Everything that a worker writes to Kafka: outputs, retry copies, dead letters. Each promise resolves when all in-sync
 * replicas have the record, and only then is the source record settled.
 */
export class RecordWriter {
  readonly #options: RecordWriterOptions;
  readonly #codecs = new Map<string, ProducedTopic>();
  /** The topics that the worker writes to, by cluster. */
  readonly #written = new Map<string, Set<string>>();

  constructor(options: RecordWriterOptions) {
    this.#options = options;
    for (const [name, topic] of options.worker.produces) {
      const { definition } = topic;
      this.#codecs.set(name, {
        topic,
        codec: createMessageCodec(definition),
        schema: schemaHeader(definition),
        mostBytes: options.largest.get(name) ?? Number.POSITIVE_INFINITY,
      });
    }
    const { cluster, retryTopic, deadLetterTopic, produces } = options.worker;
    for (const written of [...produces.values(), { cluster, topic: retryTopic }, { cluster, topic: deadLetterTopic }]) {
      const topics = this.#written.get(written.cluster) ?? new Set();
      this.#written.set(written.cluster, topics.add(written.topic));
    }
  }

  /** Why Kafka takes nothing from the worker now, or null: what it has sent waits, and it goes on by itself once it has access again. */
  get refusal(): PipelineError | null {
    for (const [cluster, topics] of this.#written) {
      const refusal = this.#options.producerOf(cluster).refusal(topics);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  /**
   * Encodes outputs against their topics. Nothing is sent.
   *
   * @param of what sends them: a record that is given up may have sent something before
   * @throws PermanentError `PH_OUTPUT_UNDECLARED`, `PH_OUTPUT_INVALID`, `PH_REDO_EXHAUSTED`
   */
  encode(outputs: readonly Output[], from: SourceRecord, of: 'handle' | 'dead' = 'handle'): readonly EncodedOutput[] {
    const { sourceClusterId } = this.#options;
    // The cluster by its id, which no config can change; a retried record names it as the config does.
    const origin = {
      ...originOf(from.record, { cluster: sourceClusterId, topic: from.topic, partition: from.partition }, from.retried),
      cluster: sourceClusterId,
    };
    const redone = headerNumber(from.record.headers, HEADER.redo, 0);
    return outputs.map((output, index) => {
      const produced = this.#codecs.get(output.topic);
      if (produced === undefined)
        throw new PermanentError('PH_OUTPUT_UNDECLARED', `output to "${output.topic}", which the worker does not declare`);
      const redo = redone + (output.redo ? 1 : 0);
      if (output.redo && redo > MAX_REDO)
        throw new PermanentError('PH_REDO_EXHAUSTED', `work was sent again ${MAX_REDO} times and is not done`);
      const headers: Headers = { ...output.headers };
      let bytes = FRAMING;
      for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith(HOST_PREFIX))
          throw new PermanentError('PH_OUTPUT_INVALID', `header ${name}: names that begin with ph. are the host's`);
        if (typeof value !== 'string') throw new PermanentError('PH_OUTPUT_INVALID', `header ${name}: its value is no text`);
        bytes += MOST_BYTES_A_UNIT * (name.length + value.length);
      }
      headers[HEADER.id] = outputId(origin, this.#options.worker.id, of === 'dead' ? `dead/${index}` : String(index));
      if (redo > 0) headers[HEADER.redo] = String(redo);
      const { topic, codec, schema, mostBytes } = produced;
      headers[HEADER.schema] = schema;
      const value = codec.encode(output.message);
      const key = topic.definition.key(output.message);
      bytes += value.length + MOST_BYTES_A_UNIT * (key?.length ?? 0);
      return { cluster: topic.cluster, record: { topic: topic.topic, key, value, headers }, mostBytes, bytes };
    });
  }

  /** What may be too large for its topic, and must be looked at by {@link checkSizes} before anything is sent: nothing, as a rule. */
  large(encoded: readonly EncodedOutput[]): readonly EncodedOutput[] {
    return encoded.filter(({ bytes, mostBytes }) => bytes > mostBytes);
  }

  /**
   * Outputs of one record go out all or not at all.
   *
   * @throws PermanentError `PH_MESSAGE_TOO_LARGE` where one is too large for its topic, however it is compressed
   */
  async checkSizes(large: readonly EncodedOutput[]): Promise<void> {
    for (const { record, mostBytes } of large) {
      if (await fitsCompressed(record, mostBytes)) continue;
      const { topic, value } = record;
      const text = `an output of ${value?.length ?? 0} bytes is larger than topic '${topic}' takes (${mostBytes}, also compressed)`;
      throw new PermanentError('PH_MESSAGE_TOO_LARGE', text, { place: `topic ${topic}` });
    }
  }

  /** Sends encoded outputs; resolves when all are acknowledged. They are queued before this returns, so order per key follows the calls. */
  async send(encoded: readonly EncodedOutput[]): Promise<void> {
    await Promise.all(encoded.map(({ cluster, record }) => this.#options.producerOf(cluster).send(record)));
  }

  /**
   * Puts the record into the delay lane of its attempt, byte for byte, or says that its attempts are used up.
   */
  retry(from: SourceRecord, note: FailureNote, after: number | undefined): Promise<void> | 'exhausted' {
    const { worker } = this.#options;
    const { retry } = worker.settings;
    const choice = chooseLane(retry.lanes, delaysFor(retry, note.failure.code), note.attempts, after ?? note.failure.retryAfter);
    if (choice === null) return 'exhausted';
    this.#options.onFailure('retried', from, note);
    return this.#delay(from, { ...note, attempts: choice.attempts }, choice.lane, {});
  }

  /**
   * Puts a record that waits for a dependency into the shortest lane that waits so long, else into the longest, byte for
   * byte. Only for a worker that has such lanes.
   *
   * @param attempts failed ones so far: this is none
   * @param wait milliseconds
   */
  postpone(from: SourceRecord, failure: ClassifiedFailure, attempts: number, heldBy: string, wait: number): Promise<void> {
    const note: FailureNote = { failure, stage: 'handle', attempts };
    this.#options.onFailure('postponed', from, note);
    return this.#delay(from, note, laneFor(this.#options.worker.settings.retry.lanes, wait), { [HEADER.heldBy]: heldBy });
  }

  #delay(from: SourceRecord, note: FailureNote, lane: number, own: Headers): Promise<void> {
    const { worker, layout, producerOf } = this.#options;
    const delay = worker.settings.retry.lanes[lane - 1] ?? 0;
    return producerOf(worker.cluster).send({
      topic: worker.retryTopic,
      partition: retryPartition(layout, from.source, lane),
      key: from.record.key,
      value: from.record.value,
      headers: {
        ...this.#originalHeaders(from.record),
        ...this.#context(from, note),
        ...own,
        [HEADER.dueAt]: String(Date.now() + delay),
      },
    });
  }

  /**
   * Writes the dead letter: key, value and headers byte for byte, the reason in `ph.` headers. What its topic does not take
   * is stored whole first, and the dead letter refers to it.
   */
  async deadLetter(from: SourceRecord, note: FailureNote): Promise<void> {
    const { worker, deadLetterPartitions, producerOf } = this.#options;
    const { record } = from;
    this.#options.onFailure('dead', from, note);
    const origin = this.#origin(from);
    // A copy that names no origin is of one of its lane's source partitions.
    const partition = from.retried && origin.topic === from.topic ? from.source : origin.partition;
    const place = { topic: worker.deadLetterTopic, partition: partition % deadLetterPartitions };
    const original = this.#originalHeaders(record);
    const context = this.#context(from, note);
    const producer = producerOf(worker.cluster);
    try {
      await producer.send({ ...place, key: record.key, value: record.value, headers: { ...original, ...context } });
    } catch (error) {
      if (!isPipelineError(error) || error.code !== 'PH_MESSAGE_TOO_LARGE') throw error;
      await producer.send({ ...place, ...(await this.#reference(record, original, context)) });
      // Until it was sent nobody referred to what is stored, and a sweep may have taken it for that of a settled one.
      await this.#reference(record, original, context);
    }
  }

  async #reference(record: KafkaRecord, original: Headers, context: Headers): Promise<Pick<OutgoingRecord, 'key' | 'value' | 'headers'>> {
    const { key, value, timestamp } = record;
    const { storePayload, worker } = this.#options;
    const reference = await storePayload(worker.deadLetterTopic, { key, value, headers: original, timestamp });
    const isSmall = key === null || key.length <= KEPT_BYTES;
    return {
      key: isSmall ? key : null,
      // Not null: a topic that someone compacts would forget what came before under this key.
      value: Buffer.alloc(0),
      headers: {
        ...(sizeOf(original) <= KEPT_BYTES && original),
        ...context,
        [HEADER.payload]: reference,
        ...(value !== null && { [HEADER.payloadValueBytes]: String(value.length) }),
      },
    };
  }

  #originalHeaders(record: KafkaRecord): Headers {
    // Not by assignment: a header may be called `__proto__`.
    return Object.fromEntries(Object.entries(record.headers).filter(([name]) => !OF_ONE_ATTEMPT.has(name)));
  }

  /** The class of source partitions that a record of the retry topic came from; null where it does not say. */
  homeOf(record: KafkaRecord): number | null {
    const partition = headerNumber(record.headers, HEADER.originPartition, -1);
    return partition < 0 ? null : partition % this.#options.layout.classes;
  }

  #origin({ record, topic, partition, retried }: SourceRecord): Origin {
    return originOf(record, { cluster: this.#options.sourceCluster, topic, partition }, retried);
  }

  #context(from: SourceRecord, { failure, stage, attempts, onDeadError, written = [] }: FailureNote): Headers {
    const { worker } = this.#options;
    const origin = this.#origin(from);
    const now = new Date().toISOString();
    return {
      [HEADER.plugin]: worker.plugin.name,
      [HEADER.pluginVersion]: worker.plugin.version,
      [HEADER.worker]: worker.name,
      [HEADER.stage]: stage,
      [HEADER.attempts]: String(attempts),
      [HEADER.firstFailedAt]: (from.retried ? headerText(from.record.headers, HEADER.firstFailedAt) : undefined) ?? now,
      [HEADER.failedAt]: now,
      [HEADER.errorCode]: failure.code,
      [HEADER.errorName]: failure.name,
      [HEADER.errorMessage]: failure.reason,
      ...(onDeadError !== undefined && { [HEADER.onDeadError]: onDeadError }),
      ...(from.record.unreadable !== undefined && { [HEADER.batch]: String(from.record.unreadable.records) }),
      ...(written.length > 0 && { [HEADER.written]: written.join() }),
      [HEADER.originCluster]: origin.cluster,
      [HEADER.originTopic]: origin.topic,
      [HEADER.originPartition]: String(origin.partition),
      [HEADER.originOffset]: origin.offset,
      [HEADER.originTimestamp]: String(origin.timestamp),
    };
  }
}

/** The identity of an output: the same after a crash, a retry or a replay of its source. */
function outputId(origin: Origin, worker: string, index: string): string {
  return hash('sha256', `${origin.cluster}/${origin.topic}/${origin.partition}/${origin.offset}/${worker}/${index}`, 'hex').slice(0, 32);
}

function sizeOf(headers: Headers): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers))
    bytes += Buffer.byteLength(name) + [value ?? []].flat().reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  return bytes;
}
