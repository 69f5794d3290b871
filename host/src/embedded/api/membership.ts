import { type Api, NO_THROTTLE } from './api.ts';

export interface JoinGroupRequest {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly memberId: string;
  readonly protocolType: string;
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[];
}

export interface JoinGroupResponse {
  readonly error: number;
  readonly generation: number;
  readonly protocol: string;
  readonly leader: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export const joinGroupApi: Api<JoinGroupRequest, JoinGroupResponse> = {
  key: 11,
  name: 'JoinGroup',
  versions: [0, 5],
  decode: (reader, version) => {
    const groupId = reader.string();
    const sessionTimeoutMs = reader.int32();
    const rebalanceTimeoutMs = version >= 1 ? reader.int32() : sessionTimeoutMs;
    const memberId = reader.string();
    if (version >= 5) reader.nullableString(); // group instance id: members are dynamic here
    const protocolType = reader.string();
    // Kept beyond the request, hence copied out of its buffer.
    const protocols = reader.array(() => ({ name: reader.string(), metadata: Buffer.from(reader.bytes()) }));
    return { groupId, sessionTimeoutMs, rebalanceTimeoutMs, memberId, protocolType, protocols };
  },
  encode: (writer, version, { error, generation, protocol, leader, memberId, members }) => {
    if (version >= 2) writer.int32(NO_THROTTLE);
    writer.int16(error).int32(generation).string(protocol).string(leader).string(memberId);
    writer.array(members, (member) => {
      writer.string(member.memberId);
      if (version >= 5) writer.string(null);
      writer.bytes(member.metadata);
    });
  },
};

export interface HeartbeatRequest {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
}

export const heartbeatApi: Api<HeartbeatRequest, { readonly error: number }> = {
  key: 12,
  name: 'Heartbeat',
  versions: [0, 3],
  decode: (reader, version) => {
    const request = { groupId: reader.string(), generation: reader.int32(), memberId: reader.string() };
    if (version >= 3) reader.nullableString(); // group instance id
    return request;
  },
  encode: (writer, version, { error }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.int16(error);
  },
};

export interface LeaveGroupRequest {
  readonly groupId: string;
  readonly members: readonly { readonly memberId: string; readonly instanceId: string | null }[];
}

export interface LeaveGroupResponse {
  readonly members: readonly { readonly memberId: string; readonly instanceId: string | null; readonly error: number }[];
}

export const leaveGroupApi: Api<LeaveGroupRequest, LeaveGroupResponse> = {
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 3],
  decode: (reader, version) => {
    const groupId = reader.string();
    const member = (instance: boolean) => ({ memberId: reader.string(), instanceId: instance ? reader.nullableString() : null });
    return { groupId, members: version >= 3 ? reader.array(() => member(true)) : [member(false)] };
  },
  encode: (writer, version, { members }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    if (version < 3) {
      writer.int16(members[0]?.error ?? 0);
      return;
    }
    writer.int16(0).array(members, ({ memberId, instanceId, error }) => writer.string(memberId).string(instanceId).int16(error));
  },
};

export interface SyncGroupRequest {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  readonly assignments: ReadonlyMap<string, Buffer>;
}

export const syncGroupApi: Api<SyncGroupRequest, { readonly error: number; readonly assignment: Buffer }> = {
  key: 14,
  name: 'SyncGroup',
  versions: [0, 3],
  decode: (reader, version) => {
    const groupId = reader.string();
    const generation = reader.int32();
    const memberId = reader.string();
    if (version >= 3) reader.nullableString(); // group instance id
    const assignments = reader.array((): [string, Buffer] => [reader.string(), Buffer.from(reader.bytes())]);
    return { groupId, generation, memberId, assignments: new Map(assignments) };
  },
  encode: (writer, version, { error, assignment }) => {
    if (version >= 1) writer.int32(NO_THROTTLE);
    writer.int16(error).bytes(assignment);
  },
};
