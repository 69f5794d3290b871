import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { appendFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { type LogLimits, type LogOptions, PartitionLog } from '../../../host/src/embedded/log/partition-log.ts';
import { CorruptBatch, type Recovery } from '../../../host/src/embedded/log/segment.ts';
import { crc32c } from '../../../host/src/kafka/wire/crc32c.ts';
import { buildBatch } from './batch-builder.ts';
import { temporaryFolder } from './broker-fixture.ts';

const UNLIMITED: LogLimits = { segmentBytes: 1 << 20, maxMessageBytes: 1 << 20, retentionMs: -1, retentionBytes: -1 };
const MB = 1 << 20;

function openLog(folder: string, limits: Partial<LogLimits> = {}, options: Partial<LogOptions> = {}): PartitionLog {
  return new PartitionLog(folder, { limits: () => ({ ...UNLIMITED, ...limits }), cleanShutdown: true, ...options });
}

/** Opens a log as after a crash and says what was repaired. */
function reopenAfterCrash(folder: string): { readonly log: PartitionLog; readonly recoveries: readonly Recovery[] } {
  const recoveries: Recovery[] = [];
  const log = openLog(folder, {}, { cleanShutdown: false, onRecovery: (_, recovery) => recoveries.push(recovery) });
  return { log, recoveries };
}

function append(log: PartitionLog, ...values: string[]): number {
  const result = log.append(buildBatch({ values }));
  assert.equal(result.error, ErrorCode.NONE);
  return 'offset' in result ? result.offset : -1;
}

const segmentsOf = async (folder: string): Promise<string[]> => (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
const firstSegment = async (folder: string): Promise<string> => join(folder, (await segmentsOf(folder))[0] ?? '');

describe('partition log', () => {
  it('computes CRC-32C as the standard has it', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.from('xx123456789y'), 2, 11), 0xe3069283);
  });

  it('stores batches untouched but for the base offset', async () => {
    const log = openLog(await temporaryFolder());
    const sent = buildBatch({ values: ['a', 'b'] });
    append(log, 'first');
    const original = Buffer.from(sent);
    log.append(sent);
    const read = log.read(1, MB);
    assert.deepEqual(read?.subarray(8), original.subarray(8));
    assert.equal(read?.readBigInt64BE(0), 1n);
    await log.close();
  });

  it('reads whole batches from any offset, at least one and no more than asked for', async () => {
    const log = openLog(await temporaryFolder(), { segmentBytes: 3_000 });
    for (let i = 0; i < 50; i++) append(log, 'x'.repeat(200), 'y'.repeat(200));
    const size = buildBatch({ values: ['x'.repeat(200), 'y'.repeat(200)] }).length;
    for (let offset = 0; offset < 100; offset++) {
      const one = log.read(offset, 1);
      assert.equal(one?.length, size);
      assert.equal(one?.readBigInt64BE(0), BigInt(offset - (offset % 2)));
      const many = log.read(offset, 3 * size + 10) ?? Buffer.alloc(0);
      assert.ok(many.length % size === 0 && many.length >= size && many.length <= 3 * size);
    }
    assert.equal(log.read(100, MB), undefined);
    await log.close();
  });

  it('is the same after it was closed and opened', async () => {
    const folder = await temporaryFolder();
    const log = openLog(folder, { segmentBytes: 500 });
    for (let i = 0; i < 20; i++) append(log, 'z'.repeat(100));
    log.deleteBefore(7);
    await log.close();
    const again = openLog(folder);
    assert.deepEqual([again.startOffset, again.endOffset], [7, 20]);
    assert.equal(append(again, 'next'), 20);
    await again.close();
  });

  it('cuts off a torn tail and keeps every whole batch', async () => {
    const batch = buildBatch({ values: ['torn'] });
    for (const torn of [1, 30, 61, batch.length - 1]) {
      const folder = await temporaryFolder();
      const log = openLog(folder);
      append(log, 'a');
      append(log, 'b');
      await log.close();
      await appendFile(await firstSegment(folder), batch.subarray(0, torn));
      const { log: again, recoveries } = reopenAfterCrash(folder);
      assert.deepEqual(recoveries, [{ truncated: torn, corrupt: 0 }]);
      assert.equal(append(again, 'c'), 2);
      await again.close();
    }
  });

  it('cuts off a last batch of zeros or with a wrong checksum after a crash', async () => {
    const wrong = buildBatch({ values: ['wrong'] });
    wrong.writeUInt8((wrong.at(-2) ?? 0) ^ 1, wrong.length - 2);
    for (const tail of [Buffer.alloc(500), wrong]) {
      const folder = await temporaryFolder();
      const log = openLog(folder);
      append(log, 'a');
      await log.close();
      await appendFile(await firstSegment(folder), tail);
      const { log: again, recoveries } = reopenAfterCrash(folder);
      assert.equal(recoveries[0]?.truncated, tail.length);
      assert.equal(again.endOffset, 1);
      await again.close();
    }
  });

  it('reports a damaged batch in the middle, loses nothing behind it and never serves it', async () => {
    const folder = await temporaryFolder();
    const log = openLog(folder);
    for (const value of ['a', 'b', 'c']) append(log, value);
    await log.close();
    const path = await firstSegment(folder);
    const bytes = await readFile(path);
    const size = bytes.length / 3;
    bytes.writeUInt8((bytes[size + 65] ?? 0) ^ 0xff, size + 65);
    await writeFile(path, bytes);

    const { log: again, recoveries } = reopenAfterCrash(folder);
    assert.deepEqual(recoveries, [{ truncated: 0, corrupt: 1 }]);
    assert.equal(again.endOffset, 3);
    assert.equal(again.read(0, MB)?.length, size, 'the good batch before it');
    assert.throws(() => again.read(1, MB), CorruptBatch);
    assert.equal(again.read(2, MB)?.readBigInt64BE(0), 2n, 'the good batch behind it');
    await again.close();
    assert.throws(() => openLog(folder).read(1, MB), CorruptBatch, 'also after a clean stop');
  });

  it('refuses a batch that is damaged, lies about itself or is too large, and stays as it was', async () => {
    const log = openLog(await temporaryFolder(), { maxMessageBytes: 1_000 });
    const change = (edit: (batch: Buffer) => void, fixChecksum: boolean): Buffer => {
      const batch = buildBatch({ values: ['a', 'b'] });
      edit(batch);
      if (fixChecksum) batch.writeUInt32BE(crc32c(batch, 21), 17);
      return batch;
    };
    const cases: readonly (readonly [string, Buffer, number])[] = [
      ['nothing', Buffer.alloc(0), ErrorCode.CORRUPT_MESSAGE],
      ['a flipped bit', change((b) => b.writeUInt8(99, 64), false), ErrorCode.CORRUPT_MESSAGE],
      ['half a batch', buildBatch({ values: ['a'] }).subarray(0, 65), ErrorCode.CORRUPT_MESSAGE],
      ['two batches', Buffer.concat([buildBatch({ values: ['a'] }), buildBatch({ values: ['b'] })]), ErrorCode.INVALID_RECORD],
      ['an old format', change((b) => b.writeUInt8(1, 16), false), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
      ['a wrong count', change((b) => b.writeInt32BE(7, 57), true), ErrorCode.INVALID_RECORD],
      ['a control batch', change((b) => b.writeInt16BE(0x20, 21), true), ErrorCode.INVALID_RECORD],
      ['a transaction', change((b) => b.writeInt16BE(0x10, 21), true), ErrorCode.INVALID_TXN_STATE],
      ['an unknown codec', change((b) => b.writeInt16BE(0x07, 21), true), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
      ['too large', buildBatch({ values: ['x'.repeat(1_000)] }), ErrorCode.MESSAGE_TOO_LARGE],
    ];
    for (const [what, batch, error] of cases) assert.equal(log.append(batch).error, error, what);
    assert.equal(log.endOffset, 0);
    assert.equal(append(log, 'good'), 0);
    await log.close();
  });

  it('answers a storage error when the disk is full, with nothing half-written', async () => {
    const folder = await temporaryFolder();
    let full = false;
    const log = openLog(
      folder,
      {},
      {
        write: (fd, bytes, offset, length, position) => {
          if (!full) return writeSync(fd, bytes, offset, length, position);
          if (offset === 0) return writeSync(fd, bytes, 0, 10, position); // a part still fits
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        },
      },
    );
    append(log, 'before');
    const { size } = await stat(await firstSegment(folder));
    full = true;
    assert.equal(log.append(buildBatch({ values: ['lost'] })).error, ErrorCode.KAFKA_STORAGE_ERROR);
    assert.equal((await stat(await firstSegment(folder))).size, size);
    full = false;
    assert.equal(append(log, 'after'), 1);
    await log.close();
    assert.equal(reopenAfterCrash(folder).recoveries.length, 0);
  });

  it('removes whole segments that are past the time, the last one included', async () => {
    const folder = await temporaryFolder();
    const log = openLog(folder, { segmentBytes: 150, retentionMs: 1_000 });
    for (const timestamp of [1_000, 2_000, 3_000]) log.append(buildBatch({ values: ['x'.repeat(100)], timestamp }));
    log.applyRetention(2_500);
    assert.deepEqual([log.startOffset, log.endOffset], [1, 3]);
    assert.equal((await segmentsOf(folder)).length, 2);
    log.applyRetention(10_000);
    assert.deepEqual([log.startOffset, log.endOffset], [3, 3]);
    assert.equal(append(log, 'next'), 3);
    await log.close();
    assert.equal(openLog(folder).startOffset, 3);
  });

  it('removes the oldest segments past the size', async () => {
    const folder = await temporaryFolder();
    const log = openLog(folder, { segmentBytes: 1_000, retentionBytes: 3_000 });
    for (let i = 0; i < 40; i++) append(log, 'x'.repeat(400));
    log.applyRetention(Date.now());
    const sizes = await Promise.all((await segmentsOf(folder)).map(async (name) => (await stat(join(folder, name))).size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(total >= 3_000 && total - (sizes[0] ?? 0) < 3_000, `${total} bytes are kept`);
    assert.equal(log.endOffset, 40);
    await log.close();
  });

  it('knows a repeated batch among the last five, also after a restart or a crash', async () => {
    const folder = await temporaryFolder();
    const send = (log: PartitionLog, sequence: number) => log.append(buildBatch({ values: ['x'.repeat(300)], producerId: 7, sequence }));
    let log = openLog(folder, { segmentBytes: 1_000 });
    for (let sequence = 0; sequence < 8; sequence++) send(log, sequence);
    const check = (): void => {
      assert.deepEqual(send(log, 5), { error: ErrorCode.NONE, offset: 5 });
      assert.equal(send(log, 1).error, ErrorCode.DUPLICATE_SEQUENCE_NUMBER);
      assert.equal(send(log, 9).error, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
      assert.equal(log.endOffset, 8);
    };
    check();
    await log.close();
    log = openLog(folder);
    check();
    log = reopenAfterCrash(folder).log;
    check();
    const stale = log.append(buildBatch({ values: ['x'], producerId: 7, producerEpoch: 1, sequence: 0 }));
    assert.equal(stale.error, ErrorCode.NONE, 'a new epoch begins at 0');
    assert.equal(send(log, 8).error, ErrorCode.INVALID_PRODUCER_EPOCH);
    await log.close();
  });

  it('rebuilds what it knows of producers when its snapshot is of a longer log', async () => {
    const folder = await temporaryFolder();
    const log = openLog(folder);
    for (let sequence = 0; sequence < 3; sequence++) log.append(buildBatch({ values: ['x'], producerId: 7, sequence }));
    await log.close();
    const path = await firstSegment(folder);
    await truncate(path, ((await stat(path)).size / 3) * 2);
    const { log: again } = reopenAfterCrash(folder);
    assert.equal(again.endOffset, 2);
    assert.deepEqual(again.append(buildBatch({ values: ['x'], producerId: 7, sequence: 2 })), { error: ErrorCode.NONE, offset: 2 });
    await again.close();
  });
});
