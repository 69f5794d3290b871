import { createRequire } from 'node:module';
import { openBareCluster } from './bare-cluster.ts';
import type { ClusterConfig } from './cluster-config.ts';
import type { KafkaLog, TopicRight } from './driver.ts';
import type { ProtocolRequest } from './kafkajs-internals.ts';

/** The part of kafkajs's `Encoder` and `Decoder` that we use. */
interface Encoder {
  writeArray(values: readonly string[]): Encoder;
  writeBoolean(value: boolean): Encoder;
}
interface Decoder {
  readInt16(): number;
  readInt32(): number;
  readString(): string | null;
  readBoolean(): boolean;
  readArray<T>(read: (decoder: Decoder) => T): T[];
}

const internals = createRequire(import.meta.url);
const KafkaEncoder = internals('kafkajs/src/protocol/encoder') as new () => Encoder;
const KafkaDecoder = internals('kafkajs/src/protocol/decoder') as new (raw: Buffer) => Decoder;

const METADATA = 3;
/** The version that tells what the client may do (KIP-430); kafkajs stops at 6. */
const VERSION = 8;
const TOPIC_AUTHORIZATION_FAILED = 29;
/** Bits of Kafka's `AclOperation`. */
const RIGHTS: readonly (readonly [TopicRight, number])[] = [
  ['read', 3],
  ['write', 4],
];
/** What a broker answers that knows no rights. */
const UNKNOWN = -0x8000_0000;

/** What the client may do with each topic: see {@link KafkaAdmin.topicRights}. */
export async function topicRights(
  config: ClusterConfig,
  topics: readonly string[],
  log: KafkaLog,
): Promise<ReadonlyMap<string, ReadonlySet<TopicRight> | null>> {
  const { cluster, close } = await openBareCluster(config, log);
  try {
    await cluster.refreshMetadataIfNecessary();
    const [nodeId] = cluster.getNodeIds();
    if (nodeId === undefined) return new Map();
    const broker = await cluster.findBroker({ nodeId });
    let isTold = false;
    const ask = broker.lookupRequest(METADATA, {
      versions: [VERSION],
      protocol: ({ version }: { readonly version: number }) => {
        isTold = version === VERSION;
        return () => request(topics);
      },
    });
    // Event Hubs, for one, does not speak this version.
    if (!isTold) return new Map();
    const asking: typeof broker = Object.create(broker, { lookupRequest: { value: () => ask } });
    return (await asking.metadata(topics)) as ReturnType<typeof decode>;
  } finally {
    await close();
  }
}

function request(topics: readonly string[]): ProtocolRequest {
  return {
    request: {
      apiKey: METADATA,
      apiVersion: VERSION,
      apiName: 'Metadata',
      // No topic is created; rights of the cluster are not asked for, those of the topics are.
      encode: async () => new KafkaEncoder().writeArray(topics).writeBoolean(false).writeBoolean(false).writeBoolean(true),
    },
    response: { decode: async (raw) => decode(new KafkaDecoder(raw)), parse: async (decoded) => decoded },
  };
}

function decode(decoder: Decoder): Map<string, ReadonlySet<TopicRight> | null> {
  decoder.readInt32(); // throttle time
  decoder.readArray((broker) => [broker.readInt32(), broker.readString(), broker.readInt32(), broker.readString()]);
  decoder.readString(); // cluster id
  decoder.readInt32(); // controller
  const topics = decoder.readArray((topic) => {
    const error = topic.readInt16();
    const name = topic.readString() ?? '';
    topic.readBoolean(); // internal
    topic.readArray((partition) => {
      partition.readInt16(); // error
      for (let field = 0; field < 3; field++) partition.readInt32(); // index, leader, epoch
      for (let list = 0; list < 3; list++) partition.readArray((replica) => replica.readInt32());
    });
    const operations = topic.readInt32();
    if (error === TOPIC_AUTHORIZATION_FAILED) return [name, new Set<TopicRight>()] as const;
    if (error !== 0 || operations === UNKNOWN) return [name, null] as const;
    return [name, new Set(RIGHTS.filter(([, bit]) => (operations & (1 << bit)) !== 0).map(([right]) => right))] as const;
  });
  return new Map(topics);
}
