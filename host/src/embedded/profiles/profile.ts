export type ProfileName = 'kafka4' | 'eventhubs';

export type CommitMetadata = 'keep' | 'drop';

/** What a broker offers and where it refuses, so that what runs on it is known to run on the service that it is named for. */
export interface BrokerProfile {
  readonly name: ProfileName;
  readonly maxTopics: number;
  readonly maxPartitionsOfTopic: number;
  /** A connection that announces more is closed. */
  readonly maxRequestBytes: number;
  /** Clients may make, grow and delete topics. Where not, the topics of the options are all there are. */
  readonly clientsManageTopics: boolean;
  /** Producers may have a transactional id. */
  readonly transactions: boolean;
  /** Commits that a group may make for one partition in a second; the answer to more comes late and says by how much. */
  readonly commitsPerSecond: number;
  /** The requests that are offered and in which versions, by name; undefined for all that the broker knows. */
  readonly requests: Readonly<Record<string, readonly [oldest: number, newest: number]>> | undefined;
}

const KAFKA4: BrokerProfile = {
  name: 'kafka4',
  maxTopics: Number.POSITIVE_INFINITY,
  // Bounds what a single request can make: each partition is a folder and, once written to, an open file.
  maxPartitionsOfTopic: 1_000,
  maxRequestBytes: 100 << 20,
  clientsManageTopics: true,
  transactions: true,
  commitsPerSecond: Number.POSITIVE_INFINITY,
  requests: undefined,
};

/**
 * A namespace of the Standard tier for a client without the right to manage it. Versions are those that the service reported in
 * Azure/azure-event-hubs-for-kafka#209; what is not named there (transactions, DeleteRecords, settings) does not exist.
 */
const EVENTHUBS: BrokerProfile = {
  name: 'eventhubs',
  maxTopics: 10,
  maxPartitionsOfTopic: 32,
  maxRequestBytes: 1_046_528,
  clientsManageTopics: false,
  transactions: false,
  commitsPerSecond: 2,
  requests: {
    Produce: [3, 7],
    Fetch: [4, 6],
    ListOffsets: [0, 2],
    Metadata: [0, 5],
    OffsetCommit: [0, 3],
    OffsetFetch: [0, 3],
    FindCoordinator: [0, 1],
    JoinGroup: [0, 4],
    Heartbeat: [0, 1],
    LeaveGroup: [0, 1],
    SyncGroup: [0, 1],
    DescribeGroups: [0, 1],
    ListGroups: [0, 1],
    SaslHandshake: [0, 1],
    ApiVersions: [0, 2],
    CreateTopics: [0, 2],
    DeleteTopics: [0, 2],
    InitProducerId: [0, 1],
    SaslAuthenticate: [0, 1],
  },
};

export const PROFILES: Readonly<Record<ProfileName, BrokerProfile>> = { kafka4: KAFKA4, eventhubs: EVENTHUBS };
