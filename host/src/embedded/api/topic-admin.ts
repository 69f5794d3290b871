import type { WireReader } from '../wire/reader.ts';
import { type Api, NO_THROTTLE } from './api.ts';

export interface CreateTopicsRequest {
  readonly topics: readonly {
    readonly name: string;
    /** -1 for the default, also where an assignment is given. */
    readonly partitionCount: number;
    readonly replicationFactor: number;
    readonly assignment: readonly { readonly partition: number; readonly replicas: readonly number[] }[];
    readonly config: readonly (readonly [name: string, value: string | null])[];
  }[];
  readonly validateOnly: boolean;
}

/** One code a topic, in the order of the request. */
export interface TopicResults {
  readonly topics: readonly { readonly name: string; readonly error: number; readonly message: string | null }[];
}

const replicas = (reader: WireReader): number[] => reader.array(() => reader.int32());

export const createTopicsApi: Api<CreateTopicsRequest, TopicResults> = {
  key: 19,
  name: 'CreateTopics',
  versions: [0, 4],
  decode: (reader, version) => {
    const topics = reader.array(() => ({
      name: reader.string(),
      partitionCount: reader.int32(),
      replicationFactor: reader.int16(),
      assignment: reader.array(() => ({ partition: reader.int32(), replicas: replicas(reader) })),
      config: reader.array((): [string, string | null] => [reader.string(), reader.nullableString()]),
    }));
    reader.int32(); // timeout
    return { topics, validateOnly: version >= 1 && reader.boolean() };
  },
  encode: (writer, version, { topics }) => {
    if (version >= 2) writer.int32(NO_THROTTLE);
    writer.array(topics, ({ name, error, message }) => {
      writer.string(name).int16(error);
      if (version >= 1) writer.string(message);
    });
  },
  touches: ({ topics }) => topics.map(({ name }) => ({ topic: name })),
};

export const deleteTopicsApi: Api<{ readonly topics: readonly string[] }, TopicResults> = {
  key: 20,
  name: 'DeleteTopics',
  versions: [0, 3],
  decode: (reader) => {
    const topics = reader.array(() => reader.string());
    reader.int32(); // timeout
    return { topics };
  },
  encode: (writer, version, { topics }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.array(topics, ({ name, error }) => writer.string(name).int16(error));
  },
  touches: ({ topics }) => topics.map((topic) => ({ topic })),
};

export interface CreatePartitionsRequest {
  readonly topics: readonly {
    readonly name: string;
    readonly count: number;
    readonly assignments: readonly (readonly number[])[] | null;
  }[];
  readonly validateOnly: boolean;
}

export const createPartitionsApi: Api<CreatePartitionsRequest, TopicResults> = {
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 1],
  decode: (reader) => {
    const topics = reader.array(() => ({
      name: reader.string(),
      count: reader.int32(),
      assignments: reader.nullableArray(() => replicas(reader)),
    }));
    reader.int32(); // timeout
    return { topics, validateOnly: reader.boolean() };
  },
  encode: (writer, _version, { topics }) => {
    writer.int32(NO_THROTTLE).array(topics, ({ name, error, message }) => writer.string(name).int16(error).string(message));
  },
  touches: ({ topics }) => topics.map(({ name }) => ({ topic: name })),
};

export interface DeleteRecordsRequest {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly offset: number }[];
  }[];
}

export interface DeleteRecordsResponse {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly lowWatermark: number; readonly error: number }[];
  }[];
}

export const deleteRecordsApi: Api<DeleteRecordsRequest, DeleteRecordsResponse> = {
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 1],
  decode: (reader) => {
    const topics = reader.array(() => ({
      name: reader.string(),
      partitions: reader.array(() => ({ index: reader.int32(), offset: reader.int64() })),
    }));
    reader.int32(); // timeout
    return { topics };
  },
  encode: (writer, _version, { topics }) => {
    writer.int32(NO_THROTTLE).array(topics, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ index, lowWatermark, error }) => writer.int32(index).int64(lowWatermark).int16(error));
    });
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index }))),
};
