import { setTimeout as sleep } from 'node:timers/promises';
import { isHandover, isTopicRefused } from '../classify.ts';
import type { KafkaLog } from '../driver.ts';
import type { ClusterInternals } from '../kafkajs-internals.ts';

/** After so long it is asked again who leads what. */
const WAIT_MILLISECONDS = 250;
/** Failures in a row that are more than a leader's ordinary move. */
const WORTH_A_WARNING = 4;

/** Brokers that a member cannot fetch from for now: the partitions that they lead wait for the next leader, the others go on. */
export class LeaderOutages {
  readonly #log: KafkaLog;
  readonly #group: string;
  /** Failures in a row by node. */
  readonly #failures = new Map<string, number>();

  constructor(log: KafkaLog, group: string) {
    this.#log = log;
    this.#group = group;
  }

  /** Waits a little and learns anew who leads what. Throws what is more than a hand-over. */
  async wait(node: string, error: unknown, cluster: ClusterInternals): Promise<void> {
    const failures = (this.#failures.get(node) ?? 0) + 1;
    this.#failures.set(node, failures);
    if (failures === WORTH_A_WARNING)
      this.#log.warn(`broker ${node} gives no records; its partitions wait`, { group: this.#group, error: String(error) });
    await sleep(WAIT_MILLISECONDS);
    try {
      await cluster.refreshMetadata();
    } catch (refusal) {
      if (!isHandover(refusal) && !isTopicRefused(refusal)) throw refusal;
    }
  }

  end(node: string): void {
    const failures = this.#failures.get(node);
    if (failures === undefined) return;
    this.#failures.delete(node);
    if (failures >= WORTH_A_WARNING) this.#log.info(`broker ${node} gives records again`, { group: this.#group });
  }
}
