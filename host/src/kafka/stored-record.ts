import { PermanentError } from '@pipeline-host/sdk';
import { decodeStored } from './consume/fetch-decoder.ts';
import type { KafkaRecord, OutgoingRecord } from './driver.ts';
import { encodeBatch, WireMessage } from './produce/produce-encoder.ts';
import { COMPRESSION } from './wire/codecs.ts';

const NOBODY = { producerId: -1, producerEpoch: -1 } as const;

type Contents = Pick<OutgoingRecord, 'key' | 'value' | 'headers' | 'timestamp'>;

/** A record by itself, key, value, headers and time, as a broker stores it: one uncompressed batch. */
export function packRecord(record: Contents): Promise<Buffer> {
  return encodeBatch([new WireMessage({ topic: '', ...record }, Date.now())], -1, { ...NOBODY, compression: COMPRESSION.none });
}

/** @throws PermanentError `PH_BATCH_UNREADABLE` where the bytes are not of {@link packRecord} */
export async function unpackRecord(bytes: Buffer): Promise<KafkaRecord> {
  const [record, ...others] = await decodeStored(bytes);
  if (record !== undefined && record.unreadable === undefined && others.length === 0) return record;
  throw new PermanentError('PH_BATCH_UNREADABLE', record?.unreadable?.reason ?? 'the bytes are not one record');
}

/** Whether a producer, which compresses what is too large as it is, can store the record in a topic that takes batches of so many bytes. */
export async function fitsCompressed(record: OutgoingRecord, mostBytes: number): Promise<boolean> {
  const message = new WireMessage(record, Date.now());
  for (const compression of [COMPRESSION.none, COMPRESSION.zstd, COMPRESSION.gzip])
    if ((await encodeBatch([message], 0, { ...NOBODY, compression })).length <= mostBytes) return true;
  return false;
}
