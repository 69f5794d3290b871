import { hash } from 'node:crypto';
import { type Output, PermanentError } from '@pipeline-host/sdk';
import type { KafkaProducer, KafkaRecord, OutgoingRecord } from '../kafka/driver.ts';
import type { ResolvedTopic, ResolvedWorker } from '../plugins/topology.ts';
import { HEADER, HOST_PREFIX, headerNumber, headerText, type Origin, originOf } from '../retry/headers.ts';
import { chooseLane } from '../retry/lane-choice.ts';
import { type RetryLayout, retryPartition } from '../retry/layout.ts';
import { delaysFor } from '../retry/policy.ts';
import type { ClassifiedFailure } from './failure-class.ts';
import { createMessageCodec, type MessageCodec } from './message-codec.ts';
import { schemaHeader } from './schema-version.ts';

/** Work may be sent again so many times along one chain of outputs. */
export const MAX_REDO = 2;

/** Headers that say something of the attempt before, which may not hold for this one. */
const OF_ONE_ATTEMPT: ReadonlySet<string> = new Set([HEADER.dueAt, HEADER.onDeadError, HEADER.written]);

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
  /** The producer of a cluster. */
  readonly producerOf: (cluster: string) => KafkaProducer;
  /** Told of each record that is retried or dead. */
  readonly onFailure: (what: 'retried' | 'dead', from: SourceRecord, note: FailureNote) => void;
}

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

/**
 * Everything that a worker writes to Kafka: outputs, retry copies, dead letters. Each promise resolves when all in-sync
 * replicas have the record, and only then is the source record settled.
 */
export class RecordWriter {
  readonly #options: RecordWriterOptions;
  readonly #codecs = new Map<string, { readonly topic: ResolvedTopic; readonly codec: MessageCodec; readonly schema: string }>();

  constructor(options: RecordWriterOptions) {
    this.#options = options;
    for (const [name, topic] of options.worker.produces) {
      const { definition } = topic;
      this.#codecs.set(name, { topic, codec: createMessageCodec(definition), schema: schemaHeader(definition) });
    }
  }

  /**
   * Encodes outputs against their topics. Nothing is sent.
   *
   * @param of what sends them: a record that is given up may have sent something before
   * @throws PermanentError `PH_OUTPUT_UNDECLARED`, `PH_OUTPUT_INVALID`, `PH_REDO_EXHAUSTED`
   */
  encode(
    outputs: readonly Output[],
    from: SourceRecord,
    of: 'handle' | 'dead' = 'handle',
  ): readonly { readonly cluster: string; readonly record: OutgoingRecord }[] {
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
      for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith(HOST_PREFIX))
          throw new PermanentError('PH_OUTPUT_INVALID', `header ${name}: names that begin with ph. are the host's`);
        if (typeof value !== 'string') throw new PermanentError('PH_OUTPUT_INVALID', `header ${name}: its value is no text`);
      }
      headers[HEADER.id] = outputId(origin, this.#options.worker.id, of === 'dead' ? `dead/${index}` : String(index));
      if (redo > 0) headers[HEADER.redo] = String(redo);
      const { topic, codec, schema } = produced;
      headers[HEADER.schema] = schema;
      const value = codec.encode(output.message);
      return { cluster: topic.cluster, record: { topic: topic.topic, key: topic.definition.key(output.message), value, headers } };
    });
  }

  /** Sends encoded outputs; resolves when all are acknowledged. They are queued before this returns, so order per key follows the calls. */
  async send(encoded: readonly { readonly cluster: string; readonly record: OutgoingRecord }[]): Promise<void> {
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
    const delay = retry.lanes[choice.lane - 1] ?? 0;
    const headers: Headers = {
      ...this.#originalHeaders(from.record),
      ...this.#context(from, { ...note, attempts: choice.attempts }),
      [HEADER.dueAt]: String(Date.now() + delay),
    };
    this.#options.onFailure('retried', from, note);
    return this.#options.producerOf(worker.cluster).send({
      topic: worker.retryTopic,
      partition: retryPartition(this.#options.layout, from.source, choice.lane),
      key: from.record.key,
      value: from.record.value,
      headers,
    });
  }

  /** Writes the dead letter: key, value and headers byte for byte, the reason in `ph.` headers. */
  deadLetter(from: SourceRecord, note: FailureNote): Promise<void> {
    const { worker } = this.#options;
    this.#options.onFailure('dead', from, note);
    const origin = this.#origin(from);
    // A copy that names no origin is of one of its lane's source partitions.
    const partition = from.retried && origin.topic === from.topic ? from.source : origin.partition;
    return this.#options.producerOf(worker.cluster).send({
      topic: worker.deadLetterTopic,
      partition: partition % this.#options.deadLetterPartitions,
      key: from.record.key,
      value: from.record.value,
      headers: { ...this.#originalHeaders(from.record), ...this.#context(from, note) },
    });
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
