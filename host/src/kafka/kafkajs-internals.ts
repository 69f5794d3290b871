import type { FetchedBatch } from './consume/fetch-decoder.ts';

/** The part of kafkajs's `Cluster` that we use. */
export interface ClusterInternals {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  /** Whose metadata a refresh asks for. */
  targetTopics: Set<string>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { readonly partitionId: number; readonly leader: number }[];
  findGroupCoordinator(options: { readonly groupId: string }): Promise<BrokerInternals>;
  getNodeIds(): string[];
  retrier<Result>(attempt: (bail: (error: unknown) => void) => Promise<Result | undefined>): Promise<Result>;
  /** Those of the last metadata, by node. */
  readonly brokerPool: { readonly brokers: Readonly<Record<string, BrokerInternals>> };
  findBroker(options: { readonly nodeId: number | string }): Promise<BrokerInternals>;
  findControllerBroker(): Promise<BrokerInternals>;
}

export interface CoordinatorRequest {
  readonly groupId: string;
}

export interface CoordinatorAnswer {
  readonly coordinator: { readonly nodeId: number };
}

export interface ProduceAnswer {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
}

export interface FetchRequest {
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }[];
}

export type Lookup = (apiKey: number, definition: unknown) => (parameters: unknown) => ProtocolRequest;

export interface ProtocolRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiName: string;
    readonly apiVersion: number;
    readonly encode: () => Promise<unknown>;
  };
  readonly response: {
    readonly decode: (raw: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
}

/** The part of kafkajs's `Broker` that we use. */
export interface BrokerInternals {
  lookupRequest: Lookup;
  isConnected(): boolean;
  metadata(topics: readonly string[]): Promise<unknown>;
  findGroupCoordinator(request: CoordinatorRequest): Promise<CoordinatorAnswer>;
  fetch(request: FetchRequest): Promise<{
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly unknown[];
    }[];
  }>;
  initProducerId(request: {
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  produce(request: { readonly acks: number; readonly timeout: number; readonly topicData: readonly [] }): Promise<{
    readonly topics: readonly {
      readonly topicName: string;
      readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
    }[];
  }>;
  heartbeat(member: { readonly groupId: string; readonly groupGenerationId: number; readonly memberId: string }): Promise<unknown>;
  leaveGroup(member: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  /** Where the broker throttles, it names the time: up to version 3 of the request it has waited itself, from then on the client does. */
  offsetCommit(request: unknown): Promise<{ readonly throttleTime?: number; readonly clientSideThrottleTime?: number }>;
  offsetFetch(request: {
    readonly groupId: string;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number }[];
    }[];
  }): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly offset: string;
        readonly metadata: string | null;
      }[];
    }[];
  }>;
}

/** kafkajs's `Batch` after a fetch of a marked cluster. */
export interface BatchInternals {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly fetchedOffset: string;
  readonly messages: readonly FetchedBatch[];
  isEmpty(): boolean;
  isEmptyDueToFiltering(): boolean;
  lastOffset(): string;
}

interface Seeks {
  has(topic: string, partition: number): boolean;
  clear(): void;
}

/** The part of kafkajs's `ConsumerGroup` that we use. */
export interface GroupInternals {
  readonly groupId: string;
  memberId: string | null;
  readonly generationId: number;
  readonly cluster: ClusterInternals;
  /** Found by each join, and kept until the next. */
  coordinator: BrokerInternals;
  readonly offsetManager: { coordinator: BrokerInternals };
  readonly assigners: readonly object[];
  readonly seekOffset: Seeks;
  retrier: unknown;
  assigned(): {
    readonly topic: string;
    readonly partitions: readonly number[];
  }[];
  paused(): { readonly topic: string; readonly partitions: number[] }[];
  isPaused(topic: string, partition: number): boolean;
  resume(
    topics: readonly {
      readonly topic: string;
      readonly partitions: number[];
    }[],
  ): void;
  resolveOffset(position: { readonly topic: string; readonly partition: number; readonly offset: string }): void;
}
