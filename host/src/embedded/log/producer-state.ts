import { ErrorCode } from '../error-code.ts';
import type { BatchHeader } from './record-batch.ts';

interface StoredBatch {
  readonly sequence: number;
  readonly count: number;
  readonly offset: number;
}

interface ProducerEntry {
  epoch: number;
  lastTimestamp: number;
  /** The last five batches, oldest first: an idempotent producer has at most five requests in flight. */
  batches: StoredBatch[];
}

export type ProducerSnapshot = readonly (readonly [id: number, epoch: number, lastTimestamp: number, batches: readonly StoredBatch[]])[];

export type SequenceVerdict =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate'; readonly offset: number }
  | { readonly kind: 'refused'; readonly error: ErrorCode };

const KEPT_BATCHES = 5;
const SEQUENCE_MODULUS = 0x8000_0000;

/** What one partition knows of its idempotent producers: which batch must come next, and which one has come already. */
export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>();

  /** Judges a batch before it is stored. A producer that the log has forgotten may begin at any sequence, as in Apache Kafka. */
  check(header: BatchHeader): SequenceVerdict {
    if (header.producerId < 0) return { kind: 'next' };
    const producer = this.#producers.get(header.producerId);
    if (!producer) return { kind: 'next' };
    if (header.producerEpoch < producer.epoch) return { kind: 'refused', error: ErrorCode.INVALID_PRODUCER_EPOCH };
    if (header.producerEpoch > producer.epoch) {
      return header.baseSequence === 0 ? { kind: 'next' } : { kind: 'refused', error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER };
    }
    const same = producer.batches.find((batch) => batch.sequence === header.baseSequence && batch.count === header.recordCount);
    if (same) return { kind: 'duplicate', offset: same.offset };
    const last = producer.batches.at(-1);
    if (!last) return { kind: 'next' };
    const expected = (last.sequence + last.count) % SEQUENCE_MODULUS;
    if (header.baseSequence === expected) return { kind: 'next' };
    const error = header.baseSequence < expected ? ErrorCode.DUPLICATE_SEQUENCE_NUMBER : ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
    return { kind: 'refused', error };
  }

  /** Takes note of a batch that is stored at `offset`. */
  record(header: BatchHeader, offset: number): void {
    if (header.producerId < 0) return;
    const known = this.#producers.get(header.producerId);
    const producer = known?.epoch === header.producerEpoch ? known : { epoch: header.producerEpoch, lastTimestamp: 0, batches: [] };
    producer.batches.push({ sequence: header.baseSequence, count: header.recordCount, offset });
    if (producer.batches.length > KEPT_BATCHES) producer.batches.shift();
    producer.lastTimestamp = Math.max(producer.lastTimestamp, header.maxTimestamp);
    this.#producers.set(header.producerId, producer);
  }

  /** A marker has no sequence: they go on behind it. One of a newer epoch shuts out what still writes with the old one. */
  recordMarker({ producerId, producerEpoch, maxTimestamp }: BatchHeader): void {
    const known = this.#producers.get(producerId);
    if (known?.epoch === producerEpoch) known.lastTimestamp = Math.max(known.lastTimestamp, maxTimestamp);
    else this.#producers.set(producerId, { epoch: producerEpoch, lastTimestamp: maxTimestamp, batches: [] });
  }

  /** -1 for a producer that has written nothing. */
  epochOf(producerId: number): number {
    return this.#producers.get(producerId)?.epoch ?? -1;
  }

  /** Forgets producers whose last record is older than `timestamp`, so that the state stays small. */
  forgetBefore(timestamp: number, isNeeded: (producerId: number) => boolean): void {
    for (const [id, { lastTimestamp }] of this.#producers) if (lastTimestamp < timestamp && !isNeeded(id)) this.#producers.delete(id);
  }

  snapshot(): ProducerSnapshot {
    return [...this.#producers].map(([id, { epoch, lastTimestamp, batches }]) => [id, epoch, lastTimestamp, batches]);
  }

  restore(snapshot: ProducerSnapshot): void {
    this.#producers.clear();
    for (const [id, epoch, lastTimestamp, batches] of snapshot) this.#producers.set(id, { epoch, lastTimestamp, batches: [...batches] });
  }
}
