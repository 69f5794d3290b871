import {
  addOffsetsToTxnApi,
  addPartitionsToTxnApi,
  allPartitions,
  endTxnApi,
  FENCED_HAS_ITS_CODE_FROM,
  initProducerIdApi,
  txnOffsetCommitApi,
} from '../api/transactions.ts';
import type { BrokerParts } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import { MAX_METADATA_UNITS, type OffsetCommit } from '../groups/offset-store.ts';
import { type Route, route } from '../server/router.ts';
import { StorageFailure } from '../storage/append-file.ts';

/** Producer ids, and transactions: what is in them, and their end. */
export function transactionRoutes({ transactions, topics, settings, nextProducerId }: BrokerParts): readonly Route[] {
  /** A disk that refuses is an outage of the coordinator: the client tries again. */
  const storing = async (what: string, transactionalId: string, write: () => Promise<ErrorCode>): Promise<ErrorCode> => {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StorageFailure)) throw error;
      settings.log('error', `cannot ${what}`, { transactionalId, error });
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    }
  };
  const exists = (topic: string, partition: number): boolean => topics.partition(topic, partition) !== undefined;

  return [
    route(initProducerIdApi, async ({ transactionalId, timeoutMs }, { faults }) => {
      const refused = (error: number) => ({ error, producerId: -1, producerEpoch: -1 });
      const injected = faults.errorFor();
      if (injected) return refused(injected);
      if (transactionalId === null) return { error: ErrorCode.NONE, producerId: nextProducerId(), producerEpoch: 0 };
      if (!settings.profile.transactions) return refused(ErrorCode.UNSUPPORTED_VERSION);
      let identity = refused(ErrorCode.NONE);
      const error = await storing('give out a producer id', transactionalId, async () => {
        identity = await transactions.initProducer(transactionalId, timeoutMs);
        return ErrorCode.NONE;
      });
      return error ? refused(error) : identity;
    }),
    route(addPartitionsToTxnApi, async (request, { version, faults }) => {
      const wanted = request.topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition })));
      const refusalOf = (topic: string, partition: number): number =>
        faults.errorFor(topic, partition) || (exists(topic, partition) ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      // All or none: the others are told that nothing was done for them.
      if (wanted.some(({ topic, partition }) => refusalOf(topic, partition))) {
        return allPartitions(request.topics, ({ topic, partition }) => refusalOf(topic, partition) || ErrorCode.OPERATION_NOT_ATTEMPTED);
      }
      const error = await storing('add partitions to a transaction', request.transactionalId, () =>
        transactions.addPartitions(request, wanted),
      );
      return allPartitions(request.topics, () => fencedAs(error, version));
    }),
    route(addOffsetsToTxnApi, async (request, { version, faults }) => {
      const { transactionalId, groupId } = request;
      if (groupId === '') return { error: ErrorCode.INVALID_GROUP_ID };
      const error =
        faults.errorFor() ||
        (await storing('add a group to a transaction', transactionalId, () => transactions.addGroup(request, groupId)));
      return { error: fencedAs(error, version) };
    }),
    route(txnOffsetCommitApi, async (request, { faults }) => {
      const { transactionalId, groupId } = request;
      const commits = request.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ index, offset, metadata }): OffsetCommit => ({ topic: name, partition: index, offset, metadata })),
      );
      const refusalOf = ({ topic, partition, metadata }: OffsetCommit): number => {
        if (!exists(topic, partition)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        return faults.errorFor(topic, partition) || (metadata.length > MAX_METADATA_UNITS ? ErrorCode.OFFSET_METADATA_TOO_LARGE : 0);
      };
      const error = await storing('keep offsets of a transaction', transactionalId, () =>
        transactions.addOffsets(
          request,
          groupId,
          commits.filter((commit) => !refusalOf(commit)),
        ),
      );
      return allPartitions(request.topics, ({ topic, partition }) => {
        const commit = commits.find((known) => known.topic === topic && known.partition === partition);
        return (commit && refusalOf(commit)) || fencedAs(error, 0);
      });
    }),
    route(endTxnApi, async (request, { version, faults }) => {
      const { transactionalId, committed } = request;
      const error = faults.errorFor() || (await storing('end a transaction', transactionalId, () => transactions.end(request, committed)));
      return { error: fencedAs(error, version) };
    }),
  ];
}

/** Clients of older versions know a fenced producer by its epoch alone. */
function fencedAs(error: number, version: number): number {
  return error === ErrorCode.PRODUCER_FENCED && version < FENCED_HAS_ITS_CODE_FROM ? ErrorCode.INVALID_PRODUCER_EPOCH : error;
}
