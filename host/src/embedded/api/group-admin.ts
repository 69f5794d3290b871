import { type Api, NO_AUTHORISED_OPERATIONS, NO_THROTTLE } from './api.ts';

export interface DescribeGroupsRequest {
  readonly groups: readonly string[];
}

export interface DescribeGroupsResponse {
  readonly groups: readonly {
    readonly id: string;
    readonly state: string;
    readonly protocolType: string;
    readonly protocol: string;
    readonly members: readonly {
      readonly memberId: string;
      readonly clientId: string;
      readonly clientHost: string;
      readonly metadata: Buffer;
      readonly assignment: Buffer;
    }[];
  }[];
}

export const describeGroupsApi: Api<DescribeGroupsRequest, DescribeGroupsResponse> = {
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 4],
  decode: (reader, version) => {
    const groups = reader.array(() => reader.string());
    if (version >= 3) reader.boolean(); // include authorised operations
    return { groups };
  },
  encode: (writer, version, { groups }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.array(groups, ({ id, state, protocolType, protocol, members }) => {
      writer.int16(0).string(id).string(state).string(protocolType).string(protocol);
      writer.array(members, ({ memberId, clientId, clientHost, metadata, assignment }) => {
        writer.string(memberId);
        if (version >= 4) writer.string(null); // group instance id
        writer.string(clientId).string(clientHost).bytes(metadata).bytes(assignment);
      });
      if (version >= 3) writer.int32(NO_AUTHORISED_OPERATIONS);
    });
  },
};

export interface ListGroupsResponse {
  readonly groups: readonly { readonly id: string; readonly protocolType: string }[];
}

export const listGroupsApi: Api<undefined, ListGroupsResponse> = {
  key: 16,
  name: 'ListGroups',
  versions: [0, 2],
  decode: () => undefined,
  encode: (writer, version, { groups }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.int16(0).array(groups, ({ id, protocolType }) => writer.string(id).string(protocolType));
  },
};

export interface DeleteGroupsResponse {
  readonly groups: readonly { readonly id: string; readonly error: number }[];
}

export const deleteGroupsApi: Api<DescribeGroupsRequest, DeleteGroupsResponse> = {
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 1],
  decode: (reader) => ({ groups: reader.array(() => reader.string()) }),
  encode: (writer, _version, { groups }) => {
    writer.int32(NO_THROTTLE).array(groups, ({ id, error }) => writer.string(id).int16(error));
  },
};
