import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrorCode } from '../error-code.ts';
import { replaceFile } from '../storage/atomic-file.ts';
import { type ProducerSnapshot, ProducerState, type SequenceVerdict } from './producer-state.ts';
import { type BatchHeader, isTransactional } from './record-batch.ts';
import { TransactionIndex, type TransactionSnapshot } from './transaction-index.ts';

/** A batch as it is stored; of control batches also what they say. */
export interface StoredBatchHeader {
  readonly header: BatchHeader;
  readonly committed?: boolean;
}

interface Snapshot {
  /** What the log held when this was written: batches from here on come on top. */
  readonly offset: number;
  readonly producers: ProducerSnapshot;
  readonly transactions?: TransactionSnapshot;
}

/**
 * What a partition knows of its producers: their sequences and their transactions. It follows from the batches of the log; a
 * snapshot beside them spares reading all of them, and outlives what compaction removes.
 */
export class LogProducers {
  readonly transactions = new TransactionIndex();
  readonly #state = new ProducerState();

  /** Judges a batch before it is stored. A producer in a transaction writes nothing outside of it. */
  check(header: BatchHeader): SequenceVerdict {
    if (!isTransactional(header) && this.transactions.isOpen(header.producerId))
      return { kind: 'refused', error: ErrorCode.INVALID_TXN_STATE };
    return this.#state.check(header);
  }

  /** Takes note of a stored batch. */
  record({ header, committed }: StoredBatchHeader): void {
    if (committed === undefined) {
      this.#state.record(header, header.baseOffset);
      if (isTransactional(header)) this.transactions.extend(header.producerId, header.baseOffset);
    } else {
      this.#state.recordMarker(header);
      this.transactions.end(header.producerId, header.baseOffset, committed);
    }
  }

  epochOf(producerId: number): number {
    return this.#state.epochOf(producerId);
  }

  /** Forgets producers whose last record is older than `timestamp`, so that the state stays small. */
  forgetBefore(timestamp: number): void {
    this.#state.forgetBefore(timestamp, (producerId) => this.transactions.isOpen(producerId));
  }

  save(folder: string, offset: number): void {
    const saved: Snapshot = { offset, producers: this.#state.snapshot(), transactions: this.transactions.snapshot() };
    replaceFile(join(folder, 'producers.json'), JSON.stringify(saved));
  }

  /** From the last snapshot and the batches after it; from all batches if there is none that fits. */
  restore(folder: string, endOffset: number, batchesFrom: (offset: number) => Iterable<StoredBatchHeader>): void {
    const saved = readSnapshot(folder);
    const usable = saved !== undefined && saved.offset <= endOffset;
    if (usable) this.#state.restore(saved.producers);
    if (usable && saved.transactions) this.transactions.restore(saved.transactions);
    for (const batch of batchesFrom(usable ? saved.offset : 0)) this.record(batch);
  }
}

function readSnapshot(folder: string): Snapshot | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'producers.json'), 'utf8')) as Snapshot;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
