import { createRequire } from 'node:module';
import { PipelineError } from '@pipeline-host/sdk';
import { brokerErrorType, isHandover } from './classify.ts';
import { decodeFetchResponse, FETCH_VERSIONS } from './consume/fetch-decoder.ts';
import { askForCoordinator } from './coordinator-lookup.ts';
import type {
  BatchInternals,
  BrokerInternals,
  ClusterInternals,
  CoordinatorAnswer,
  CoordinatorRequest,
  FetchRequest,
  GroupInternals,
  Lookup,
  ProduceAnswer,
  ProtocolRequest,
} from './kafkajs-internals.ts';
import { type EncodedBatch, encodeProduceRequest, PRODUCE_VERSIONS } from './produce/produce-encoder.ts';

/**
 * What kafkajs lacks, mended in place. Its last release is 2.2.4 and it is pinned exactly, so its insides stand still;
 * with any other version we refuse to start rather than run on a guess.
 *
 * 1. `RequestQueue.scheduleCheckPendingRequests` re-arms a 1 ms timer for each idle connection, for ever
 *    (tulios/kafkajs#1704, #1556): 4.6 % of a core for an idle consumer, 0.5 % with the repair. And
 *    `scheduleRequestTimeoutCheck` looks ten times a second, on each connection, for requests that are over their 30 s.
 * 2. `ConsumerGroup.joinAndSync`, `leave` and `fetch` get an awaited hook: kafkajs has no onPartitionsRevoked (#28, #916).
 *    Without it each planned rebalance repeats what was in flight.
 * 3. `Broker.fetch` decodes our own records with our own code, which takes a fraction of the time.
 * 4. `Broker.joinGroup` tells the member id as soon as the broker gives it, and asks before each request whether to join
 *    still: kafkajs knows the id only when the join is answered, so a member that stops before that cannot leave, and its
 *    group waits for it until its session ends.
 * 5. `Cluster.findGroupCoordinatorMetadata` asks on where a broker is away, and says why none answered: see
 *    {@link askForCoordinator}.
 * 6. `ConsumerGroup.recoverFromFetch` leaves a leader that is away or has changed to the hook of `fetch`: kafkajs joins the
 *    group again for it, which stops all members, or ends the consumer. `ConsumerGroup.heartbeat` asks the hooks, which
 *    beat by a timer and outlast a coordinator that changes.
 *
 * A plain kafkajs client in the same process is touched by 1 and 5 alone.
 */
const PINNED = '2.2.4';

/** What a consumer hooks into; carried by its partition assigner under {@link HOOKS}, the one object of ours that the group holds. */
export interface MembershipHooks {
  joining(group: GroupInternals, join: () => Promise<void>): Promise<void>;
  leaving(group: GroupInternals, leave: () => Promise<void>): Promise<void>;
  /** Before each request to join. Throws where nothing is to be joined any more. */
  requestingJoin(): void;
  /** The broker knows this member from now on. */
  memberIdGiven(memberId: string): void;
  /** Returns what kafkajs's own worker queue shall handle: nothing, since batches are handed off here. */
  fetching(group: GroupInternals, nodeId: string, fetch: () => Promise<BatchInternals[]>): Promise<BatchInternals[]>;
  /** Between fetches. Throws what ends the assignment. */
  beating(): void;
}

export const HOOKS = Symbol('pipeline-host.kafka.hooks');

interface EncoderInternals {
  buf: Buffer;
  offset: number;
}

type Retry = (options: { readonly retries: number; readonly initialRetryTime: number; readonly maxRetryTime: number }) => unknown;

interface BrokerError extends Error {
  readonly retriable: boolean;
}

const internals = createRequire(import.meta.url);
const createRetry = internals('kafkajs/src/retry') as Retry;
const Encoder = internals('kafkajs/src/protocol/encoder') as new () => EncoderInternals;
const { createErrorFromCode } = internals('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): BrokerError };

/** More tries for joining than for anything else a consumer does: a busy group answers REBALANCE_IN_PROGRESS many times in a row. */
export const joinRetrier = (): unknown => createRetry({ retries: 30, initialRetryTime: 100, maxRetryTime: 1000 });

interface RequestQueue {
  readonly inflight: ReadonlyMap<number, { readonly requestTimeout: number; timeoutRequest(): void }>;
  readonly pending: readonly unknown[];
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  isConnected(): boolean;
  destroy(): void;
}

interface RequestQueuePrototype {
  scheduleCheckPendingRequests(this: RequestQueue): void;
  scheduleRequestTimeoutCheck(this: RequestQueue): void;
}

interface GroupPrototype {
  joinAndSync(this: GroupInternals): Promise<void>;
  leave(this: GroupInternals): Promise<void>;
  fetch(this: GroupInternals, nodeId: string): Promise<BatchInternals[]>;
  recoverFromFetch(this: GroupInternals, error: unknown): Promise<void>;
  heartbeat(this: GroupInternals, options: unknown): Promise<void>;
}

function hooksOf(group: GroupInternals): MembershipHooks | undefined {
  for (const assigner of group.assigners) {
    if (HOOKS in assigner) return assigner[HOOKS] as MembershipHooks;
  }
  return undefined;
}

function refuse(found: string): never {
  throw new PipelineError('PH_KAFKA_REPAIR', `kafkajs ${found} is installed, but its repairs are made for ${PINNED}`, {
    hint: `install exactly kafkajs@${PINNED}: npm install kafkajs@${PINNED} --save-exact`,
  });
}

interface ClusterPrototype {
  findGroupCoordinatorMetadata(this: ClusterInternals, request: CoordinatorRequest): Promise<CoordinatorAnswer>;
}

interface BrokerPrototype {
  joinGroup(this: BrokerInternals, request: unknown): Promise<unknown>;
  fetch(this: BrokerInternals, request: FetchRequest): ReturnType<BrokerInternals['fetch']>;
}

const OWN = Symbol('pipeline-host.kafka.own');

interface Own {
  /** Of the member that the cluster's connections belong to; null for one that joins no group. */
  [OWN]?: MembershipHooks | null;
}

/** Marks the cluster's brokers: their fetches give {@link FetchedBatch}es in place of kafkajs's messages, and their joins tell the hooks. */
export function ownConnections(cluster: ClusterInternals & Own, hooks: MembershipHooks | null = null): void {
  if (OWN in cluster) return;
  cluster[OWN] = hooks;
  const { findBroker } = cluster;
  cluster.findBroker = async (options) => Object.assign(await findBroker.call(cluster, options), { [OWN]: hooks });
}

/** The broker, but for one request whose protocol is changed on the way. */
function withProtocol(broker: BrokerInternals, change: (protocol: ProtocolRequest) => ProtocolRequest): BrokerInternals {
  const lookupRequest: Lookup = (apiKey, definition) => {
    const make = broker.lookupRequest(apiKey, definition);
    return (parameters) => change(make(parameters));
  };
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as BrokerInternals;
}

const within = ({ first, last }: { readonly first: number; readonly last: number }, version: number): boolean =>
  version >= first && version <= last;

function refuseVersion(api: string, version: number): never {
  throw Object.assign(new Error(`the broker speaks ${api} only up to version ${version}; Kafka 0.11 or newer is needed`), {
    retriable: false,
  });
}

/** Milliseconds between two looks for requests over their time. */
const TIMEOUT_LOOK = 1_000;

/**
 * In place of kafkajs's own, which takes a system clock that is set forward for requests that nobody answered: here a request's
 * time is the monotonic clock's, from the first look that sees it. The timer keeps no process alive: the connection that is waited for does.
 */
function scheduleTimeoutLook(queue: RequestQueue): void {
  if (!queue.enforceRequestTimeout) return;
  queue.destroy();
  const seen = new WeakMap<object, number>();
  const look = (): void => {
    const now = performance.now();
    for (const request of queue.inflight.values()) {
      const since = seen.get(request);
      if (since === undefined) seen.set(request, now);
      else if (now - since > request.requestTimeout) request.timeoutRequest();
    }
    if (!queue.isConnected()) queue.destroy();
  };
  queue.requestTimeoutIntervalId = setInterval(look, Math.min(queue.requestTimeout, TIMEOUT_LOOK)).unref();
}

/** The error that kafkajs has for a code of the broker. */
export const brokerError = (code: number): BrokerError => createErrorFromCode(code);

const PRODUCE_SETTINGS = { acks: -1, timeout: 30_000 } as const;

/**
 * One request with batches that are encoded already. Gives what the broker answered for each partition: kafkajs itself
 * throws the first refusal, and the caller would not know which batches are stored.
 */
export async function produceTo(broker: BrokerInternals, batches: readonly EncodedBatch[]): Promise<readonly ProduceAnswer[]> {
  const changed = withProtocol(broker, (protocol) => {
    const { apiVersion } = protocol.request;
    if (!within(PRODUCE_VERSIONS, apiVersion)) refuseVersion('Produce', apiVersion);
    const encode = async () => {
      const body = encodeProduceRequest(batches, PRODUCE_SETTINGS);
      return Object.assign(new Encoder(), { buf: body, offset: body.length });
    };
    return { request: { ...protocol.request, encode }, response: { ...protocol.response, parse: async (decoded) => decoded } };
  });
  const { topics } = await changed.produce({ ...PRODUCE_SETTINGS, topicData: [] });
  return topics.flatMap(({ topicName, partitions }) =>
    partitions.map(({ partition, errorCode }) => ({ topic: topicName, partition, errorCode })),
  );
}

let applied = false;

/** Applies the repairs once. Throws PH_KAFKA_REPAIR where kafkajs is not the pinned version. */
export function repairKafkajs(): void {
  if (applied) return;
  const { version } = internals('kafkajs/package.json') as { version: string };
  if (version !== PINNED) refuse(version);
  const queue = (
    internals('kafkajs/src/network/requestQueue') as {
      prototype: RequestQueuePrototype;
    }
  ).prototype;
  const group = (
    internals('kafkajs/src/consumer/consumerGroup') as {
      prototype: GroupPrototype;
    }
  ).prototype;
  const { scheduleCheckPendingRequests, scheduleRequestTimeoutCheck } = queue;
  const { joinAndSync, leave, fetch, recoverFromFetch, heartbeat } = group;
  const changed = [scheduleCheckPendingRequests, scheduleRequestTimeoutCheck, joinAndSync, leave, fetch, recoverFromFetch, heartbeat];
  if (changed.some((method) => typeof method !== 'function')) refuse(`${version} with other insides`);

  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
  queue.scheduleRequestTimeoutCheck = function () {
    scheduleTimeoutLook(this);
  };
  group.joinAndSync = function () {
    const hooks = hooksOf(this);
    return hooks === undefined ? joinAndSync.call(this) : hooks.joining(this, () => joinAndSync.call(this));
  };
  group.leave = function () {
    const hooks = hooksOf(this);
    return hooks === undefined ? leave.call(this) : hooks.leaving(this, () => leave.call(this));
  };
  group.fetch = function (nodeId) {
    const hooks = hooksOf(this);
    return hooks === undefined ? fetch.call(this, nodeId) : hooks.fetching(this, nodeId, () => fetch.call(this, nodeId));
  };
  group.recoverFromFetch = async function (error) {
    if (hooksOf(this) !== undefined && isHandover(error)) throw error;
    await recoverFromFetch.call(this, error);
  };
  group.heartbeat = async function (options) {
    const hooks = hooksOf(this);
    if (hooks === undefined) await heartbeat.call(this, options);
    else hooks.beating();
  };

  const cluster = (internals('kafkajs/src/cluster') as { prototype: ClusterPrototype }).prototype;
  cluster.findGroupCoordinatorMetadata = function (request) {
    return this.retrier(async (bail) => {
      try {
        return await askForCoordinator(this, request);
      } catch (error) {
        // A cluster that never had a group makes the topic of groups first.
        if (brokerErrorType(error) === 'GROUP_COORDINATOR_NOT_AVAILABLE') throw error;
        bail(error);
        return undefined;
      }
    });
  };

  const broker = (internals('kafkajs/src/broker') as { prototype: BrokerPrototype }).prototype;
  const { joinGroup, fetch: fetchFrom } = broker;
  broker.joinGroup = function (this: BrokerInternals & Own, request) {
    const hooks = this[OWN];
    if (hooks === undefined || hooks === null) return joinGroup.call(this, request);
    const changed = withProtocol(this, (protocol) => {
      hooks.requestingJoin();
      const parse = (decoded: unknown) => {
        const { memberId } = decoded as { readonly memberId: string };
        if (memberId !== '') hooks.memberIdGiven(memberId);
        return protocol.response.parse(decoded);
      };
      return { ...protocol, response: { ...protocol.response, parse } };
    });
    return joinGroup.call(changed, request);
  };
  broker.fetch = function (request) {
    if (!(OWN in this)) return fetchFrom.call(this, request);
    const changed = withProtocol(this, (protocol) => {
      const { apiVersion } = protocol.request;
      if (!within(FETCH_VERSIONS, apiVersion)) refuseVersion('Fetch', apiVersion);
      return { ...protocol, response: { ...protocol.response, decode: (raw) => decodeFetchResponse(raw, apiVersion) } };
    });
    return fetchFrom.call(changed, request);
  };
  applied = true;
}
