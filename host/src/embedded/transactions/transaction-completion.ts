import type { OffsetStore } from '../groups/offset-store.ts';
import type { BrokerLog } from '../options.ts';
import type { Flushable } from '../storage/flushable.ts';
import type { TopicStore } from '../topics/topic-store.ts';
import { hasPartition, isDecided, type Transaction } from './transaction.ts';
import type { TransactionStore } from './transaction-store.ts';

/** What transactions are written to. */
export interface TransactionParts {
  readonly store: TransactionStore;
  readonly topics: TopicStore;
  readonly offsets: OffsetStore;
  readonly settle: (written: Iterable<Flushable>) => Promise<void>;
  /** Asked before the clock of a transaction writes anything. */
  readonly isOwner: () => boolean;
  readonly log: BrokerLog;
}

const RETRY_MS = 1_000;

/**
 * Brings transactions to their end: on request, when a new producer takes the id, when the time is over, after a crash. A decision
 * is written first; then all partitions get their marker and the groups their offsets, as often as it takes.
 */
export class TransactionCompletion {
  readonly #parts: TransactionParts;
  /** One for each transaction that is going on, or that could not be completed yet. */
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  async recover(): Promise<void> {
    const { store, topics, log } = this.#parts;
    for (const transaction of store.all()) {
      if (isDecided(transaction)) await this.#complete(transaction);
      else if (transaction.state === 'Ongoing') this.watch(transaction);
    }
    for (const { name, partitions } of topics.all()) {
      for (const [partition, records] of partitions.entries()) {
        for (const producerId of records.openTransactions) {
          const owner = store.byProducer(producerId);
          if (owner && hasPartition(owner, name, partition)) continue;
          const place = { topic: name, partition, producerId };
          try {
            records.abortOrphan(producerId, Date.now());
            log('warn', 'aborted a transaction that a crash of the machine left behind', place);
          } catch (error) {
            log('error', 'cannot abort a transaction that nobody knows: readers of committed records wait at it', { ...place, error });
          }
        }
      }
    }
  }

  /** Aborts the transaction when it has gone on for too long. */
  watch({ id, producerId, startedAt, timeoutMs }: Transaction): void {
    if (this.#timers.has(id)) return;
    this.#later(id, Math.max(startedAt + timeoutMs - Date.now(), 0), () => {
      const { store, log } = this.#parts;
      const present = store.get(id);
      if (present?.state !== 'Ongoing' || present.producerId !== producerId || present.startedAt !== startedAt) return Promise.resolve();
      log('warn', 'aborted a transaction that took too long', { transactionalId: id, timeoutMs });
      return this.fence(present);
    });
  }

  /** Aborts under the next epoch, so that what its producer still sends is refused. */
  fence(transaction: Transaction): Promise<void> {
    return this.end({ ...transaction, epoch: transaction.epoch + 1 }, false);
  }

  async end(transaction: Transaction, committed: boolean): Promise<void> {
    const { store, settle } = this.#parts;
    const decided: Transaction = { ...transaction, state: committed ? 'PrepareCommit' : 'PrepareAbort', updatedAt: Date.now() };
    store.put([decided]);
    clearTimeout(this.#timers.get(transaction.id));
    this.#timers.delete(transaction.id);
    try {
      await settle([store]);
    } finally {
      await this.#complete(decided);
    }
  }

  /** Stops the clocks and waits for what is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.allSettled(this.#running);
  }

  /** Nothing takes a decision back: where the disk refuses, it is tried again. */
  async #complete(decided: Transaction): Promise<void> {
    const { store, settle, log } = this.#parts;
    try {
      await settle(this.#writeEverywhere(decided));
      store.put([
        {
          ...decided,
          state: decided.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
          ...{ updatedAt: Date.now(), startedAt: 0, partitions: [], groups: [], offsets: [] },
        },
      ]);
      await settle([store]);
    } catch (error) {
      log('error', 'cannot complete a transaction yet', { transactionalId: decided.id, state: decided.state, error });
      this.#later(decided.id, RETRY_MS, () => {
        const present = store.get(decided.id);
        return present && isDecided(present) ? this.#complete(present) : Promise.resolve();
      });
    }
  }

  #writeEverywhere({ partitions, offsets, producerId, epoch, state }: Transaction): readonly Flushable[] {
    const { topics, offsets: store } = this.#parts;
    const committed = state === 'PrepareCommit';
    const logs = partitions.flatMap(({ topic, partition }) => topics.partition(topic, partition) ?? []);
    for (const log of logs) log.endTransaction({ producerId, producerEpoch: epoch, committed }, Date.now());
    if (!committed || offsets.length === 0) return logs;
    for (const [group, commits] of Map.groupBy(offsets, (pending) => pending.group)) store.commit(group, commits);
    return [...logs, store];
  }

  #later(id: string, delayMs: number, run: () => Promise<void>): void {
    if (this.#closed) return;
    clearTimeout(this.#timers.get(id));
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      if (!this.#parts.isOwner()) return;
      const running = run().catch((error: unknown) => {
        this.#parts.log('error', 'cannot end a transaction yet', { transactionalId: id, error });
        this.#later(id, RETRY_MS, run);
      });
      this.#running.add(running);
      void running.finally(() => this.#running.delete(running));
    }, delayMs);
    this.#timers.set(id, timer);
  }
}
