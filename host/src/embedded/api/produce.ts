import { type Api, NO_THROTTLE } from './api.ts';

export interface ProduceRequest {
  readonly transactionalId: string | null;
  /** 0: no answer is wanted; 1 and -1 are the same on a single node. */
  readonly acks: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly records: Buffer }[];
  }[];
}

export interface ProduceResponse {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly index: number;
      readonly error: number;
      readonly baseOffset: number;
      readonly logStartOffset: number;
    }[];
  }[];
}

export const produceApi: Api<ProduceRequest, ProduceResponse> = {
  key: 0,
  name: 'Produce',
  versions: [3, 8],
  decode: (reader) => {
    const transactionalId = reader.nullableString();
    const acks = reader.int16();
    reader.int32(); // timeout: a single node waits for nobody
    const topics = reader.array(() => ({
      name: reader.string(),
      partitions: reader.array(() => ({ index: reader.int32(), records: reader.bytes() })),
    }));
    return { transactionalId, acks, topics };
  },
  encode: (writer, version, { topics }) => {
    writer.array(topics, (topic) => {
      writer.string(topic.name).array(topic.partitions, ({ index, error, baseOffset, logStartOffset }) => {
        writer.int32(index).int16(error).int64(baseOffset).int64(-1); // no log append time
        if (version >= 5) writer.int64(logStartOffset);
        if (version >= 8) writer.int32(0).string(null); // no errors of single records
      });
    });
    writer.int32(NO_THROTTLE);
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index }))),
};
