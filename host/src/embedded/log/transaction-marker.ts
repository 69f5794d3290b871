import { writeInt64 } from '../wire/reader.ts';
import { BATCH_HEADER_SIZE, seal } from './record-batch.ts';

/** Ends a producer's transaction in one partition. */
export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly committed: boolean;
}

const MAGIC = 2;
const TRANSACTIONAL_CONTROL = 0x30;
const ABORT = 0;
const COMMIT = 1;
/** Length, attributes, time and offset (no more than the batch says), then the key: length 4, version 0, type. */
const KEY_AT = BATCH_HEADER_SIZE + 5;
const TYPE_AT = KEY_AT + 2;
/** The record: its key of 4 bytes, and a value of 6: version 0 and the epoch of the coordinator, of which there is only one. */
const RECORD = Buffer.from([32, 0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0]);

/** A control batch of one record, as every client of Kafka knows it. */
export function buildMarker({ producerId, producerEpoch, committed }: TransactionMarker, timestamp: number): Buffer {
  const batch = Buffer.alloc(BATCH_HEADER_SIZE + RECORD.length);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt8(MAGIC, 16);
  batch.writeInt16BE(TRANSACTIONAL_CONTROL, 21);
  writeInt64(batch, timestamp, 27);
  writeInt64(batch, timestamp, 35);
  writeInt64(batch, producerId, 43);
  batch.writeInt16BE(producerEpoch, 51);
  batch.writeInt32BE(-1, 53); // no sequence
  batch.writeInt32BE(1, 57);
  RECORD.copy(batch, BATCH_HEADER_SIZE);
  batch.writeInt16BE(committed ? COMMIT : ABORT, TYPE_AT);
  seal(batch);
  return batch;
}

/** What the key of a control record says. */
export function isCommitMarker(key: Buffer | null): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === COMMIT;
}
