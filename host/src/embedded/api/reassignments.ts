import { type Api, NO_THROTTLE } from './api.ts';

export interface AlterReassignmentsRequest {
  readonly topics: readonly {
    readonly name: string;
    /** Null replicas cancel a move that is under way. */
    readonly partitions: readonly { readonly index: number; readonly replicas: readonly number[] | null }[];
  }[];
}

export interface AlterReassignmentsResponse {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly index: number; readonly error: number }[] }[];
}

export const alterReassignmentsApi: Api<AlterReassignmentsRequest, AlterReassignmentsResponse> = {
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: [0, 0],
  flexible: true,
  decode: (reader) => {
    reader.int32(); // timeout
    const topics = reader.nullableCompactArray(() => {
      const name = reader.compactString();
      const partitions = reader.nullableCompactArray(() => {
        const partition = { index: reader.int32(), replicas: reader.nullableCompactArray(() => reader.int32()) };
        reader.skipTaggedFields();
        return partition;
      });
      reader.skipTaggedFields();
      return { name, partitions: partitions ?? [] };
    });
    reader.skipTaggedFields();
    return { topics: topics ?? [] };
  },
  encode: (writer, _version, { topics }) => {
    writer.int32(NO_THROTTLE).int16(0).compactString(null);
    writer.compactArray(topics, ({ name, partitions }) => {
      writer.compactString(name).compactArray(partitions, ({ index, error }) => {
        writer.int32(index).int16(error).compactString(null).noTaggedFields();
      });
      writer.noTaggedFields();
    });
    writer.noTaggedFields();
  },
  touches: ({ topics }) => topics.map(({ name }) => ({ topic: name })),
};

/** With a single node no partition is ever on its way: the list is always empty. */
export const listReassignmentsApi: Api<undefined, undefined> = {
  key: 46,
  name: 'ListPartitionReassignments',
  versions: [0, 0],
  flexible: true,
  decode: () => undefined,
  encode: (writer) => {
    writer
      .int32(NO_THROTTLE)
      .int16(0)
      .compactString(null)
      .compactArray([], () => {})
      .noTaggedFields();
  },
};
