import { randomUUID } from 'node:crypto';
import { errorMessage, type Log, PipelineError } from '@pipeline-host/sdk';
import type { KafkaProducer, LocatedRecord } from '../kafka/driver.ts';
import type { ObjectStore } from '../storage/index.ts';
import { type DeadLetter, describeDeadLetter, parseId, restored } from './dead-letter.ts';
import type { Disposition } from './disposition.ts';
import { DispositionJournal } from './disposition-journal.ts';
import { type ListedLetter, readPage } from './page.ts';
import { readPayload } from './payloads.ts';
import { type ClusterAccess, type DeadLetterQueue, isThere, type QueueWorker, queuesOf } from './queues.ts';
import { type ChangeRequest, Replays } from './replays.ts';

/** A change is refused rather than waited for while the broker is away. */
const DELIVERY_TIMEOUT = 10_000;

export interface DeadLettersOptions {
  readonly workers: readonly QueueWorker[];
  readonly clusters: ClusterAccess;
  /** The cluster that ids do not name. */
  readonly defaultCluster: string;
  /** Whether the topics of dispositions may be created. */
  readonly create: boolean;
  readonly log: Log;
  /** Holds the records that their topic did not take. */
  readonly files: ObjectStore;
  /** Milliseconds that a replay of another process may stay unfinished before it is settled. 15,000 by default. */
  readonly patience?: number;
}

/** What a list is narrowed to; absent means any. */
export interface DeadLetterFilter {
  readonly plugin?: string | undefined;
  readonly worker?: string | undefined;
  readonly code?: string | undefined;
  readonly stage?: string | undefined;
  readonly key?: string | undefined;
  readonly trace?: string | undefined;
  readonly disposition?: Disposition['state'] | undefined;
  /** Epoch milliseconds when it was written, inclusive. */
  readonly from?: number | undefined;
  /** Exclusive. */
  readonly to?: number | undefined;
}

export type DisposedLetter<Extra = unknown> = Extra & { readonly letter: DeadLetter; readonly disposition: Disposition };

/** One queue and what was done with its dead letters. */
interface OpenQueue {
  readonly queue: DeadLetterQueue;
  readonly journal: DispositionJournal;
  readonly replays: Replays;
}

/** The dead letters of the host's plugins: looked at, replayed and discarded from any process, any number of them at once. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #queues = new Map<string, OpenQueue>();
  readonly #producers = new Map<string, Promise<KafkaProducer>>();
  #closed = false;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
    const { clusters, create, log, patience } = options;
    for (const queue of queuesOf(options.workers, options.defaultCluster).values()) {
      const producer = (): Promise<KafkaProducer> => this.#producer(queue.cluster);
      const journal = new DispositionJournal({ queue, clusters, producer, create, log });
      const replays = new Replays({ queue, clusters, journal, producer, log, ...(patience !== undefined && { patience }) });
      this.#queues.set(queue.name, { queue, journal, replays });
    }
  }

  /** Finds replays that a process left unfinished, so that they are settled without anyone asking. */
  async watch(): Promise<void> {
    for (const { queue, replays } of this.#queues.values()) {
      try {
        await replays.follow();
      } catch (error) {
        if (!this.#closed) this.#options.log.warn({ error }, `dispositions of ${queue.name} could not be read: ${errorMessage(error)}`);
      }
    }
  }

  /** Newest first. @throws PipelineError `PH_ADMIN_CURSOR_INVALID` */
  async list(
    filter: DeadLetterFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<{ readonly letters: readonly DisposedLetter<ListedLetter>[]; readonly cursor: string | null }> {
    const open = [...this.#queues.values()].filter(
      ({ queue }) => filter.plugin === undefined || queue.workers.some(({ plugin }) => plugin === filter.plugin),
    );
    await Promise.all(open.map(({ replays }) => replays.follow()));
    const queues = open.map(({ queue }) => queue);
    const request = { limit, cursor, from: filter.from, fits: (letter: DeadLetter) => this.#fits(letter, filter) };
    const page = await readPage(queues, this.#options.clusters, request);
    return { cursor: page.cursor, letters: page.letters.map((one) => ({ ...one, disposition: this.#dispositionOf(one.letter) })) };
  }

  #fits(letter: DeadLetter, { disposition, from, to, code, ...same }: DeadLetterFilter): boolean {
    const { plugin, worker, stage, key, trace } = same;
    const equals = { plugin, worker, stage, key, trace } as const;
    return (
      (Object.keys(equals) as (keyof typeof equals)[]).every((name) => equals[name] === undefined || letter[name] === equals[name]) &&
      (code === undefined || letter.error.code === code) &&
      (from === undefined || letter.storedAt >= from) &&
      (to === undefined || letter.storedAt < to) &&
      (disposition === undefined || this.#dispositionOf(letter).state === disposition)
    );
  }

  #dispositionOf({ queue, partition, offset, storedAt }: DeadLetter): Disposition {
    const open = this.#queues.get(queue);
    if (open === undefined) throw new TypeError(`no queue ${queue}`);
    return open.journal.of({ partition, offset, timestamp: storedAt });
  }

  /** One dead letter, whole. @throws PipelineError `PH_DLQ_NOT_FOUND`, `PH_DLQ_PAYLOAD_MISSING`, `PH_DLQ_PAYLOAD_DAMAGED` */
  async get(id: string): Promise<DisposedLetter<{ readonly record: LocatedRecord }>> {
    const { queue, journal, replays, record } = await this.#find(id);
    await replays.follow();
    const letter = describeDeadLetter(queue.name, record);
    return { record: await this.#whole(queue, record), letter, disposition: journal.of(record) };
  }

  /**
   * Puts it into lane 0 of the one worker that failed it. Resolves when it stands there.
   *
   * @param request `again`: also where it was replayed or discarded before
   * @throws PipelineError `PH_DLQ_NOT_FOUND`, `PH_DLQ_ALREADY_DISPOSED`, `PH_DLQ_IN_PROGRESS`, `PH_DLQ_NOT_REPLAYABLE`,
   * `PH_DLQ_PAYLOAD_MISSING`, `PH_DLQ_PAYLOAD_DAMAGED`
   */
  async replay(id: string, request: ChangeRequest & { readonly again: boolean }): Promise<Disposition> {
    const { queue, replays, record } = await this.#find(id);
    return replays.replay(await this.#whole(queue, record), request);
  }

  /**
   * Notes that nothing more is to be done with it; its record stays where it is.
   *
   * @throws PipelineError `PH_DLQ_NOT_FOUND`, `PH_DLQ_ALREADY_DISPOSED`, `PH_DLQ_IN_PROGRESS`
   */
  async discard(id: string, { actor, reason }: { readonly actor: string; readonly reason: string }): Promise<Disposition> {
    const { journal, replays, record } = await this.#find(id);
    await replays.follow();
    const before = journal.of(record);
    if (before.state !== 'open') throw replays.refusal(before, record);
    const token = randomUUID();
    const after = await journal.append(record, { kind: 'discarded', token, actor, reason });
    if (after.token !== token) throw replays.refusal(after, record);
    return after;
  }

  async #find(id: string): Promise<OpenQueue & { readonly record: LocatedRecord }> {
    const place = parseId(id);
    const open = place === null ? undefined : this.#queues.get(place.queue);
    if (place === null || open === undefined) throw notFound(id);
    const { partition, offset } = place;
    const { cluster: name, topic } = open.queue;
    const records: LocatedRecord[] = [];
    const cluster = await this.#options.clusters.get(name);
    if (!(await isThere(await cluster.admin(), topic))) throw notFound(id);
    const range = { topic, partitions: [partition], from: new Map([[partition, offset]]), to: new Map([[partition, offset + 1]]) };
    await cluster.scan(range, (one) => records.push(one));
    const record = records.find((one) => one.offset === offset);
    if (record === undefined) throw notFound(id);
    return { ...open, record };
  }

  async #whole({ name, topic }: DeadLetterQueue, record: LocatedRecord): Promise<LocatedRecord> {
    const { payload } = describeDeadLetter(name, record);
    return payload === null ? record : restored(record, await readPayload(this.#options.files, topic, payload));
  }

  #producer(cluster: string): Promise<KafkaProducer> {
    let producer = this.#producers.get(cluster);
    if (producer === undefined) {
      producer = this.#options.clusters.get(cluster).then((found) => found.producer({ deliveryTimeout: DELIVERY_TIMEOUT }));
      this.#producers.set(cluster, producer);
      producer.catch(() => this.#producers.delete(cluster));
    }
    return producer;
  }

  /** Settles nothing more. What it opened is closed with its clusters. */
  close(): void {
    this.#closed = true;
    for (const { replays } of this.#queues.values()) replays.close();
  }
}

function notFound(id: string): PipelineError {
  return new PipelineError('PH_DLQ_NOT_FOUND', `no dead letter ${id.slice(0, 300)}`);
}
