import { UnavailableError } from '@pipeline-host/sdk';
import { brokerError } from '../repairs.ts';
import { type PartitionBatch, seal } from './partition-batch.ts';
import type { EncodedBatch } from './produce-encoder.ts';
import type { ProduceLink } from './produce-link.ts';
import type { Sequences } from './sequences.ts';

const LEADER_NOT_AVAILABLE = 5;
const DUPLICATE_SEQUENCE_NUMBER = 46;
/** The broker's own failures say nothing of what it had done before. */
const UNKNOWN_SERVER_ERROR = -1;

type Leaders = Pick<ProduceLink, 'leaderOf' | 'reach'>;

/** What became of a batch; stored where there is no error. */
export interface Outcome {
  readonly batch: PartitionBatch;
  readonly error?: unknown;
}

/** Sends the batches, no two of one partition, in one request for each leader. Resolves when all are answered. */
export async function sendToLeaders(batches: readonly PartitionBatch[], link: Leaders, sequences: Sequences): Promise<Outcome[]> {
  const leaders = Map.groupBy(batches, ({ topic, partition }) => link.leaderOf(topic, partition));
  const outcomes = await Promise.all([...leaders].map(([node, those]) => sendTo(node, those, link, sequences)));
  return outcomes.flat();
}

async function sendTo(node: number, batches: readonly PartitionBatch[], link: Leaders, sequences: Sequences): Promise<Outcome[]> {
  if (node < 0) return failed(batches, brokerError(LEADER_NOT_AVAILABLE));
  const outcomes: Outcome[] = [];
  const sealed: PartitionBatch[] = [];
  const encoded: EncodedBatch[] = [];
  for (const batch of batches) {
    try {
      encoded.push(await seal(batch, sequences));
      sealed.push(batch);
    } catch (error) {
      outcomes.push({ batch, error });
    }
  }
  if (sealed.length > 0) outcomes.push(...(await exchange(node, sealed, encoded, link)));
  return outcomes;
}

async function exchange(node: number, batches: readonly PartitionBatch[], encoded: readonly EncodedBatch[], link: Leaders) {
  let send: Awaited<ReturnType<Leaders['reach']>>;
  try {
    send = await link.reach(node);
  } catch (error) {
    return failed(batches, error);
  }
  try {
    const answers = await send(encoded);
    const codes = new Map(answers.map(({ topic, partition, errorCode }) => [`${topic} ${partition}`, errorCode]));
    return batches.map((batch) => outcomeOf(batch, codes.get(`${batch.topic} ${batch.partition}`)));
  } catch (error) {
    for (const batch of batches) batch.isUncertain = true;
    return failed(batches, error);
  }
}

const failed = (batches: readonly PartitionBatch[], error: unknown): Outcome[] => batches.map((batch) => ({ batch, error }));

function outcomeOf(batch: PartitionBatch, code: number | undefined): Outcome {
  // Told so of a batch that came before, the broker has it.
  if (code === 0 || (code === DUPLICATE_SEQUENCE_NUMBER && batch.isUncertain)) return { batch };
  if (code === undefined) {
    batch.isUncertain = true;
    return { batch, error: new UnavailableError('PH_KAFKA_UNAVAILABLE', `node did not answer for ${batch.topic} ${batch.partition}`) };
  }
  const error = brokerError(code);
  // A leader that steps down, or whose replicas are late, has written the batch before it says so.
  if (error.retriable || code === UNKNOWN_SERVER_ERROR) batch.isUncertain = true;
  return { batch, error };
}
