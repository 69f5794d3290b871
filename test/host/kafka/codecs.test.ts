import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { decodeStored } from '../../../host/src/kafka/consume/fetch-decoder.ts';
import { encodeBatch, WireMessage } from '../../../host/src/kafka/produce/produce-encoder.ts';
import { packRecord, unpackRecord } from '../../../host/src/kafka/stored-record.ts';
import { COMPRESSION, codecOf, MOST_UNPACKED } from '../../../host/src/kafka/wire/codecs.ts';
import { packLz4 } from '../../../host/src/kafka/wire/lz4.ts';
import { packSnappy, unpackSnappy } from '../../../host/src/kafka/wire/snappy.ts';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

function batchOf(values: readonly (Buffer | string)[], compression: number): Promise<Buffer> {
  const messages = values.map((value) => new WireMessage({ topic: 't', key: null, value, timestamp: 7 }, 0));
  return encodeBatch(messages, -1, { producerId: -1, producerEpoch: -1, compression });
}

/** The batch with other bytes in place of its records. */
function withRecords(batch: Buffer, records: Buffer): Buffer {
  const changed = Buffer.concat([batch.subarray(0, 61), records]);
  changed.writeInt32BE(changed.length - 12, 8);
  return changed;
}

for (const codec of CODECS)
  describe(codec, () => {
    const number = COMPRESSION[codec];

    it('makes batches smaller, and gives them back', async () => {
      const values = Array.from({ length: 300 }, (_, i) => `value ${i} ${'x'.repeat(1_000)}`);
      const batch = await batchOf(values, number);
      assert.ok(batch.length < 50_000, `${batch.length} bytes`);
      assert.deepEqual(
        (await decodeStored(batch)).map(({ value }) => String(value)),
        values,
      );
    });

    it('gives a batch that is broken as one record, at its end, with all its bytes; and the batch behind it as it is', async () => {
      const whole = await batchOf(['a', 'b', 'c'], number);
      const records = whole.subarray(61);
      const broken = [Buffer.alloc(0), randomBytes(40), records.subarray(0, 3), records.subarray(0, -5), Buffer.alloc(40, 0xff)];
      for (const bytes of broken) {
        const batch = withRecords(whole, bytes);
        const [first, ...rest] = await decodeStored(Buffer.concat([batch, whole]));
        assert.deepEqual([first?.offset, first?.timestamp, first?.key, first?.unreadable?.records], [2, 7, null, 3]);
        assert.ok(first?.value?.equals(batch));
        assert.deepEqual(
          rest.map(({ value }) => String(value)),
          ['a', 'b', 'c'],
        );
      }
    });

    it('unpacks no more of a batch than it may have', async () => {
      const zeros = Buffer.alloc(MOST_UNPACKED + 1_000);
      const batch = await batchOf([zeros], number);
      const [record] = await decodeStored(batch);
      assert.match(record?.unreadable?.reason ?? '', /cannot be read/);
      assert.ok(record?.value?.equals(batch));
    });
  });

it('a batch in a codec that there is not, or with other records than it says, is broken too', async () => {
  const whole = await batchOf(['a', 'b'], COMPRESSION.none);
  const unknown = Buffer.from(whole);
  unknown.writeInt16BE(5, 21);
  const more = Buffer.from(whole);
  more.writeInt32BE(3, 57);
  const longer = Buffer.from(whole);
  longer.writeInt8(100, 61);
  for (const batch of [unknown, more, longer]) assert.equal((await decodeStored(batch)).at(0)?.value?.equals(batch), true);
});

it('one fetch unpacks so much and leaves the rest for the next', async () => {
  const half = await batchOf([Buffer.alloc(MOST_UNPACKED * 0.6)], COMPRESSION.gzip);
  assert.equal((await decodeStored(Buffer.concat([half, half, half, half]))).length, 2);
});

describe('the frames of snappy-java', () => {
  const mark = Buffer.from('82534e415050590000000001 00000001'.replace(' ', ''), 'hex');
  const block = (text: string): Buffer => {
    const packed = packSnappy(Buffer.from(text));
    const size = Buffer.alloc(4);
    size.writeInt32BE(packed.length);
    return Buffer.concat([size, packed]);
  };

  it('are put together', () => {
    assert.equal(String(unpackSnappy(Buffer.concat([mark, block('one '), block('two')]), 100)), 'one two');
    assert.equal(unpackSnappy(mark, 100).length, 0);
  });

  it('are refused where they are cut off or have more than is taken all together', () => {
    const framed = Buffer.concat([mark, block('x'.repeat(60)), block('y'.repeat(60))]);
    assert.throws(() => unpackSnappy(framed.subarray(0, -1), 1_000), /behind the end/);
    assert.throws(() => unpackSnappy(framed, 100), /more than the 40/);
    assert.throws(() => unpackSnappy(Buffer.from('ffffffff0f00', 'hex'), 1_000), /more than the 1000/);
  });
});

it('bytes behind a frame of lz4 are not unpacked', async () => {
  const frame = packLz4(Buffer.from('one'));
  assert.equal(String(await codecOf(COMPRESSION.lz4)?.decompress(Buffer.concat([frame, frame]))), 'one');
});

it('a record that is stored by itself comes back whole, and other bytes do not', async () => {
  const headers = { twice: [Buffer.from('1'), Buffer.from([0xff])], empty: undefined };
  for (const [key, value] of [
    [Buffer.from('k'), Buffer.from([0, 255])],
    [null, null],
  ] as const) {
    const record = await unpackRecord(await packRecord({ key, value, headers, timestamp: 1_700_000_000_000 }));
    assert.deepEqual([record.key, record.value, record.timestamp], [key, value, 1_700_000_000_000]);
    assert.deepEqual({ ...record.headers }, headers);
  }
  const two = await batchOf(['a', 'b'], COMPRESSION.none);
  for (const bytes of [Buffer.alloc(0), gzipSync('x'), zstdCompressSync('x'), two])
    await assert.rejects(unpackRecord(bytes), { code: 'PH_BATCH_UNREADABLE' });
});
