import type { Log } from '@pipeline-host/sdk';
import type { KafkaAdmin } from '../../kafka/driver.ts';
import type { UnitAlert } from '../status.ts';
import type { PartitionState } from './partition-state.ts';

/** The ends of the partitions are asked for so often, whether records come or not. */
const INTERVAL = 2_000;
/** How old the open records are, so often in the time that they may take, and at least once in this time. */
const AGE_LOOKS = 20;
const LONGEST_AGE_INTERVAL = 60_000;
/** Somebody may change the retention of a topic. */
const RETENTION_INTERVAL = 600_000;

export interface PartitionWatchOptions {
  readonly admin: KafkaAdmin;
  readonly partitions: () => readonly PartitionState[];
  readonly log: Log;
}

/** How long a topic keeps its records, and when its open ones were last looked at. Epoch milliseconds. */
interface TopicAge {
  /** Milliseconds; null where it keeps them for ever, or the broker does not tell. */
  readonly retention: number | null;
  readonly knownAt: number;
  lookedAt: number;
}

/**
 * Asks the cluster, on a timer and not by traffic, where the unit's partitions end, and whether a record is still open that
 * is older than half of what its topic keeps: deleted unread, it would be lost.
 */
export class PartitionWatch {
  readonly #options: PartitionWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #ages = new Map<string, TopicAge>();
  #expiring: ReadonlyMap<string, UnitAlert> = new Map();
  #looking = false;

  constructor(options: PartitionWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), INTERVAL);
    this.#timer.unref();
  }

  get alerts(): readonly UnitAlert[] {
    return [...this.#expiring.values()];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** One look at a time: an answer may take longer than the interval. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const partitions = this.#options.partitions();
    try {
      const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
      for (const [topic, states] of byTopic) {
        const offsets = new Map((await this.#options.admin.offsets(topic)).map((one) => [one.partition, one]));
        for (const state of states) state.spans(offsets.get(state.partition) ?? null);
        await this.#lookAtAge(topic, states);
      }
      for (const topic of this.#expiring.keys()) if (!byTopic.has(topic)) this.#setExpiring(topic, []);
    } catch (error) {
      // What is not known is not shown; the consumer says loudly that its cluster is away.
      for (const state of partitions) state.spans(null);
      this.#options.log.debug({ error }, 'the ends of the partitions could not be asked for');
    } finally {
      this.#looking = false;
    }
  }

  async #lookAtAge(topic: string, states: readonly PartitionState[]): Promise<void> {
    const now = Date.now();
    const age = await this.#ageOf(topic, now);
    if (age.retention === null || now - age.lookedAt < Math.min(age.retention / 2 / AGE_LOOKS, LONGEST_AGE_INTERVAL)) return;
    age.lookedAt = now;
    const young = new Map(
      (await this.#options.admin.offsetsAt(topic, now - age.retention / 2)).map(({ partition, offset }) => [partition, offset]),
    );
    this.#setExpiring(
      topic,
      states.filter(({ partition, ledger }) => ledger.watermark < (young.get(partition) ?? 0)),
    );
  }

  async #ageOf(topic: string, now: number): Promise<TopicAge> {
    const known = this.#ages.get(topic);
    if (known !== undefined && now - known.knownAt < RETENTION_INTERVAL) return known;
    const config = (await this.#options.admin.describeTopics([topic])).get(topic)?.config;
    // A topic that is only compacted keeps the last record of each key for ever.
    const deletes = config?.['cleanup.policy']?.includes('delete') ?? true;
    const retention = deletes ? Number(config?.['retention.ms'] ?? -1) : -1;
    const age = { retention: retention > 0 ? retention : null, knownAt: now, lookedAt: known?.lookedAt ?? 0 };
    this.#ages.set(topic, age);
    return age;
  }

  #setExpiring(topic: string, states: readonly PartitionState[]): void {
    const before = this.#expiring.get(topic);
    const expiring = new Map(this.#expiring);
    if (states.length === 0) expiring.delete(topic);
    else {
      const places = states.map(({ partition, ledger }) => `${partition} at offset ${ledger.watermark}`).join(', ');
      const reason = `open records are older than half of the retention of ${topic}: partition ${places}`;
      expiring.set(topic, { code: 'PH_RECORD_EXPIRING', reason });
      if (before === undefined) this.#options.log.error({ code: 'PH_RECORD_EXPIRING', topic }, reason);
    }
    this.#expiring = expiring;
    if (states.length === 0 && before !== undefined) this.#options.log.info({ topic }, 'no open record is near its retention any more');
  }
}
