import type { Http, MessageOf, Objects, Staging, TopicDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import { NO_DELAYS } from '../plugins/resolve-retry.ts';
import { readFiles, type StoredFile } from '../supervisor/plugin-results.ts';
import type { RecordOptions } from './given-record.ts';
import { type HandlerResult, runHandler } from './handler-run.ts';
import type { LazyStage, WorkerUnderTest } from './lazy-stage.ts';
import type { Stage } from './stage.ts';

/** What came of one message. */
export interface HandledMessage extends HandlerResult {
  /** What was sent to a topic, as its readers get it. */
  sentTo<Topic extends TopicDefinition>(topic: Topic): readonly MessageOf<Topic>[];
}

/** What a worker under test works with. */
export interface WorkerParts {
  /** With the defaults filled in. */
  readonly config: unknown;
  readonly services: Readonly<Record<string, unknown>>;
  readonly http: Http;
  readonly objects: Objects;
  readonly staging: Pick<Staging, 'has' | 'open'> & {
    /** Of the area: part of its files' URIs. */
    readonly id: string;
    /** Takes a file away, as someone else might. */
    delete(uri: string): Promise<void>;
  };
}

/** A worker without a broker. Each call stands for itself: no outage, order or retry of one reaches into the next. */
export interface TestedWorker extends WorkerUnderTest {
  /**
   * Handles one message, as the host does between a record's bytes and the bytes of its outputs: upgrade and validation,
   * deadline, classes of errors, `onDead`.
   *
   * @param message a value, or bytes or text: the record's value as it is
   */
  handle(message: unknown, record?: RecordOptions): Promise<HandledMessage>;
  /** Handles messages at once, in one call where the worker has `handleBatch`. Results in the order of the messages. */
  handleBatch(messages: readonly unknown[], record?: RecordOptions): Promise<readonly HandledMessage[]>;
  /** As if the handler had thrown this and no attempt was left: what `onDead` sends. */
  giveUp(message: unknown, error: unknown, record?: RecordOptions): Promise<HandledMessage>;
  /** What the handler works with; opened with the first call. */
  parts(): Promise<WorkerParts>;
  /** Staged files that were released: a host deletes them once the offset is committed. */
  readonly released: readonly string[];
  /** What was stored with `objects`. */
  files(): Promise<readonly StoredFile[]>;
}

export function testedWorker(worker: WorkerDefinition, lazy: LazyStage): TestedWorker {
  const run = async (
    messages: readonly unknown[],
    record: RecordOptions = {},
    how: { readonly failure?: unknown } = {},
  ): Promise<readonly HandledMessage[]> => {
    const stage = await lazy.open();
    const records = lazy.records(worker.consumes, messages, record);
    const isRetried = (record.attempt ?? 1) > 1;
    const results =
      'failure' in how
        ? await runHandler(withoutRetries(stage), failing(worker, how.failure), records, { isRetried })
        : await runHandler(stage, worker, records, {
            isRetried,
            ...(record.acknowledged !== undefined && { isAcknowledged: record.acknowledged }),
          });
    return results.map(withSentTo);
  };
  const first = async (results: Promise<readonly HandledMessage[]>): Promise<HandledMessage> => {
    const [result] = await results;
    if (result === undefined) throw new TypeError('no message was given');
    return result;
  };
  return {
    ...lazy.plugin.shown(),
    released: lazy.plugin.recorders.released,
    handle: (message, record) => first(run([message], record)),
    handleBatch: (messages, record) => run(messages, record),
    giveUp: (message, error, record) => first(run([message], record, { failure: error })),
    parts: async () => partsOf(await lazy.open()),
    files: async () => {
      const { worker: resolved, files } = await lazy.open();
      return readFiles({ plugin: resolved.plugin.name, files });
    },
  };
}

function withSentTo(result: HandlerResult): HandledMessage {
  return {
    ...result,
    sentTo: <Topic extends TopicDefinition>(topic: Topic) =>
      // Decoded boundary: each was checked against its topic's schema when it was read.
      result.outputs.filter((output) => output.topic.name === topic.name).map(({ message }) => message as MessageOf<Topic>),
  };
}

/** The worker with a handler that fails. */
function failing({ handleBatch: _, ...worker }: WorkerDefinition, error: unknown): WorkerDefinition {
  return { ...worker, handle: () => ({ kind: 'retry', error, after: undefined }) };
}

function withoutRetries(stage: Stage): Stage {
  const { worker } = stage;
  return { ...stage, worker: { ...worker, settings: { ...worker.settings, retry: NO_DELAYS } } };
}

function partsOf({ worker, services, http, objects, host: { staging } }: Stage): WorkerParts {
  return {
    ...{ config: worker.plugin.config, services, http, objects },
    staging: { id: staging.id, has: (uri) => staging.has(uri), open: (uri) => staging.open(uri), delete: (uri) => staging.delete(uri) },
  };
}
