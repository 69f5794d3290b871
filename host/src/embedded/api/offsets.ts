import { type Api, NO_THROTTLE } from './api.ts';

export interface OffsetCommitRequest {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly offset: number; readonly metadata: string }[];
  }[];
}

export interface OffsetCommitResponse {
  /** Milliseconds by which the answer was held back; 0 where the client keeps to its share. */
  readonly throttleMs: number;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly index: number; readonly error: number }[] }[];
}

export const offsetCommitApi: Api<OffsetCommitRequest, OffsetCommitResponse> = {
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 7],
  decode: (reader, version) => {
    const groupId = reader.string();
    const generation = reader.int32();
    const memberId = reader.string();
    if (version >= 7) reader.nullableString(); // group instance id
    if (version <= 4) reader.int64(); // retention time
    const topics = reader.array(() => ({
      name: reader.string(),
      partitions: reader.array(() => {
        const index = reader.int32();
        const offset = reader.int64();
        if (version >= 6) reader.int32(); // leader epoch
        return { index, offset, metadata: reader.nullableString() ?? '' };
      }),
    }));
    return { groupId, generation, memberId, topics };
  },
  encode: (writer, version, { throttleMs, topics }) => {
    if (version >= 3) writer.int32(throttleMs);
    writer.array(topics, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ index, error }) => writer.int32(index).int16(error));
    });
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index }))),
};

export interface OffsetFetchRequest {
  readonly groupId: string;
  /** Null for all that the group has committed. */
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[] | null;
}

export interface OffsetFetchResponse {
  readonly error: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly offset: number; readonly metadata: string }[];
  }[];
}

export const offsetFetchApi: Api<OffsetFetchRequest, OffsetFetchResponse> = {
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 5],
  decode: (reader) => ({
    groupId: reader.string(),
    topics: reader.nullableArray(() => ({ name: reader.string(), partitions: reader.array(() => reader.int32()) })),
  }),
  encode: (writer, version, { error, topics }) => {
    if (version >= 3) writer.int32(NO_THROTTLE);
    writer.array(topics, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ index, offset, metadata }) => {
        writer.int32(index).int64(offset);
        if (version >= 5) writer.int32(-1); // leader epoch
        writer.string(metadata).int16(version === 1 ? error : 0);
      });
    });
    if (version >= 2) writer.int16(error);
  },
};

export interface FindCoordinatorRequest {
  readonly key: string;
  /** 0 for a group, 1 for a transaction. */
  readonly type: number;
}

export interface FindCoordinatorResponse {
  readonly error: number;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export const findCoordinatorApi: Api<FindCoordinatorRequest, FindCoordinatorResponse> = {
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 2],
  decode: (reader, version) => ({ key: reader.string(), type: version >= 1 ? reader.int8() : 0 }),
  encode: (writer, version, { error, nodeId, host, port }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.int16(error);
    if (version >= 1) writer.string(null);
    writer.int32(nodeId).string(host).int32(port);
  },
};
