import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, isRetryable, type Log, PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type { KafkaProducer, LocatedRecord, OutgoingRecord } from '../kafka/driver.ts';
import { HEADER, headerNumber, headerText } from '../retry/headers.ts';
import { layoutFor, retryPartition } from '../retry/layout.ts';
import { describeDeadLetter, formatId } from './dead-letter.ts';
import { type Claim, type Disposition, isFree, type LetterPlace } from './disposition.ts';
import type { DispositionJournal } from './disposition-journal.ts';
import type { ClusterAccess, DeadLetterQueue } from './queues.ts';

/** A claim that is unfinished for so long belongs to a process that is gone. */
const PATIENCE = 15_000;
/** What was acknowledged is found in its lane within this. */
const FIND_DEADLINE = 10_000;

/** What a replay says anew, or does not say any more. */
const OF_THE_FAILURE: ReadonlySet<string> = new Set([
  HEADER.attempts,
  HEADER.stage,
  HEADER.failedAt,
  HEADER.errorCode,
  HEADER.errorMessage,
  HEADER.errorName,
  HEADER.onDeadError,
  HEADER.dueAt,
  HEADER.replay,
  HEADER.replayCount,
  HEADER.replayFrom,
]);

/** Who asks for a change, and why. */
export interface ChangeRequest {
  readonly actor: string;
  readonly reason: string | null;
}

export interface ReplaysOptions {
  readonly queue: DeadLetterQueue;
  readonly clusters: ClusterAccess;
  readonly journal: DispositionJournal;
  readonly producer: () => Promise<KafkaProducer>;
  readonly log: Log;
  /** Milliseconds that the claim of another process may stay unfinished. */
  readonly patience?: number;
}

/**
 * Puts dead letters back into lane 0 of the worker that failed them: claim, send, note that it is sent. A claim is in the
 * journal before anything is sent, and says where the lane ended, so that whoever finds it unfinished looks from there
 * on and knows whether it was sent. A copy that comes after all, from a process that was taken for dead, is skipped by
 * the reader of the lane.
 */
export class Replays {
  readonly #options: ReplaysOptions;
  /** Claims that this process works on. */
  readonly #own = new Set<string>();
  readonly #watched = new Map<string, NodeJS.Timeout>();
  #closed = false;

  constructor(options: ReplaysOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the record stands in its lane and that is noted.
   *
   * @throws PipelineError `PH_DLQ_ALREADY_DISPOSED`, `PH_DLQ_IN_PROGRESS`, `PH_DLQ_NOT_REPLAYABLE`; after one of kind
   * `unavailable` it is found out and noted later whether it was sent
   */
  async replay(record: LocatedRecord, { actor, reason, again }: ChangeRequest & { readonly again: boolean }): Promise<Disposition> {
    const { journal } = this.#options;
    await this.follow();
    const before = journal.of(record);
    if (!isFree(before, again)) throw this.refusal(before, record);
    const lane = await this.#laneOf(record);
    const token = randomUUID();
    this.#own.add(token);
    try {
      const { claim, ...claimed } = await journal.append(record, { kind: 'claimed', token, actor, reason, again, target: lane });
      if (claim === null || claimed.token !== token) throw this.refusal({ claim, ...claimed }, record);
      return await this.#sendOrGiveUp(record, claim);
    } finally {
      this.#own.delete(token);
      this.#watch();
    }
  }

  /** What cannot have been sent is open again at once; anything else is looked for when it has had its time. */
  async #sendOrGiveUp(record: LocatedRecord, claim: Claim): Promise<Disposition> {
    try {
      return await this.#send(record, claim);
    } catch (error) {
      if (!isRetryable(error)) await this.#settle(record, claim.token);
      throw error;
    }
  }

  async #send(record: LocatedRecord, claim: Claim): Promise<Disposition> {
    const { producer, journal } = this.#options;
    let sentTo = await this.#find(record, claim);
    if (sentTo === null) {
      await (await producer()).send(this.#replayOf(record, claim));
      for (const deadline = Date.now() + FIND_DEADLINE; sentTo === null && Date.now() < deadline; await sleep(20))
        sentTo = await this.#find(record, claim);
    }
    if (sentTo === null)
      throw new UnavailableError('PH_KAFKA_UNAVAILABLE', `${claim.target.topic} does not give back what was written to it`);
    return journal.append(record, { kind: 'sent', token: claim.token, sentTo });
  }

  /** Notes what became of a claim that nobody works on any more. */
  async #settle({ partition, offset, timestamp }: LetterPlace, token: string): Promise<void> {
    const { journal, queue, log } = this.#options;
    await journal.follow();
    const { state, claim } = journal.of({ partition, offset, timestamp });
    if (state !== 'replaying' || claim?.token !== token) return;
    const sentTo = await this.#find({ partition, offset }, claim);
    log.info({ queue: queue.name, partition, offset, sentTo }, 'a replay that was left unfinished is settled');
    await journal.append(
      { partition, offset, timestamp },
      sentTo === null
        ? { kind: 'abandoned', token: claim.token, reason: 'it was not sent: the process that claimed it ended or gave up' }
        : { kind: 'sent', token: claim.token, sentTo },
    );
  }

  /** Reads the journal, and keeps an eye on what others left unfinished in it. */
  async follow(): Promise<void> {
    await this.#options.journal.follow();
    this.#watch();
  }

  #watch(): void {
    const { journal, patience = PATIENCE, log } = this.#options;
    for (const place of journal.pending) {
      const token = journal.of(place).claim?.token ?? '';
      if (this.#closed || this.#own.has(token) || this.#watched.has(token)) continue;
      const timer = setTimeout(() => {
        this.#watched.delete(token);
        this.#settle(place, token).catch((error: unknown) => {
          if (this.#closed) return;
          log.warn({ error, ...place }, `an unfinished replay could not be settled, it is tried again: ${errorMessage(error)}`);
          this.#watch();
        });
      }, patience);
      this.#watched.set(token, timer.unref());
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#watched.values()) clearTimeout(timer);
  }

  /** Why a dead letter in this state cannot be replayed or discarded. */
  refusal({ state, history }: Disposition, { partition, offset }: { readonly partition: number; readonly offset: number }): PipelineError {
    const place = `dead letter ${this.#idOf({ partition, offset })}`;
    if (state === 'replaying') return new PipelineError('PH_DLQ_IN_PROGRESS', 'it is being replayed', { place });
    const last = history.at(-1);
    const by = last?.actor === null ? '' : ` by ${last?.actor}`;
    return new PipelineError('PH_DLQ_ALREADY_DISPOSED', `it was ${state} at ${last?.at}${by}`, { place });
  }

  /** The end of lane 0 of the one worker that failed the record. @throws PipelineError `PH_DLQ_NOT_REPLAYABLE` */
  async #laneOf(record: LocatedRecord): Promise<Claim['target']> {
    const { queue, clusters } = this.#options;
    const { id, plugin, worker: name, origin } = describeDeadLetter(queue.name, record);
    const refuse = (reason: string): PipelineError => new PipelineError('PH_DLQ_NOT_REPLAYABLE', reason, { place: `dead letter ${id}` });
    const worker = queue.workers.find((one) => one.plugin === plugin && one.name === name);
    if (worker === undefined) throw refuse(`this host knows no worker ${plugin ?? '(no plugin)'}.${name ?? '(no worker)'}`);
    if (headerText(record.headers, HEADER.batch) !== undefined) throw refuse('it is a batch of records that nobody could read');
    if (headerText(record.headers, HEADER.originTopic) === undefined) throw refuse('it does not say where it came from');
    const [sources, lanes] = await Promise.all([
      this.#partitionsOf(worker.source.cluster, worker.source.topic),
      this.#partitionsOf(worker.cluster, worker.retryTopic),
    ]);
    const layout = layoutFor(worker.retry, lanes, sources);
    if (layout === null || origin.partition < 0)
      throw refuse(`${worker.retryTopic} with ${lanes} partitions has no lane for partition ${origin.partition} of ${sources}`);
    const partition = retryPartition(layout, origin.partition, 0);
    const bounds = await (await (await clusters.get(queue.cluster)).admin()).offsets(worker.retryTopic);
    return { topic: worker.retryTopic, partition, from: bounds.find((one) => one.partition === partition)?.high ?? 0 };
  }

  #idOf({ partition, offset }: { readonly partition: number; readonly offset: number }): string {
    return formatId({ queue: this.#options.queue.name, partition, offset });
  }

  async #partitionsOf(cluster: string, topic: string): Promise<number> {
    return (await (await (await this.#options.clusters.get(cluster)).admin()).offsets(topic)).length;
  }

  /** Offset of the replay in its lane, or null where it is not there. */
  async #find(
    letter: { readonly partition: number; readonly offset: number },
    { count, target: { topic, partition, from } }: Claim,
  ): Promise<number | null> {
    const { queue, clusters } = this.#options;
    const id = this.#idOf(letter);
    let found: number | null = null;
    await (await clusters.get(queue.cluster)).scan({ topic, partitions: [partition], from: new Map([[partition, from]]) }, (record) => {
      const isIt = headerText(record.headers, HEADER.replay) === id && headerNumber(record.headers, HEADER.replayCount, 0) === count;
      if (isIt) found ??= record.offset;
    });
    return found;
  }

  /** Key, value and headers byte for byte; its attempts count anew, its origin and with it the identity of its outputs stay. */
  #replayOf(record: LocatedRecord, { count, target }: Claim): OutgoingRecord {
    const { key, value, headers } = record;
    return {
      topic: target.topic,
      partition: target.partition,
      key,
      value,
      headers: {
        // Not by assignment: a header may be called `__proto__`.
        ...Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_FAILURE.has(name))),
        [HEADER.attempts]: '0',
        [HEADER.replay]: this.#idOf(record),
        [HEADER.replayCount]: String(count),
        [HEADER.replayFrom]: String(target.from),
      },
    };
  }
}
