import type { TopicPartition } from '../api/api.ts';
import type { TransactionalProducer } from '../api/transactions.ts';
import { ErrorCode } from '../error-code.ts';
import type { OffsetCommit } from '../groups/offset-store.ts';
import type { BatchHeader } from '../log/record-batch.ts';
import { hasPartition, isDecided, type Transaction } from './transaction.ts';
import { TransactionCompletion, type TransactionParts } from './transaction-completion.ts';

/** Kafka's default of transaction.max.timeout.ms. */
const LONGEST_TIMEOUT_MS = 900_000;
/** Of a producer id; the last is kept for fencing. Then a new id is given out. */
const LAST_EPOCH = 0x7ffe;
/** Kafka's default of transactional.id.expiration.ms. */
const FORGET_AFTER_MS = 604_800_000;

export interface CoordinatorParts extends TransactionParts {
  readonly nextProducerId: () => number;
}

export interface ProducerIdentity {
  readonly error: ErrorCode;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/**
 * Transactions: records in several partitions, and offsets of groups, that count together or not at all. Every change is in the
 * store before it is answered; a decision is in the store before any partition learns of it. All calls throw StorageFailure, with
 * nothing changed, where the disk refuses.
 */
export class TransactionCoordinator {
  readonly #parts: CoordinatorParts;
  readonly #completion: TransactionCompletion;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.#completion = new TransactionCompletion(parts);
  }

  /** Ends what a crash left half done: decided transactions are completed, those without an owner aborted. Others may go on. */
  recover(): Promise<void> {
    return this.#completion.recover();
  }

  /** The producer id and a new epoch for a transactional id; whoever had it before is shut out and its open transaction aborted. */
  async initProducer(id: string, timeoutMs: number): Promise<ProducerIdentity> {
    const refused = (error: ErrorCode): ProducerIdentity => ({ error, producerId: -1, producerEpoch: -1 });
    if (id === '') return refused(ErrorCode.INVALID_REQUEST);
    if (timeoutMs <= 0 || timeoutMs > LONGEST_TIMEOUT_MS) return refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    const present = this.#parts.store.get(id);
    if (present?.state === 'Ongoing') await this.#completion.fence(present);
    const before = this.#parts.store.get(id);
    if (before && (isDecided(before) || before.state === 'Ongoing')) return refused(ErrorCode.CONCURRENT_TRANSACTIONS);
    const goesOn = before !== undefined && before.epoch < LAST_EPOCH;
    const producerId = goesOn ? before.producerId : this.#parts.nextProducerId();
    const epoch = goesOn ? before.epoch + 1 : 0;
    const none = { partitions: [], groups: [], offsets: [] };
    await this.#write({ id, producerId, epoch, timeoutMs, state: 'Empty', startedAt: 0, updatedAt: Date.now(), ...none });
    return { error: ErrorCode.NONE, producerId, producerEpoch: epoch };
  }

  async addPartitions(producer: TransactionalProducer, partitions: readonly TopicPartition[]): Promise<ErrorCode> {
    const transaction = this.#open(producer);
    if (typeof transaction === 'number') return transaction;
    const added = partitions.filter(({ topic, partition }) => !hasPartition(transaction, topic, partition));
    if (added.length > 0) await this.#begin({ ...transaction, partitions: [...transaction.partitions, ...added] });
    return ErrorCode.NONE;
  }

  async addGroup(producer: TransactionalProducer, group: string): Promise<ErrorCode> {
    const transaction = this.#open(producer);
    if (typeof transaction === 'number') return transaction;
    if (!transaction.groups.includes(group)) await this.#begin({ ...transaction, groups: [...transaction.groups, group] });
    return ErrorCode.NONE;
  }

  /** Keeps offsets that become the group's own if the transaction commits. */
  async addOffsets(producer: TransactionalProducer, group: string, commits: readonly OffsetCommit[]): Promise<ErrorCode> {
    const transaction = this.#open(producer);
    if (typeof transaction === 'number') return transaction;
    if (transaction.state !== 'Ongoing' || !transaction.groups.includes(group)) return ErrorCode.INVALID_TXN_STATE;
    const isReplaced = (known: OffsetCommit): boolean =>
      commits.some(({ topic, partition }) => topic === known.topic && partition === known.partition);
    const others = transaction.offsets.filter((known) => known.group !== group || !isReplaced(known));
    await this.#begin({ ...transaction, offsets: [...others, ...commits.map((commit) => ({ ...commit, group }))] });
    return ErrorCode.NONE;
  }

  /** When this resolves with NONE the decision stands, through any crash, and readers see it. It may be asked for again. */
  async end(producer: TransactionalProducer, committed: boolean): Promise<ErrorCode> {
    const transaction = this.#find(producer);
    if (typeof transaction === 'number') return transaction;
    const { state } = transaction;
    if (state === 'Ongoing') {
      await this.#completion.end(transaction, committed);
      return ErrorCode.NONE;
    }
    const asDecided = committed ? ['PrepareCommit', 'CompleteCommit'] : ['PrepareAbort', 'CompleteAbort'];
    if (!asDecided.includes(state)) return ErrorCode.INVALID_TXN_STATE;
    return isDecided(transaction) ? ErrorCode.CONCURRENT_TRANSACTIONS : ErrorCode.NONE;
  }

  /** Whether a transactional batch may be stored in this partition. */
  admit({ producerId, producerEpoch }: BatchHeader, topic: string, partition: number): ErrorCode {
    const transaction = this.#parts.store.byProducer(producerId);
    if (!transaction) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    if (transaction.epoch !== producerEpoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
    return transaction.state === 'Ongoing' && hasPartition(transaction, topic, partition) ? ErrorCode.NONE : ErrorCode.INVALID_TXN_STATE;
  }

  /** A topic that is made again under the same name must not meet the transactions of the old one. */
  forgetTopic(topic: string): void {
    const touched = this.#parts.store
      .all()
      .filter(({ partitions, offsets }) => [...partitions, ...offsets].some((entry) => entry.topic === topic));
    const others = <T extends TopicPartition>(entries: readonly T[]): T[] => entries.filter((entry) => entry.topic !== topic);
    this.#parts.store.put(
      touched.map((transaction) => ({
        ...transaction,
        partitions: others(transaction.partitions),
        offsets: others(transaction.offsets),
      })),
    );
  }

  /** Forgets ids that nobody has used for a week and that have no transaction open. */
  forgetIdle(now: number): void {
    const idle = this.#parts.store
      .all()
      .filter((transaction) => transaction.updatedAt < now - FORGET_AFTER_MS && transaction.state !== 'Ongoing' && !isDecided(transaction));
    this.#parts.store.forget(idle.map(({ id }) => id));
  }

  async close(): Promise<void> {
    await this.#completion.close();
    await this.#parts.store.close();
  }

  /** The entry of a producer that is who it says and not shut out. */
  #find({ transactionalId, producerId, producerEpoch }: TransactionalProducer): Transaction | ErrorCode {
    const transaction = this.#parts.store.get(transactionalId);
    if (!transaction || transaction.producerId !== producerId) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    return transaction.epoch === producerEpoch ? transaction : ErrorCode.PRODUCER_FENCED;
  }

  /** The entry to add to: what was there before is over. */
  #open(producer: TransactionalProducer): Transaction | ErrorCode {
    const transaction = this.#find(producer);
    if (typeof transaction === 'number' || transaction.state === 'Ongoing') return transaction;
    return isDecided(transaction) ? ErrorCode.CONCURRENT_TRANSACTIONS : transaction;
  }

  async #begin(transaction: Transaction): Promise<void> {
    const now = Date.now();
    const startedAt = transaction.state === 'Ongoing' ? transaction.startedAt : now;
    const ongoing: Transaction = { ...transaction, state: 'Ongoing', startedAt, updatedAt: now };
    const written = this.#write(ongoing);
    this.#completion.watch(ongoing);
    await written;
  }

  async #write(transaction: Transaction): Promise<void> {
    this.#parts.store.put([transaction]);
    await this.#parts.settle([this.#parts.store]);
  }
}
