import type { AnyWorker, TopicDefinition } from '@pipeline-host/sdk';
import type { KafkaRecord } from '../kafka/driver.ts';
import { givenRecord, type RecordOptions } from './given-record.ts';
import { type LogLine, recordLog } from './recorded-log.ts';
import { type RecordedMetrics, recordMetrics } from './recorded-metrics.ts';
import { openStage, type Recorders, type Stage, type StageOptions } from './stage.ts';

/** What every worker under test has. */
export interface WorkerUnderTest extends AsyncDisposable {
  /** Everything that was logged so far. */
  readonly log: readonly LogLine[];
  /** What the plugin measured. */
  readonly metrics: RecordedMetrics;
  /** Closes its services and removes its folder. Without it both go with the process. */
  close(): Promise<void>;
}

/** A stage that is opened when it is first needed, and the offsets of what is given there. */
export class LazyStage {
  readonly recorders: Recorders;
  readonly metrics: RecordedMetrics;
  readonly #worker: AnyWorker;
  readonly #options: StageOptions;
  #opening: Promise<Stage> | null = null;
  #next = 0;

  constructor(worker: AnyWorker, options: StageOptions) {
    this.#worker = worker;
    this.#options = options;
    const { metrics, recorded } = recordMetrics();
    this.recorders = { log: recordLog(), metrics, released: [] };
    this.metrics = recorded;
  }

  /** @throws FaultList where the host would refuse the plugin or its config */
  open(): Promise<Stage> {
    this.#opening ??= openStage(this.#worker, this.#options, this.recorders);
    return this.#opening;
  }

  /** Records of these messages at the next offsets. */
  records(topic: TopicDefinition, messages: readonly unknown[], options: RecordOptions = {}): readonly KafkaRecord[] {
    return messages.map((message) => givenRecord(topic, message, this.#next++, options));
  }

  async close(): Promise<void> {
    const stage = await this.#opening?.catch(() => null);
    this.#opening = null;
    await stage?.close();
  }

  /** What its user sees of it. @param close what else is to be closed first */
  shown(close: () => Promise<void> = () => this.close()): WorkerUnderTest {
    return { log: this.recorders.log.lines, metrics: this.metrics, close, [Symbol.asyncDispose]: close };
  }
}
