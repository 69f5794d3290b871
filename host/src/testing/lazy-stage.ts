import type { AnyWorker, PluginDefinition, TopicDefinition } from '@pipeline-host/sdk';
import type { KafkaRecord } from '../kafka/driver.ts';
import { givenRecord, type RecordOptions } from './given-record.ts';
import { type LogLine, recordLog } from './recorded-log.ts';
import { type RecordedMetrics, recordMetrics } from './recorded-metrics.ts';
import { openPluginStage, type PluginStage, type Recorders, type Stage, type StageOptions } from './stage.ts';

/** What everything under test has. */
export interface WorkerUnderTest extends AsyncDisposable {
  /** Everything that was logged so far. */
  readonly log: readonly LogLine[];
  /** What the plugin measured. */
  readonly metrics: RecordedMetrics;
  /** Closes its services and removes its folder. Without it both go with the process. */
  close(): Promise<void>;
}

/** A plugin whose services are opened when they are first needed. */
export class LazyPlugin {
  readonly recorders: Recorders;
  readonly metrics: RecordedMetrics;
  readonly #plugin: PluginDefinition;
  readonly #options: StageOptions;
  readonly #closers: (() => Promise<void>)[] = [];
  #opening: Promise<PluginStage> | null = null;

  constructor(plugin: PluginDefinition, options: StageOptions) {
    this.#plugin = plugin;
    this.#options = options;
    const { metrics, recorded } = recordMetrics();
    this.recorders = { log: recordLog(), metrics, released: [] };
    this.metrics = recorded;
  }

  /** @throws FaultList where the host would refuse the plugin or its config */
  open(): Promise<PluginStage> {
    this.#opening ??= openPluginStage(this.#plugin, this.#options, this.recorders);
    return this.#opening;
  }

  /** Is closed before the services are. */
  closeFirst(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    const stage = await this.#opening?.catch(() => null);
    this.#opening = null;
    await stage?.close();
  }

  /** What its user sees of it. */
  shown(): WorkerUnderTest {
    const close = (): Promise<void> => this.close();
    return { log: this.recorders.log.lines, metrics: this.metrics, close, [Symbol.asyncDispose]: close };
  }
}

/** The stage of one worker of a plugin, and the offsets of what is given there. */
export class LazyStage {
  readonly plugin: LazyPlugin;
  readonly #worker: AnyWorker;
  #next = 0;

  constructor(worker: AnyWorker, plugin: LazyPlugin) {
    this.plugin = plugin;
    this.#worker = worker;
  }

  /** @throws FaultList where the host would refuse the plugin or its config */
  async open(): Promise<Stage> {
    return (await this.plugin.open()).stageOf(this.#worker);
  }

  /** Records of these messages at the next offsets. */
  records(topic: TopicDefinition, messages: readonly unknown[], options: RecordOptions = {}): readonly KafkaRecord[] {
    return messages.map((message) => givenRecord(topic, message, this.#next++, options));
  }
}
