import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ErrorCode } from '../../../host/src/embedded/error-code.ts';
import { ProducerState } from '../../../host/src/embedded/log/producer-state.ts';
import { readBatchHeader } from '../../../host/src/embedded/log/record-batch.ts';
import { decodeStored } from '../../../host/src/kafka/consume/fetch-decoder.ts';
import { BatchDelivery } from '../../../host/src/kafka/produce/batch-delivery.ts';
import type { EncodedBatch } from '../../../host/src/kafka/produce/produce-encoder.ts';
import { type Waiting, waitingRecord } from '../../../host/src/kafka/produce/send-queue.ts';
import { Sequences } from '../../../host/src/kafka/produce/sequences.ts';
import { COMPRESSION } from '../../../host/src/kafka/wire/codecs.ts';
import { silent } from './contract-kit.ts';

const TOPIC = 't';
const PARTITIONS = [0, 1, 2, 3];
const NODES = [1, 2, 3];

/** What goes wrong with one request to one leader. */
interface Disturbance {
  /** Nothing; not reached; lost on the way there, or on the way back; or answered with an error for one partition, stored or not. */
  readonly kind: 'none' | 'unreachable' | 'lost' | 'answer-lost' | 'refused' | 'stored-but-refused';
  readonly partition: number;
  readonly error: number;
  /** Partition that has another leader from then on. */
  readonly moves: number;
  readonly to: number;
  /** Turns of the event loop until the answer. */
  readonly turns: number;
}

const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  kind: fc.constantFrom('none', 'unreachable', 'lost', 'answer-lost', 'refused', 'stored-but-refused'),
  partition: fc.constantFrom(...PARTITIONS),
  error: fc.constantFrom(ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_LEADER, ErrorCode.KAFKA_STORAGE_ERROR),
  moves: fc.constantFrom(...PARTITIONS),
  to: fc.constantFrom(...NODES),
  turns: fc.nat(4),
});

/** The logs of a replicated topic, whose leaders keep what they know of a producer, and the way to them. */
class ThreeNodes {
  readonly logs = PARTITIONS.map(() => ({ producers: new ProducerState(), values: [] as number[] }));
  readonly #leaders = PARTITIONS.map((partition) => NODES[partition % NODES.length] as number);
  readonly #script: Disturbance[];
  /** What the client believes. */
  #seen = [...this.#leaders];

  constructor(script: readonly Disturbance[]) {
    this.#script = [...script];
  }

  distrust(): void {
    this.#seen = [...this.#leaders];
  }

  async lookUp(): Promise<ReadonlyMap<string, unknown>> {
    return new Map();
  }

  partitionsOf(): readonly { readonly partitionId: number }[] {
    return PARTITIONS.map((partitionId) => ({ partitionId }));
  }

  leaderOf(_topic: string, partition: number): number {
    return this.#seen[partition] as number;
  }

  async reach(node: number) {
    const now = this.#script.shift();
    if (now?.kind === 'unreachable') throw new Error('not reached');
    return async (batches: readonly EncodedBatch[]) => {
      if (now?.kind === 'lost') throw new Error('connection lost');
      const answers = [];
      for (const { topic, partition, bytes } of batches) {
        const hit = now?.partition === partition;
        let errorCode = hit && now.kind === 'refused' ? now.error : 0;
        if (this.#leaders[partition] !== node) errorCode = ErrorCode.NOT_LEADER;
        if (errorCode === 0) errorCode = await this.#store(partition, bytes);
        if (hit && now.kind === 'stored-but-refused') errorCode ||= now.error;
        answers.push({ topic, partition, errorCode });
      }
      if (now !== undefined) this.#leaders[now.moves] = now.to;
      for (let i = 0; i < (now?.turns ?? 0); i++) await new Promise(setImmediate);
      if (now?.kind === 'answer-lost') throw new Error('connection lost');
      return answers;
    };
  }

  async #store(partition: number, bytes: Buffer): Promise<number> {
    const log = this.logs[partition];
    assert.ok(log !== undefined);
    const header = readBatchHeader(bytes, 0);
    const verdict = log.producers.check(header);
    if (verdict.kind === 'refused') return verdict.error;
    if (verdict.kind === 'duplicate') return 0;
    log.producers.record(header, log.values.length);
    for (const { value } of await decodeStored(bytes)) log.values.push(Number(value));
    return 0;
  }
}

test('whatever is lost on the way and whoever leads, each record is stored once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(disturbance, { maxLength: 30 }),
      fc.array(fc.array(fc.constantFrom(...PARTITIONS), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }),
      async (script, chunks) => {
        const link = new ThreeNodes(script);
        const sequences = new Sequences({ producerId: '1', producerEpoch: 0 }, () => assert.fail('a new producer id is not due'));
        let acknowledged = 0;
        const parts = {
          ...{ link, sequences, log: silent, known: new Set<string>(), maxBytes: 1_000, compression: COMPRESSION.none },
          where: { cluster: 'test', brokers: [] },
          acknowledged: (records: readonly Waiting[]) => {
            acknowledged += records.length;
          },
          rejected: () => assert.fail('nothing is rejected'),
          access: null,
          doubtful: () => assert.fail('nothing is doubtful'),
        };
        let n = 0;
        const sent: (readonly [partition: number, n: number])[] = [];
        for (const [turn, chunk] of chunks.entries()) {
          const records = chunk.map((partition) => {
            sent.push([partition, n]);
            const record = { topic: TOPIC, partition, key: null, value: String(n++) };
            return waitingRecord(
              record,
              Number.POSITIVE_INFINITY,
              () => {},
              () => {},
            );
          });
          const delivery = new BatchDelivery(records, turn, parts);
          while (!delivery.done) await delivery.round();
        }
        assert.equal(acknowledged, n);
        const expected = PARTITIONS.map((partition) => sent.flatMap(([of, number]) => (of === partition ? [number] : [])));
        assert.deepEqual(
          link.logs.map(({ values }) => values),
          expected,
        );
      },
    ),
    { numRuns: 500 },
  );
});
