import { setTimeout as sleep } from 'node:timers/promises';
import { type Log, PipelineError, UnavailableError } from '@pipeline-host/sdk';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { KafkaProducer, LocatedRecord } from '../kafka/driver.ts';
import { applyEntry, type Disposition, Entry, type LetterPlace, UNTOUCHED } from './disposition.ts';
import type { ClusterAccess, DeadLetterQueue } from './queues.ts';

/** What was written is read back within this. */
const READ_BACK = 10_000;

const check = TypeCompiler.Compile(Entry);

export interface JournalOptions {
  readonly queue: DeadLetterQueue;
  readonly clusters: ClusterAccess;
  readonly producer: () => Promise<KafkaProducer>;
  /** Whether a missing topic may be created. */
  readonly create: boolean;
  readonly log: Log;
}

/** An entry without what the journal adds. */
export type NewEntry = Entry extends infer Each ? (Each extends Entry ? Omit<Each, 'v' | 'at' | keyof LetterPlace> : never) : never;

/**
 * The dispositions of one queue in a topic beside it, which is read from its start once and then followed. Every entry
 * has a key of its own and is kept without limit: the journal is the same whether or not the topic is compacted, and is
 * the durable audit of what was done.
 */
export class DispositionJournal {
  readonly #options: JournalOptions;
  readonly #dispositions = new Map<string, Disposition>();
  readonly #pending = new Map<string, LetterPlace>();
  /** Next offset to read, by partition. */
  readonly #next = new Map<number, number>();
  /** Entries of this process that are not read back yet, with the disposition after each. */
  readonly #awaited = new Map<string, Disposition | null>();
  #partitions: number | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** The disposition of a dead letter as of the last {@link follow}. */
  of(letter: LetterPlace): Disposition {
    return this.#dispositions.get(placeOf(letter)) ?? UNTOUCHED;
  }

  /** Dead letters whose replay was claimed and is not known to have been sent. */
  get pending(): readonly LetterPlace[] {
    return [...this.#pending.values()];
  }

  /** Reads what was written since. One at a time. */
  follow(): Promise<void> {
    this.#reading = this.#reading.catch(() => {}).then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { queue, clusters, log } = this.#options;
    const cluster = await clusters.get(queue.cluster);
    const admin = await cluster.admin();
    if (this.#partitions === null) {
      this.#partitions = (await admin.describeTopics([queue.dispositionTopic])).get(queue.dispositionTopic)?.partitions ?? null;
      if (this.#partitions === null) return;
    }
    const ends = await admin.offsets(queue.dispositionTopic);
    if (ends.some(({ partition, high }) => high < (this.#next.get(partition) ?? 0))) {
      log.error({ topic: queue.dispositionTopic }, 'the topic of dispositions was made anew: it is read from its start');
      for (const state of [this.#dispositions, this.#pending, this.#next]) state.clear();
    }
    await cluster.scan({ topic: queue.dispositionTopic, from: this.#next }, (record) => this.#apply(record));
  }

  #apply(record: LocatedRecord): void {
    this.#next.set(record.partition, record.offset + 1);
    const entry = decode(record.value);
    if (entry === null) {
      const { topic, partition, offset } = record;
      this.#options.log.warn({ topic, partition, offset }, 'an entry that this version does not know is left out of the dispositions');
      return;
    }
    const { partition, offset, timestamp } = entry;
    const place = placeOf(entry);
    const after = applyEntry(this.#dispositions.get(place) ?? UNTOUCHED, entry);
    this.#dispositions.set(place, after);
    if (after.state === 'replaying') this.#pending.set(place, { partition, offset, timestamp });
    else this.#pending.delete(place);
    if (this.#awaited.has(keyOf(entry))) this.#awaited.set(keyOf(entry), after);
  }

  /**
   * Writes an entry and reads back until it is seen. The disposition that is returned is the one right after it, and tells
   * by its token whether the entry took effect.
   */
  async append({ partition, offset, timestamp }: LetterPlace, entry: NewEntry): Promise<Disposition> {
    const { queue, producer } = this.#options;
    const whole: Entry = { v: 1, at: new Date().toISOString(), partition, offset, timestamp, ...entry };
    const key = keyOf(whole);
    const record = { topic: queue.dispositionTopic, key, value: JSON.stringify(whole) };
    const partitions = await this.#ensureTopic();
    this.#awaited.set(key, null);
    try {
      await (await producer()).send({ ...record, partition: partition % partitions });
      const deadline = Date.now() + READ_BACK;
      while (Date.now() < deadline) {
        await this.follow();
        const after = this.#awaited.get(key);
        if (after) return after;
        await sleep(20);
      }
    } finally {
      this.#awaited.delete(key);
    }
    throw new UnavailableError('PH_KAFKA_UNAVAILABLE', `${queue.dispositionTopic} does not give back what was written to it`);
  }

  /** The number of its partitions: as many as the dead letters have, unless it was there already. */
  async #ensureTopic(): Promise<number> {
    if (this.#partitions !== null) return this.#partitions;
    const { queue, clusters, create } = this.#options;
    const { topic, dispositionTopic: name } = queue;
    const admin = await (await clusters.get(queue.cluster)).admin();
    const found = await admin.describeTopics([topic, name]);
    const partitions = found.get(topic)?.partitions ?? 1;
    if ((found.get(name) ?? null) === null) {
      if (!create) {
        throw new PipelineError('PH_TOPIC_MISSING', `topic ${name} does not exist on cluster ${queue.cluster}`, {
          place: `topic ${name}`,
          hint: `create it with ${partitions} partitions and retention.ms=-1, or set kafka.createTopics`,
        });
      }
      await admin.createTopics([{ name, partitions, config: { 'retention.ms': '-1' } }]);
    }
    // Another host may have been faster, with another number.
    this.#partitions = (await admin.describeTopics([name])).get(name)?.partitions ?? partitions;
    return this.#partitions;
  }
}

const placeOf = ({ partition, offset, timestamp }: LetterPlace): string => `${partition}:${offset}:${timestamp}`;

function keyOf({ partition, offset, token, kind }: Entry): string {
  return `${partition}:${offset}:${token}:${kind}`;
}

function decode(value: Buffer | null): Entry | null {
  try {
    const entry: unknown = JSON.parse(value?.toString('utf8') ?? '');
    return check.Check(entry) ? entry : null;
  } catch {
    return null;
  }
}
