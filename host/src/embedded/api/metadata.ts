import { type Api, NO_AUTHORISED_OPERATIONS, NO_THROTTLE } from './api.ts';

export interface MetadataRequest {
  /** Null for all topics. */
  readonly topics: readonly string[] | null;
  readonly allowAutoCreate: boolean;
}

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface MetadataResponse {
  readonly broker: BrokerAddress;
  readonly clusterId: string;
  readonly topics: readonly { readonly name: string; readonly error: number; readonly partitionCount: number }[];
}

export const metadataApi: Api<MetadataRequest, MetadataResponse> = {
  key: 3,
  name: 'Metadata',
  versions: [0, 8],
  decode: (reader, version) => {
    const topics = reader.nullableArray(() => reader.string());
    const allowAutoCreate = version >= 4 ? reader.boolean() : true;
    // In version 0 an empty list means all, later only null does.
    return { topics: version === 0 && topics?.length === 0 ? null : topics, allowAutoCreate };
  },
  encode: (writer, version, { broker, clusterId, topics }) => {
    if (version >= 3) writer.int32(NO_THROTTLE);
    writer.array([broker], ({ nodeId, host, port }) => {
      writer.int32(nodeId).string(host).int32(port);
      if (version >= 1) writer.string(null); // rack
    });
    if (version >= 2) writer.string(clusterId);
    if (version >= 1) writer.int32(broker.nodeId); // controller
    writer.array(topics, ({ name, error, partitionCount }) => {
      writer.int16(error).string(name);
      if (version >= 1) writer.boolean(false); // internal
      writer.array([...Array(partitionCount).keys()], (index) => {
        writer.int16(0).int32(index).int32(broker.nodeId);
        if (version >= 7) writer.int32(0); // leader epoch
        const self = [broker.nodeId];
        writer.array(self, (id) => writer.int32(id)).array(self, (id) => writer.int32(id)); // replicas, in sync
        if (version >= 5) writer.int32(0); // offline replicas
      });
      if (version >= 8) writer.int32(NO_AUTHORISED_OPERATIONS);
    });
    if (version >= 8) writer.int32(NO_AUTHORISED_OPERATIONS);
  },
  touches: ({ topics }) => (topics ?? []).map((topic) => ({ topic })),
};
