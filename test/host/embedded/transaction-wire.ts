import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { buildBatch, readBatches, type SeenBatch } from './batch-builder.ts';
import { startBroker } from './broker-fixture.ts';
import { WireClient } from './wire-client.ts';

export interface Identity {
  readonly error: number;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The requests of a transaction as they are on the wire, on topic `t`. */
export class TransactionWire {
  readonly #client: WireClient;

  constructor(client: WireClient) {
    this.#client = client;
  }

  async init(id: string | null, timeoutMs = 60_000): Promise<Identity> {
    const answer = await this.#client.call(22, 1, (body) => body.string(id).int32(timeoutMs));
    answer.int32();
    return { error: answer.int16(), producerId: answer.int64(), producerEpoch: answer.int16() };
  }

  async addPartitions(
    id: string,
    { producerId, producerEpoch }: Identity,
    partitions: readonly number[],
    version = 2,
  ): Promise<readonly number[]> {
    const answer = await this.#client.call(24, version, (body) =>
      body
        .string(id)
        .int64(producerId)
        .int16(producerEpoch)
        .array(['t'], (topic) => body.string(topic).array(partitions, (partition) => body.int32(partition))),
    );
    answer.int32();
    return (
      answer
        .array(() => [answer.string(), answer.array(() => [answer.int32(), answer.int16()] as const)] as const)[0]?.[1]
        .map(([, error]) => error) ?? []
    );
  }

  async addGroup(id: string, { producerId, producerEpoch }: Identity, group: string): Promise<number> {
    const answer = await this.#client.call(25, 2, (body) => body.string(id).int64(producerId).int16(producerEpoch).string(group));
    answer.int32();
    return answer.int16();
  }

  async commitOffset(id: string, { producerId, producerEpoch }: Identity, group: string, offset: number, metadata = ''): Promise<number> {
    const answer = await this.#client.call(28, 2, (body) =>
      body
        .string(id)
        .string(group)
        .int64(producerId)
        .int16(producerEpoch)
        .array(['t'], (topic) =>
          body.string(topic).array([0], (partition) => body.int32(partition).int64(offset).int32(-1).string(metadata)),
        ),
    );
    answer.int32();
    return (
      answer.array(() => [answer.string(), answer.array(() => [answer.int32(), answer.int16()] as const)] as const)[0]?.[1][0]?.[1] ?? -1
    );
  }

  async end(id: string, { producerId, producerEpoch }: Identity, committed: boolean, version = 2): Promise<number> {
    const answer = await this.#client.call(26, version, (body) =>
      body.string(id).int64(producerId).int16(producerEpoch).boolean(committed),
    );
    answer.int32();
    return answer.int16();
  }

  async produce({ producerId, producerEpoch }: Identity, sequence: number, partition = 0, transactional = true): Promise<number> {
    const batch = buildBatch({ values: ['v'], producerId, producerEpoch, sequence, transactional });
    const answer = await this.#client.call(0, 3, (body) =>
      body
        .string('ignored')
        .int16(-1)
        .int32(0)
        .array(['t'], (topic) => body.string(topic).array([partition], () => body.int32(partition).bytes(batch))),
    );
    return (
      answer.array(
        () => [answer.string(), answer.array(() => [answer.int32(), answer.int16(), answer.int64(), answer.int64()])] as const,
      )[0]?.[1][0]?.[1] ?? -1
    );
  }

  async fetch(readCommitted: boolean, partition = 0): Promise<Fetched> {
    const answer = await this.#client.call(1, 4, (body) =>
      body
        .int32(-1)
        .int32(0)
        .int32(1)
        .int32(1 << 20)
        .int8(readCommitted ? 1 : 0)
        .array(['t'], (topic) =>
          body.string(topic).array([partition], () =>
            body
              .int32(partition)
              .int64(0)
              .int32(1 << 20),
          ),
        ),
    );
    answer.int32();
    const [found] = answer.array(() => {
      answer.string();
      return answer.array(() => {
        const [, error, highWatermark, lastStableOffset] = [answer.int32(), answer.int16(), answer.int64(), answer.int64()];
        const aborted = answer.nullableArray(() => ({ producerId: answer.int64(), firstOffset: answer.int64() }));
        return { error, highWatermark, lastStableOffset, aborted, batches: readBatches(answer.bytes()) };
      })[0];
    });
    assert.ok(found);
    return found;
  }

  /** The end of the partition for a reader of committed records and for any reader. */
  async ends(): Promise<readonly [committed: number, all: number]> {
    const ask = async (isolation: number): Promise<number> => {
      const answer = await this.#client.call(2, 2, (body) =>
        body
          .int32(-1)
          .int8(isolation)
          .array(['t'], (topic) => body.string(topic).array([0], () => body.int32(0).int64(-1))),
      );
      answer.int32();
      return (
        answer.array(
          () => [answer.string(), answer.array(() => [answer.int32(), answer.int16(), answer.int64(), answer.int64()])] as const,
        )[0]?.[1][0]?.[3] ?? -1
      );
    };
    return [await ask(1), await ask(0)];
  }
}

export interface Fetched {
  readonly error: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[] | null;
  readonly batches: readonly SeenBatch[];
}

/** A broker with the topic `t` of two partitions, or on a data folder that has it, and its wire. */
export async function startWire(
  t: TestContext,
  dataDir?: string,
): Promise<{ readonly wire: TransactionWire; readonly fixture: Awaited<ReturnType<typeof startBroker>> }> {
  const fixture = await startBroker(t, dataDir === undefined ? {} : { dataDir });
  if (dataDir === undefined) await fixture.admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
  const client = await WireClient.open(fixture.broker.address);
  t.after(() => client.close());
  return { wire: new TransactionWire(client), fixture };
}

export const markersOf = ({ batches }: Fetched): readonly (string | undefined)[] => batches.map(({ marker }) => marker);
