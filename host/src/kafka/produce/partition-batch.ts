import { type EncodedBatch, encodeBatch } from './produce-encoder.ts';
import type { Waiting } from './send-queue.ts';
import type { Sequences, Ticket } from './sequences.ts';

/**
 * Records of one partition that leave together. Once sent, a batch stays as it is, in composition and sequence, until the
 * broker has told what became of it: only so does the broker recognise it when it comes again.
 */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly Waiting[];
  readonly compression: number;
  ticket?: Ticket;
  encoded?: EncodedBatch;
  /** It was sent under its ticket, and may be stored though nobody said so. */
  isUncertain: boolean;
  /** Times that the broker closed the connection on it. */
  closures: number;
}

export function partitionBatch(topic: string, partition: number, records: readonly Waiting[], compression: number): PartitionBatch {
  return { topic, partition, records, compression, isUncertain: false, closures: 0 };
}

/** Gives the batch its place and its bytes, where it has none yet. Rejects where a record cannot be encoded. */
export async function seal(batch: PartitionBatch, sequences: Sequences): Promise<EncodedBatch> {
  const { topic, partition, records, compression } = batch;
  batch.ticket ??= await sequences.take(topic, partition, records.length);
  const { firstSequence, ...identity } = batch.ticket;
  batch.encoded ??= {
    topic,
    partition,
    bytes: await encodeBatch(
      records.map(({ message }) => message),
      firstSequence,
      { ...identity, compression },
    ),
  };
  return batch.encoded;
}

/** Takes the batch out of its partition's sequence: it will not come again as it was. */
export function release({ topic, partition, ticket, isUncertain }: PartitionBatch, sequences: Sequences): void {
  if (ticket === undefined) return;
  if (isUncertain) sequences.end(topic, partition);
  else sequences.giveBack(topic, partition, ticket);
}
