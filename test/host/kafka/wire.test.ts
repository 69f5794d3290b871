import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFetchResponse } from '../../../host/src/kafka/consume/fetch-decoder.ts';
import { encodeBatch, encodeProduceRequest, WireMessage } from '../../../host/src/kafka/produce/produce-encoder.ts';
import { crc32c } from '../../../host/src/kafka/wire/crc32c.ts';
import { Cursor, sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../../../host/src/kafka/wire/varint.ts';

/** kafkajs itself is wrong for names that every object has. */
const headerName = fc.string({ maxLength: 20 }).filter((name) => !(name in {}));
const kafkajsInside = createRequire(import.meta.url);
interface Encoder {
  readonly buffer: Buffer;
}

test('varints and varlongs come back as they were written, in the size that was foretold', () => {
  const bytes = Buffer.alloc(16);
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
      assert.equal(writeVarint(bytes, 0, value), sizeOfVarint(value));
      assert.equal(new Cursor(bytes).varint(), value);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (value) => {
      assert.equal(writeVarlong(bytes, 0, value), sizeOfVarlong(value));
      assert.equal(new Cursor(bytes).varlong(), value);
    }),
  );
});

test('the checksum is that of RFC 3720', () => {
  assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa);
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283);
});

const bytesOrText = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 100 }),
);
const anyRecord = fc.record({
  key: fc.option(bytesOrText),
  value: fc.option(bytesOrText),
  headers: fc.dictionary(headerName, fc.oneof(bytesOrText, fc.array(bytesOrText, { minLength: 1, maxLength: 3 })), {
    maxKeys: 4,
  }),
  timestamp: fc.integer({ min: 1, max: 2 ** 42 }),
});

test('a produce request has the bytes that kafkajs would give it', async () => {
  const produce = kafkajsInside('kafkajs/src/protocol/requests/produce/v7/request') as (request: unknown) => { encode(): Promise<Encoder> };
  await fc.assert(
    fc.asyncProperty(fc.array(anyRecord, { minLength: 1, maxLength: 20 }), fc.nat(2 ** 31 - 1), async (records, firstSequence) => {
      // kafkajs takes the smallest time of a batch for its first; ours takes that of the first record.
      const sorted = records.map((record, i) => ({ ...record, timestamp: 1_700_000_000_000 + i }));
      const messages = sorted.map((record) => new WireMessage({ topic: '', ...record }, 0));
      const settings = { acks: -1, timeout: 30_000 };
      const head = { producerId: '4711', producerEpoch: 3, compression: 0 };
      const topicData = [{ topic: 'töpic', partitions: [{ partition: 5, firstSequence, messages }] }];
      const theirs = (await produce({ ...settings, ...head, topicData, transactionalId: null }).encode()).buffer;
      const bytes = await encodeBatch(messages, firstSequence, head);
      const ours = encodeProduceRequest([{ topic: 'töpic', partition: 5, bytes }], settings);
      assert.equal(ours.length, theirs.length);
      // The leader epoch, which the broker overwrites: -1 as the Java client sends it, 0 in kafkajs.
      const epochAt = ours.length - (ours.length - (12 + 2 + Buffer.byteLength('töpic') + 4 + 8)) + 12;
      ours.writeInt32BE(0, epochAt);
      assert.deepEqual(ours, theirs);
    }),
    { numRuns: 200 },
  );
});

/** A Fetch answer of version 11 with one partition, around the given stored batches. */
function fetchAnswer(batches: Buffer): Buffer {
  const head = Buffer.alloc(4 + 2 + 4 + 4 + 3 + 4 + 4 + 2 + 8 + 8 + 8 + 4 + 4 + 4);
  let at = 10;
  at = head.writeInt32BE(1, at);
  at = head.writeInt16BE(1, at);
  at += head.write('t', at);
  at = head.writeInt32BE(1, at);
  at = head.writeInt32BE(5, at);
  at = head.writeInt16BE(0, at);
  at = head.writeBigInt64BE(1000n, at);
  at = head.writeBigInt64BE(1000n, at);
  at = head.writeBigInt64BE(0n, at);
  at = head.writeInt32BE(0, at);
  at = head.writeInt32BE(-1, at);
  head.writeInt32BE(batches.length, at);
  return Buffer.concat([head, batches]);
}

async function storedBatch(records: readonly WireMessage[], baseOffset: number): Promise<Buffer> {
  const batch = await encodeBatch(records, 0, { producerId: -1, producerEpoch: -1, compression: 0 });
  batch.writeBigInt64BE(BigInt(baseOffset), 0);
  return batch;
}

test('a fetch answer gives the records that kafkajs would find in it, also where the last batch is cut off', async () => {
  const { decode } = kafkajsInside('kafkajs/src/protocol/requests/fetch/v11/response') as { decode(raw: Buffer): Promise<FetchAnswer> };
  interface FetchAnswer {
    readonly responses: readonly { readonly partitions: readonly { readonly messages: readonly Record<string, unknown>[] }[] }[];
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyRecord, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      fc.nat(2 ** 40),
      fc.nat(100),
      async (batches, base, cut) => {
        let offset = base;
        const stored: Buffer[] = [];
        for (const records of batches) {
          stored.push(
            await storedBatch(
              records.map((record) => new WireMessage({ topic: 't', ...record }, 0)),
              offset,
            ),
          );
          offset += records.length;
        }
        const whole = Buffer.concat(stored);
        const raw = fetchAnswer(
          whole.subarray(0, stored.length > 1 ? whole.length - Math.min(cut, stored.at(-1)?.length ?? 0) : whole.length),
        );
        const theirs = (await decode(raw)).responses[0]?.partitions[0]?.messages.map(({ offset: at, timestamp, key, value, headers }) => ({
          offset: Number(at),
          timestamp: Number(timestamp),
          key,
          value,
          headers,
        }));
        const ours = (await decodeFetchResponse(raw, 11)).responses[0]?.partitions[0]?.messages.flatMap(({ records }) => records);
        assert.deepEqual(ours, theirs);
      },
    ),
    { numRuns: 200 },
  );
});

test('no bytes make the decoder hang', async () => {
  const records = Array.from(
    { length: 5 },
    (_, i) => new WireMessage({ topic: 't', key: `k${i}`, value: 'v'.repeat(50), headers: { a: 'b' } }, 1),
  );
  const good = fetchAnswer(await storedBatch(records, 0));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), async (changes) => {
      const raw = Buffer.from(good);
      for (const [at, byte] of changes) raw[at] = byte;
      await decodeFetchResponse(raw, 11).catch((error: unknown) => assert.ok(error instanceof Error));
    }),
    { numRuns: 2_000 },
  );
});
