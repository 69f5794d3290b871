import type { Outcome, Output, TopicDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import type { Clock } from '../clock.ts';
import { type ClassifiedFailure, classifyFailure } from '../engine/failure-class.ts';
import { HandlerSink } from '../engine/handling/handler-sink.ts';
import { Intake } from '../engine/intake/intake.ts';
import type { SettledAs } from '../engine/intake/tally.ts';
import { createMessageCodec } from '../engine/messages/message-codec.ts';
import { FailureWindow } from '../engine/outage/failure-window.ts';
import { RecordWriter } from '../engine/records/record-writer.ts';
import type { KafkaRecord, OutgoingRecord } from '../kafka/driver.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import { authorHeaders, HEADER, headerNumber, headerText } from '../retry/headers.ts';
import { MemoryProducer } from './memory-producer.ts';
import type { Stage } from './stage.ts';

/**
 * What becomes of a record: `retried` waits for its next attempt, `paused` for the end of an outage that stops the whole worker,
 * `unacknowledged` for a broker that will not answer.
 */
export type RecordOutcome = 'done' | 'skipped' | 'retried' | 'dead' | 'paused' | 'unacknowledged';

/** An output as it stands in its topic. */
export interface SentMessage {
  /** Its topic's definition. */
  readonly topic: TopicDefinition;
  readonly key: string | null;
  /** As its readers get it: encoded, read and checked against the topic's schema. */
  readonly message: unknown;
  /** Without the host's own. */
  readonly headers: Readonly<Record<string, string>>;
  /** It sends earlier work again. */
  readonly redo: boolean;
}

/** What became of one record, and why. */
export interface HandlerResult {
  readonly outcome: RecordOutcome;
  /** Code of the failure; undefined where there is none. */
  readonly code: string | undefined;
  /** Why it was skipped, or what failed. */
  readonly reason: string | undefined;
  /** What the handler threw or returned. */
  readonly error: unknown;
  /** Milliseconds until a retried record is handled again. */
  readonly wait: number | undefined;
  readonly outputs: readonly SentMessage[];
}

const SOURCE_PARTITION = 0;

export interface RunOptions {
  /** The records come from the retry topic: their headers say which attempt it is. */
  readonly isRetried: boolean;
  /** Whether the log answers; true by default. */
  readonly isAcknowledged?: boolean;
}

/**
 * Gives records to the engine, with a log in memory in place of Kafka, and tells what became of them. Everything between the
 * bytes of a record and the bytes of what is sent for it is the host's own: decoding, lanes, deadlines, `onDead`, encoding.
 *
 * @param definition the worker that the stage is for, or a changed one
 */
export async function runHandler(
  stage: Stage,
  definition: WorkerDefinition,
  records: readonly KafkaRecord[],
  how: RunOptions,
): Promise<readonly HandlerResult[]> {
  const run = new HandlerRun(stage, definition, records, how.isAcknowledged ?? true);
  try {
    await run.deliver(how.isRetried);
    return records.map((record) => run.resultOf(record));
  } finally {
    run.close();
  }
}

/** What the engine did about one record. */
interface Trace {
  settled?: SettledAs;
  returned?: Outcome;
  thrown?: { readonly error: unknown };
  isSent?: true;
  readonly encoded: OutgoingRecord[];
}

class HandlerRun {
  readonly #stage: Stage;
  readonly #worker: ResolvedWorker;
  readonly #records: readonly KafkaRecord[];
  readonly #isAcknowledged: boolean;
  readonly #intake: Intake;
  readonly #sink: HandlerSink;
  readonly #producer = new MemoryProducer();
  readonly #traces: ReadonlyMap<number, Trace>;
  readonly #ended = Promise.withResolvers<void>();
  #left: number;
  #pause: ClassifiedFailure | null = null;
  /** Of the wait for a try in place. */
  #heldFor: number | undefined;

  constructor(stage: Stage, definition: WorkerDefinition, records: readonly KafkaRecord[], isAcknowledged: boolean) {
    this.#isAcknowledged = isAcknowledged;
    this.#stage = stage;
    this.#worker = stage.worker;
    this.#records = records;
    this.#left = records.length;
    this.#traces = new Map(records.map(({ offset }) => [offset, { encoded: [] }]));
    const { settings } = this.#worker;
    const layout = { lanes: settings.retry.lanes.length + 1, classes: 1 };
    // Whatever waits for this clock has come as far as it can without time passing.
    const clock: Clock = {
      monotonic: () => performance.now(),
      after: (wait) => {
        this.#heldFor ??= wait;
        this.#ended.resolve();
        return { cancel: () => {} };
      },
    };
    this.#intake = new Intake({
      sourceTopic: stage.source.topic,
      layout,
      delays: settings.retry.lanes,
      release: settings.retry.release,
      addressee: null,
      byteBudget: Number.POSITIVE_INFINITY,
      schemaVersion: stage.source.definition.version,
      readBack: async () => [],
      replays: { verdict: () => 'first' },
      log: stage.recorders.log.log,
      releaseFile: async (uri) => void stage.recorders.released.push(uri),
      onCommit: () => {},
    });
    this.#sink = new HandlerSink({
      intake: this.#intake,
      definition: this.#traced(definition),
      onRetry: settings.retry.mode,
      window: new FailureWindow(settings.outage),
      order: settings.order,
      concurrency: settings.concurrency,
      batchSize: Math.max(settings.batchSize, records.length),
      outageKeys: settings.outage.keys,
      byteBudget: Number.POSITIVE_INFINITY,
      releasePerSecond: settings.retry.release,
      canDelay: settings.retry.mode === 'delay' && settings.retry.lanes.length > 0,
      codec: createMessageCodec(stage.source.definition),
      writer: this.#writer(layout),
      services: {
        config: this.#worker.plugin.config,
        services: stage.services,
        log: stage.recorders.log.log,
        metrics: stage.recorders.metrics,
        http: stage.http,
        objects: stage.objects,
        stagingFor: (release) => stage.host.staging.forRecord(release),
        timeout: settings.timeout,
      },
      onHandled: () => {},
      onOverdue: () => {},
      onHeld: () => {},
      onPause: (failure) => {
        this.#pause = failure;
      },
      onFatal: (error) => this.#ended.reject(error),
      clock,
    });
    this.#intake.attach(this.#sink, {
      pause: () => {},
      resume: () => {},
      seek: () => {},
      commit: async () => 'committed',
      close: async () => {},
    });
    const settle = this.#intake.settle.bind(this.#intake);
    this.#intake.settle = (state, record, as) => {
      settle(state, record, as);
      this.#traceOf(record.offset).settled = as;
      if (--this.#left === 0) this.#ended.resolve();
    };
  }

  async deliver(retried: boolean): Promise<void> {
    const topic = retried ? this.#worker.retryTopic : this.#stage.source.topic;
    const place = { topic, partition: SOURCE_PARTITION, epoch: 1 };
    const first = this.#records[0]?.offset ?? 0;
    const last = this.#records.at(-1)?.offset ?? 0;
    await this.#intake.assign(1, [{ topic, partition: SOURCE_PARTITION, committed: first, metadata: null }]);
    this.#intake.receive({ ...place, highWatermark: last + 1, lastOffset: last, records: this.#records });
    await this.#ended.promise;
    await this.#intake.commit();
  }

  resultOf({ offset }: KafkaRecord): HandlerResult {
    const trace = this.#traceOf(offset);
    const copy = this.#producer.sent.find(
      ({ topic, headers }) =>
        (topic === this.#worker.retryTopic || topic === this.#worker.deadLetterTopic) &&
        headerNumber(headers, HEADER.originOffset, -1) === offset,
    );
    const error = trace.thrown?.error ?? (trace.returned?.kind === 'retry' ? trace.returned.error : undefined);
    const failure = trace.settled === undefined && !trace.isSent ? (this.#pause ?? classifyFailure(error)) : null;
    return {
      outcome: trace.settled ?? this.#openOutcome(trace),
      code: failure?.code ?? headerText(copy?.headers, HEADER.errorCode),
      reason: failure?.reason ?? (trace.returned?.kind === 'skip' ? trace.returned.reason : headerText(copy?.headers, HEADER.errorMessage)),
      error,
      wait: this.#waitOf(trace, copy),
      outputs: trace.encoded.filter((output) => this.#producer.sent.includes(output)).map((output) => this.#sentMessage(output)),
    };
  }

  #openOutcome({ isSent }: Trace): RecordOutcome {
    if (isSent) return 'unacknowledged';
    return this.#pause === null ? 'retried' : 'paused';
  }

  #waitOf(trace: Trace, copy: OutgoingRecord | undefined): number | undefined {
    const { lanes } = this.#worker.settings.retry;
    if (trace.settled === 'retried') return lanes[((copy?.partition ?? 0) % (lanes.length + 1)) - 1];
    return trace.settled === undefined && this.#pause === null ? this.#heldFor : undefined;
  }

  close(): void {
    this.#sink.close();
    this.#intake.close();
  }

  #traceOf(offset: number): Trace {
    const trace = this.#traces.get(offset);
    if (trace === undefined) throw new RangeError(`offset ${offset} was not given`);
    return trace;
  }

  /** The worker, with a note of what its handlers say. */
  #traced(definition: WorkerDefinition): WorkerDefinition {
    const { handle, handleBatch } = definition;
    return {
      ...definition,
      ...(handle !== undefined && {
        handle: async (message, context) => {
          const trace = this.#traceOf(Number(context.record.offset));
          try {
            const outcome = await handle.call(definition, message, context);
            trace.returned = outcome;
            return outcome;
          } catch (error) {
            trace.thrown = { error };
            throw error;
          }
        },
      }),
      ...(handleBatch !== undefined && {
        handleBatch: async (items) => {
          const traces = items.map(({ context }) => this.#traceOf(Number(context.record.offset)));
          try {
            const outcomes = await handleBatch.call(definition, items);
            for (const [index, trace] of traces.entries()) if (outcomes[index] !== undefined) trace.returned = outcomes[index];
            return outcomes;
          } catch (error) {
            for (const trace of traces) trace.thrown = { error };
            throw error;
          }
        },
      }),
    };
  }

  /** Notes which outputs are whose: a producer sees them all alike. */
  #writer(layout: { readonly lanes: number; readonly classes: number }): RecordWriter {
    const writer = new RecordWriter({
      worker: this.#worker,
      sourceCluster: 'default',
      sourceClusterId: 'test',
      layout,
      deadLetterPartitions: 1,
      largest: new Map(),
      storePayload: (topic, payload) => this.#stage.host.storePayload(topic, payload),
      producerOf: () => this.#producer,
      onFailure: () => {},
    });
    const encode = writer.encode.bind(writer);
    writer.encode = (outputs: readonly Output[], from, of) => {
      const encoded = encode(outputs, from, of);
      const trace = this.#traceOf(from.record.offset);
      trace.encoded.push(...encoded.map(({ record }) => record));
      if (!this.#isAcknowledged) trace.isSent = true;
      return encoded;
    };
    const send = writer.send.bind(writer);
    writer.send = (encoded) => {
      const sent = send(encoded);
      if (this.#isAcknowledged) return sent;
      if (--this.#left === 0) this.#ended.resolve();
      return new Promise(() => {});
    };
    return writer;
  }

  #sentMessage({ topic, key, value, headers }: OutgoingRecord): SentMessage {
    const produced = [...this.#worker.produces.values()].find((one) => one.topic === topic);
    if (produced === undefined) throw new RangeError(`the worker does not produce ${topic}`);
    return {
      topic: produced.definition,
      key: key === null ? null : String(key),
      message: createMessageCodec(produced.definition).decode(value === null ? null : Buffer.from(value)),
      headers: authorHeaders(headers),
      redo: headerText(headers, HEADER.redo) !== undefined,
    };
  }
}
