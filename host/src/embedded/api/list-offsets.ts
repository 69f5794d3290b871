import { type Api, NO_THROTTLE } from './api.ts';

export interface ListOffsetsRequest {
  readonly readCommitted: boolean;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly timestamp: number }[];
  }[];
}

export interface ListOffsetsResponse {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly error: number; readonly timestamp: number; readonly offset: number }[];
  }[];
}

export const LATEST = -1;
export const EARLIEST = -2;

export const listOffsetsApi: Api<ListOffsetsRequest, ListOffsetsResponse> = {
  key: 2,
  name: 'ListOffsets',
  versions: [0, 5],
  decode: (reader, version) => {
    reader.int32(); // replica id
    const readCommitted = version >= 2 && reader.int8() === 1;
    const topics = reader.array(() => {
      const name = reader.string();
      const partitions = reader.array(() => {
        const index = reader.int32();
        if (version >= 4) reader.int32(); // leader epoch
        const timestamp = reader.int64();
        if (version === 0) reader.int32(); // most offsets wanted: one is what there is
        return { index, timestamp };
      });
      return { name, partitions };
    });
    return { readCommitted, topics };
  },
  encode: (writer, version, { topics }) => {
    if (version >= 2) writer.int32(NO_THROTTLE);
    writer.array(topics, (topic) => {
      writer.string(topic.name).array(topic.partitions, ({ index, error, timestamp, offset }) => {
        writer.int32(index).int16(error);
        if (version === 0) {
          writer.array(offset >= 0 ? [offset] : [], (value) => writer.int64(value));
          return;
        }
        writer.int64(timestamp).int64(offset);
        if (version >= 4) writer.int32(0); // leader epoch
      });
    });
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index }))),
};
