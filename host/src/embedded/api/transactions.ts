import { type Api, NO_THROTTLE, type TopicPartition } from './api.ts';

/** A producer as it names itself in every request of a transaction. */
export interface TransactionalProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitProducerIdRequest {
  /** Null for a producer that is idempotent and no more. */
  readonly transactionalId: string | null;
  readonly timeoutMs: number;
}

export interface InitProducerIdResponse {
  readonly error: number;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export const initProducerIdApi: Api<InitProducerIdRequest, InitProducerIdResponse> = {
  key: 22,
  name: 'InitProducerId',
  versions: [0, 1],
  decode: (reader) => ({ transactionalId: reader.nullableString(), timeoutMs: reader.int32() }),
  encode: (writer, _version, { error, producerId, producerEpoch }) => {
    writer.int32(NO_THROTTLE).int16(error).int64(producerId).int16(producerEpoch);
  },
};

export interface AddPartitionsToTxnRequest extends TransactionalProducer {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[];
}

/** One code a partition, in the order of the request. */
export interface PartitionErrors {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly index: number; readonly error: number }[] }[];
}

/** From version 2 on of these three a fenced producer is told so by a code of its own. */
export const FENCED_HAS_ITS_CODE_FROM = 2;

export const addPartitionsToTxnApi: Api<AddPartitionsToTxnRequest, PartitionErrors> = {
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 2],
  decode: (reader) => ({
    transactionalId: reader.string(),
    producerId: reader.int64(),
    producerEpoch: reader.int16(),
    topics: reader.array(() => ({ name: reader.string(), partitions: reader.array(() => reader.int32()) })),
  }),
  encode: (writer, _version, { topics }) => {
    writer.int32(NO_THROTTLE).array(topics, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ index, error }) => writer.int32(index).int16(error));
    });
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition }))),
};

export interface AddOffsetsToTxnRequest extends TransactionalProducer {
  readonly groupId: string;
}

export const addOffsetsToTxnApi: Api<AddOffsetsToTxnRequest, { readonly error: number }> = {
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: [0, 2],
  decode: (reader) => ({
    transactionalId: reader.string(),
    producerId: reader.int64(),
    producerEpoch: reader.int16(),
    groupId: reader.string(),
  }),
  encode: (writer, _version, { error }) => {
    writer.int32(NO_THROTTLE).int16(error);
  },
};

export interface EndTxnRequest extends TransactionalProducer {
  readonly committed: boolean;
}

export const endTxnApi: Api<EndTxnRequest, { readonly error: number }> = {
  key: 26,
  name: 'EndTxn',
  versions: [0, 2],
  decode: (reader) => ({
    transactionalId: reader.string(),
    producerId: reader.int64(),
    producerEpoch: reader.int16(),
    committed: reader.boolean(),
  }),
  encode: (writer, _version, { error }) => {
    writer.int32(NO_THROTTLE).int16(error);
  },
};

export interface TxnOffsetCommitRequest extends TransactionalProducer {
  readonly groupId: string;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly index: number; readonly offset: number; readonly metadata: string }[];
  }[];
}

export const txnOffsetCommitApi: Api<TxnOffsetCommitRequest, PartitionErrors> = {
  key: 28,
  name: 'TxnOffsetCommit',
  versions: [0, 2],
  decode: (reader, version) => {
    const transactionalId = reader.string();
    const groupId = reader.string();
    const producerId = reader.int64();
    const producerEpoch = reader.int16();
    const topics = reader.array(() => ({
      name: reader.string(),
      partitions: reader.array(() => {
        const index = reader.int32();
        const offset = reader.int64();
        if (version >= 2) reader.int32(); // leader epoch
        return { index, offset, metadata: reader.nullableString() ?? '' };
      }),
    }));
    return { transactionalId, groupId, producerId, producerEpoch, topics };
  },
  encode: (writer, _version, { topics }) => {
    writer.int32(NO_THROTTLE).array(topics, ({ name, partitions }) => {
      writer.string(name).array(partitions, ({ index, error }) => writer.int32(index).int16(error));
    });
  },
  touches: ({ topics }) => topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => ({ topic: name, partition: index }))),
};

/** The same code for every partition of the request. */
export function allPartitions(
  topics: readonly { readonly name: string; readonly partitions: readonly (number | { readonly index: number })[] }[],
  errorOf: (partition: TopicPartition) => number,
): PartitionErrors {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((entry) => {
        const index = typeof entry === 'number' ? entry : entry.index;
        return { index, error: errorOf({ topic: name, partition: index }) };
      }),
    })),
  };
}
