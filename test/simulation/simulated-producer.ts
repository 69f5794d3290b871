import { PermanentError, UnavailableError } from '@pipeline-host/sdk';
import type { KafkaProducer, OutgoingRecord } from '../../host/src/kafka/driver.ts';
import type { Network } from './network.ts';

/** Values of this many bytes are refused as too large. */
export const TOO_LARGE = 2_000;

/** Milliseconds between tries of a request that no broker answers. */
const RECONNECT = 1_000;

interface Waiting {
  readonly record: OutgoingRecord;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One request in flight; what comes meanwhile goes with the next one, in order. An outage is waited out. */
export class SimulatedProducer implements KafkaProducer {
  readonly #network: Network;
  #waiting: Waiting[] = [];
  #inFlight = false;
  /** Its process was killed: nothing is sent or answered any more. */
  #killed = false;
  /** Milliseconds that a request takes longer of which its process does not hear any more. */
  #lateBy = 0;
  #closed = false;
  readonly doubtfulRecords = 0;

  constructor(network: Network) {
    this.#network = network;
  }

  refusal(): null {
    return null;
  }

  get bufferedBytes(): number {
    return this.#waiting.reduce((sum, { record }) => sum + (record.value?.length ?? 0), 0);
  }

  send(record: OutgoingRecord): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#closed) reject(new UnavailableError('PH_KAFKA_UNREACHABLE', 'the producer is closed'));
    else if (!this.#killed) {
      this.#waiting.push({ record, resolve, reject });
      if (!this.#inFlight) void this.#request();
    }
    return promise;
  }

  async sendAll(records: readonly OutgoingRecord[]): Promise<void> {
    await Promise.all(records.map((record) => this.send(record)));
  }

  async #request(): Promise<void> {
    this.#inFlight = true;
    while (this.#waiting.length > 0) {
      const request = this.#waiting;
      this.#waiting = [];
      await this.#network.pass('send');
      while (this.#network.log.isDown) await this.#network.time.sleep(RECONNECT);
      // Killed on the way: the request may have left or not.
      if (this.#killed && this.#network.random.chance(0.5)) return;
      if (this.#lateBy > 0) await this.#network.arriveLate(this.#lateBy);
      const refused = new Set<Waiting>();
      for (const one of request) {
        if ((one.record.value?.length ?? 0) >= TOO_LARGE) refused.add(one);
        else this.#network.log.append(one.record);
      }
      await this.#network.pass('answer');
      if (this.#killed) return;
      for (const one of request) {
        if (refused.has(one)) one.reject(new PermanentError('PH_MESSAGE_TOO_LARGE', 'larger than the topic allows'));
        else one.resolve();
      }
    }
    this.#inFlight = false;
  }

  /** @param lateBy so much later what it has sent arrives, if at all */
  kill(lateBy = 0): void {
    this.#killed = true;
    this.#lateBy = lateBy;
    this.#waiting = [];
  }

  async flush(): Promise<void> {
    while (this.#inFlight && !this.#killed) await this.#network.pass('answer');
  }
  async close(): Promise<void> {
    this.#closed = true;
  }
}
