import { join } from 'node:path';
import { LineJournal } from '../storage/line-journal.ts';
import type { Transaction } from './transaction.ts';

/** A line without a transaction forgets the id. */
type Line = readonly [id: string, transaction?: Transaction];

/** All transactional ids of a data folder, in a journal: what it says is what holds after a crash. */
export class TransactionStore {
  readonly #transactions = new Map<string, Transaction>();
  readonly #byProducer = new Map<number, string>();
  readonly #journal: LineJournal<Line>;

  constructor(dataDir: string) {
    this.#journal = new LineJournal(join(dataDir, 'transactions.log'), {
      apply: (line) => this.#apply(line),
      current: () => [...this.#transactions].map(([id, transaction]): Line => [id, transaction]),
    });
  }

  /** Lines that did not fit their checksum when the file was opened; the last is the torn tail of a crash. */
  get damagedLines(): number {
    return this.#journal.damagedLines;
  }

  all(): readonly Transaction[] {
    return [...this.#transactions.values()];
  }

  get(id: string): Transaction | undefined {
    return this.#transactions.get(id);
  }

  byProducer(producerId: number): Transaction | undefined {
    const id = this.#byProducer.get(producerId);
    return id === undefined ? undefined : this.#transactions.get(id);
  }

  /** Throws StorageFailure with nothing changed when the disk refuses. */
  put(transactions: readonly Transaction[]): void {
    this.#journal.append(transactions.map((transaction): Line => [transaction.id, transaction]));
  }

  forget(ids: readonly string[]): void {
    this.#journal.append(ids.map((id): Line => [id]));
  }

  flush(): Promise<void> {
    return this.#journal.flush();
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  #apply([id, transaction]: Line): void {
    const before = this.#transactions.get(id);
    if (before) this.#byProducer.delete(before.producerId);
    if (transaction) {
      this.#transactions.set(id, transaction);
      this.#byProducer.set(transaction.producerId, id);
    } else this.#transactions.delete(id);
  }
}
