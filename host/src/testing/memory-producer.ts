import type { PipelineError } from '@pipeline-host/sdk';
import type { KafkaProducer, OutgoingRecord } from '../kafka/driver.ts';

/** A log in memory that acknowledges when it is told to. */
export class MemoryProducer implements KafkaProducer {
  readonly sent: OutgoingRecord[] = [];
  readonly bufferedBytes = 0;
  readonly doubtfulRecords = 0;
  /** While true, sends stay unacknowledged. */
  holding = false;
  #held: (() => void)[] = [];
  fail: ((record: OutgoingRecord) => Error | null) | null = null;

  send(record: OutgoingRecord): Promise<void> {
    const error = this.fail?.(record) ?? null;
    if (error !== null) return Promise.reject(error);
    this.sent.push(record);
    if (!this.holding) return Promise.resolve();
    return new Promise((resolve) => this.#held.push(resolve));
  }
  async sendAll(records: readonly OutgoingRecord[]): Promise<void> {
    await Promise.all(records.map((record) => this.send(record)));
  }
  acknowledge(): void {
    this.holding = false;
    for (const resolve of this.#held) resolve();
    this.#held = [];
  }
  /** Why the broker refuses what is sent. */
  refused: PipelineError | null = null;
  refusal(): PipelineError | null {
    return this.refused;
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}
