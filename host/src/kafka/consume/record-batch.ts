import type { KafkaRecord, RecordBatch } from '../driver.ts';
import type { BatchInternals } from '../kafkajs-internals.ts';
import type { FetchedBatch } from './fetch-decoder.ts';

/** The port's batch of what kafkajs fetched and filtered; its records are passed on, not copied. */
export function recordBatch(batch: BatchInternals, epoch: number, lastOffset: number): RecordBatch {
  const { topic, partition, messages } = batch;
  return {
    topic,
    partition,
    epoch,
    highWatermark: Number(batch.highWatermark),
    lastOffset,
    records: visibleRecords(messages, Number(batch.fetchedOffset)),
  };
}

/** A stored batch may begin before the offset that was asked for. */
function visibleRecords(batches: readonly FetchedBatch[], from: number): readonly KafkaRecord[] {
  const [first, ...rest] = batches;
  if (first === undefined) return [];
  const begin = first.records[0];
  const head = begin === undefined || begin.offset >= from ? first.records : first.records.filter(({ offset }) => offset >= from);
  return rest.length === 0 ? head : head.concat(...rest.map(({ records }) => records));
}
