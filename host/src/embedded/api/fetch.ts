import { type Api, NO_THROTTLE } from './api.ts';

export interface FetchPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
}

export interface FetchRequest {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly readCommitted: boolean;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly FetchPartition[] }[];
}

export interface FetchedPartition {
  readonly partition: number;
  readonly error: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly startOffset: number;
  readonly records: Buffer | undefined;
  /** Transactions whose records a reader of committed ones leaves out. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
}

export interface FetchResponse {
  readonly readCommitted: boolean;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly FetchedPartition[] }[];
}

const NO_RECORDS = Buffer.alloc(0);

/** Fetch sessions are declined with session id 0: clients then name all partitions each time. */
export const fetchApi: Api<FetchRequest, FetchResponse> = {
  key: 1,
  name: 'Fetch',
  versions: [4, 11],
  decode: (reader, version) => {
    reader.int32(); // replica id
    const maxWaitMs = reader.int32();
    const minBytes = reader.int32();
    const maxBytes = reader.int32();
    const readCommitted = reader.int8() === 1;
    if (version >= 7) {
      reader.int32(); // session id
      reader.int32(); // session epoch
    }
    const topics = reader.array(() => {
      const name = reader.string();
      const partitions = reader.array(() => {
        const partition = reader.int32();
        if (version >= 9) reader.int32(); // leader epoch
        const offset = reader.int64();
        if (version >= 5) reader.int64(); // log start of a follower
        return { topic: name, partition, offset, maxBytes: reader.int32() };
      });
      return { name, partitions };
    });
    return { maxWaitMs, minBytes, maxBytes, readCommitted, topics };
  },
  encode: (writer, version, { readCommitted, topics }) => {
    writer.int32(NO_THROTTLE);
    if (version >= 7) writer.int16(0).int32(0);
    writer.array(topics, (topic) => {
      writer
        .string(topic.name)
        .array(topic.partitions, ({ partition, error, highWatermark, lastStableOffset, startOffset, records, aborted }) => {
          writer.int32(partition).int16(error).int64(highWatermark).int64(lastStableOffset);
          if (version >= 5) writer.int64(startOffset);
          if (readCommitted) writer.array(aborted, ({ producerId, firstOffset }) => writer.int64(producerId).int64(firstOffset));
          else writer.int32(-1); // not asked for
          if (version >= 11) writer.int32(-1); // preferred read replica
          writer.splice(records ?? NO_RECORDS);
        });
    });
  },
  touches: ({ topics }) => topics.flatMap(({ partitions }) => partitions),
};
