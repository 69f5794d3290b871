import { readRecords } from './batch-records.ts';
import type { BatchHeader } from './record-batch.ts';

export interface TimedOffset {
  readonly offset: number;
  readonly timestamp: number;
}

/**
 * The first record of a batch at or after `timestamp` and `minOffset`. Where the records cannot be read, the start
 * of the batch: a consumer then begins a little early, never late.
 */
export function findInBatch(batch: Buffer, header: BatchHeader, timestamp: number, minOffset: number): TimedOffset | undefined {
  const read = readRecords(batch, header);
  if (!read) return { offset: Math.max(header.baseOffset, minOffset), timestamp: header.baseTimestamp };
  const found = read.records.find((record) => record.timestamp >= timestamp && record.offset >= minOffset);
  return found && { offset: found.offset, timestamp: found.timestamp };
}
