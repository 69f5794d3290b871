import { createHash } from 'node:crypto';
import {
  type DeadLetterView,
  errorMessage,
  isPipelineError,
  isRetryable,
  type Output,
  type SimulationResults,
  type SourceMessage,
  type TopicDefinition,
} from '@pipeline-host/sdk';
import { createMessageCodec, type MessageCodec } from '../../host/src/engine/messages/message-codec.ts';
import plugin from '../../plugins/xact/src/index.ts';
import type { Lake } from '../host/delta/delta-fixture.ts';
import type { WorkerKit } from './worker-kit.ts';
import { WriterTable } from './writer-table.ts';

const ATTEMPTS = 4;

interface Record_ {
  readonly topic: string;
  readonly value: Buffer;
}

/**
 * The plugin's workers in a row, in this process and without a broker: each record goes to every worker that consumes its
 * topic, failed ones are tried again at once. It shows that the parts fit; what the host promises is tested elsewhere.
 */
export class Line {
  readonly #kit: WorkerKit;
  readonly #codecs: ReadonlyMap<string, MessageCodec>;
  readonly #open: Record_[] = [];
  readonly #deadLetters: DeadLetterView[] = [];
  /** By writer. */
  readonly #tables: ReadonlyMap<string, WriterTable>;
  readonly statuses: string[] = [];

  private constructor(kit: WorkerKit, tables: ReadonlyMap<string, WriterTable>) {
    this.#kit = kit;
    this.#tables = tables;
    this.#codecs = new Map(plugin.topics.map((topic: TopicDefinition) => [topic.name, createMessageCodec(topic)]));
  }

  static async open(kit: WorkerKit, lake: Lake): Promise<Line> {
    const tables = new Map<string, WriterTable>();
    for (const [name, worker] of Object.entries(plugin.workers))
      if ('writes' in worker) tables.set(name, await WriterTable.open(lake, worker));
    return new Line(kit, tables);
  }

  async run(messages: Iterable<SourceMessage> | AsyncIterable<SourceMessage>): Promise<SimulationResults> {
    for await (const { topic, value } of messages) this.#open.push({ topic, value: Buffer.from(value) });
    await Promise.all(Array.from({ length: 8 }, () => this.#work()));
    await this.#work();
    return {
      rows: async (table) => (await this.#tables.get(table === 'xact_events' ? 'event-writer' : 'result-processor')?.rows()) ?? [],
      deadLetters: async () => this.#deadLetters,
      files: async () => {
        const found = await this.#kit.store.list('');
        return Promise.all(
          found.map(async ({ path, bytes }) => {
            const content = (await this.#kit.store.get(path)) ?? Buffer.alloc(0);
            return { path, bytes, sha256: createHash('sha256').update(content).digest('hex') };
          }),
        );
      },
    };
  }

  async #work(): Promise<void> {
    for (let record = this.#open.shift(); record !== undefined; record = this.#open.shift()) {
      for (const [name, worker] of Object.entries(plugin.workers)) {
        if ('consumes' in worker && worker.consumes.name === record.topic) await this.#handle(name, record);
      }
    }
  }

  async #handle(name: string, record: Record_, attempt = 1): Promise<void> {
    const worker = plugin.workers[name];
    const context = this.#kit.contextOf({ value: record.value }, attempt);
    const bury = (code: string, reason: string) => this.#deadLetters.push({ worker: name, code, reason, value: record.value });
    let message: unknown;
    try {
      message = this.#codecs.get(record.topic)?.decode(record.value);
      const table = this.#tables.get(name);
      if (table !== undefined) {
        await table.write(record.value, new Date().toISOString());
        if (record.topic === 'downloads.results') this.statuses.push((message as { readonly status: string }).status);
      } else if (worker !== undefined && 'handle' in worker) {
        const outcome = await worker.handle?.(message, context);
        if (outcome?.kind === 'done' || outcome?.kind === 'dead') this.#send(outcome.outputs);
        if (outcome?.kind === 'dead') {
          bury(outcome.code, outcome.reason);
          this.#send(
            (await worker.onDead?.(
              message,
              { code: outcome.code, reason: outcome.reason, attempts: attempt, error: undefined },
              context,
            )) ?? [],
          );
        }
      }
    } catch (error) {
      if (isRetryable(error) && attempt < ATTEMPTS) return this.#handle(name, record, attempt + 1);
      const failure = {
        code: isPipelineError(error) ? error.code : 'PH_HANDLER_FAILED',
        reason: errorMessage(error),
        attempts: attempt,
        error,
      };
      bury(failure.code, failure.reason);
      if (message !== undefined && worker !== undefined && 'onDead' in worker)
        this.#send((await worker.onDead?.(message, failure, context)) ?? []);
    }
  }

  #send(outputs: readonly Output[]): void {
    for (const { topic, message } of outputs) {
      const value = this.#codecs.get(topic)?.encode(message);
      if (value !== undefined) this.#open.push({ topic, value });
    }
  }
}
