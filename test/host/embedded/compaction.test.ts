import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { BatchFilter } from '../../../host/src/embedded/log/batch-filter.ts';
import type { CompactionLimits } from '../../../host/src/embedded/log/compaction-plan.ts';
import { KeyOffsets } from '../../../host/src/embedded/log/key-offsets.ts';
import { type LogLimits, PartitionLog } from '../../../host/src/embedded/log/partition-log.ts';
import { readBatchHeader } from '../../../host/src/embedded/log/record-batch.ts';
import { buildMarker } from '../../../host/src/embedded/log/transaction-marker.ts';
import { type BatchSpec, buildBatch, type Codec, type RecordSpec, readBatches } from './batch-builder.ts';
import { temporaryFolder } from './broker-fixture.ts';
import { LogModel, PRODUCERS, readCommitted, readWhole } from './log-model.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_125);
console.log(`compaction seed ${SEED} (FUZZ_SEED=… to change it)`);

const COMPACTION: CompactionLimits = {
  ...{ deleteRetentionMs: 1_000, minCleanableRatio: 0, minLagMs: 0 },
  ...{ maxLagMs: Number.MAX_SAFE_INTEGER, segmentMs: Number.MAX_SAFE_INTEGER },
};
const LIMITS: LogLimits = {
  ...{ segmentBytes: 500, maxMessageBytes: 1 << 20, retentionMs: -1, retentionBytes: -1 },
  compaction: COMPACTION,
};
const GOING_ON = new AbortController().signal;

interface LogSpec extends Partial<CompactionLimits> {
  readonly folder?: string;
  readonly retentionMs?: number;
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
}

async function openLog({
  folder,
  retentionMs = -1,
  retentionBytes = -1,
  segmentBytes = 500,
  ...compaction
}: LogSpec = {}): Promise<PartitionLog> {
  const limits: LogLimits = { ...LIMITS, segmentBytes, retentionMs, retentionBytes, compaction: { ...COMPACTION, ...compaction } };
  return new PartitionLog(folder ?? (await temporaryFolder()), { limits: () => limits, cleanShutdown: true });
}

function put(log: PartitionLog, key: string, value: string | null, timestamp = 1_000): void {
  assert.equal(log.append(buildBatch({ values: [{ key, value }], timestamp })).error, ErrorCode.NONE);
}

/** Two hundred bytes of value, so that a segment of the tests holds two records. */
const big = (text: string): string => text.padEnd(200, '.');
const names = (log: PartitionLog): readonly string[] =>
  readCommitted(log).map(({ key, value }) => `${key}=${value === null ? 'deleted' : value.replace(/\.+$/, '')}`);
const segmentsIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort();

describe('compaction', () => {
  it('keeps the latest record of each key at its offset, and never touches the segment that is written to', async () => {
    const log = await openLog();
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['c', '1'],
      ['b', '2'],
      ['a', '3'],
      ['a', '4'],
    ] as const)
      put(log, key, big(value));
    assert.equal(await log.compact(2_000, GOING_ON), true);
    // Two records a segment: the last lies alone in the one that is written to.
    assert.deepEqual(names(log), ['c=1', 'b=2', 'a=3', 'a=4']);
    assert.deepEqual(
      readCommitted(log).map(({ offset }) => offset),
      [3, 4, 5, 6],
    );
    assert.deepEqual([log.startOffset, log.endOffset], [0, 7]);
    assert.deepEqual(
      readCommitted(log, 1).map(({ offset }) => offset),
      [3, 4, 5, 6],
      'from inside the gap',
    );
    assert.equal(await log.compact(2_000, GOING_ON), false, 'there is nothing more to gain');
    await log.close();
  });

  it('makes one file of small leftovers', async () => {
    const log = await openLog();
    for (let i = 0; i < 40; i++) put(log, `k${i % 2}`, big(String(i)));
    const before = segmentsIn(log.folder).length;
    await log.compact(2_000, GOING_ON);
    for (let i = 0; i < 4; i++) put(log, 'other', big(String(i)));
    await log.compact(2_000, GOING_ON);
    assert.ok(segmentsIn(log.folder).length < before / 4, `${before} files became ${segmentsIn(log.folder).length}`);
    await log.close();
  });

  it('keeps a tombstone until its time is over, also when nothing else happens, and brings nothing back', async () => {
    const log = await openLog();
    put(log, 'gone', big('1'));
    put(log, 'gone', null);
    for (let i = 0; i < 4; i++) put(log, 'stays', big(String(i)));
    await log.compact(2_000, GOING_ON);
    assert.deepEqual(names(log)[0], 'gone=deleted');
    assert.equal(readCommitted(log)[0]?.timestamp, 1_000, 'with its own time');
    assert.equal(await log.compact(2_999, GOING_ON), false);
    assert.equal(await log.compact(3_000, GOING_ON), true);
    assert.ok(names(log).every((name) => name.startsWith('stays=')));
    await log.close();
  });

  it('waits until enough is new, unless a record has waited too long', async () => {
    const log = await openLog({ minCleanableRatio: 0.5, maxLagMs: 60_000 });
    for (let i = 0; i < 9; i++) put(log, `k${i}`, big('1'));
    assert.equal(await log.compact(2_000, GOING_ON), true, 'all of it is new');
    for (let i = 0; i < 4; i++) put(log, 'k0', big('2'), 3_000);
    assert.equal(await log.compact(4_000, GOING_ON), false, 'less than half is');
    assert.equal(await log.compact(63_001, GOING_ON), true, 'but it is overdue');
    await log.close();
  });

  it('leaves records alone until min.compaction.lag.ms has passed', async () => {
    const log = await openLog({ minLagMs: 500 });
    for (let i = 0; i < 5; i++) put(log, 'k', big(String(i)), 1_000);
    assert.equal(await log.compact(1_400, GOING_ON), false);
    assert.equal(await log.compact(1_500, GOING_ON), true);
    assert.deepEqual(names(log), ['k=3', 'k=4']);
    await log.close();
  });

  it('ends a segment that has been written to for too long, and compacts it when there is another', async () => {
    const log = await openLog({ segmentMs: 5_000, segmentBytes: 1 << 20 });
    for (const value of ['1', '2', '3']) put(log, 'k', value, 1_000);
    assert.equal(await log.compact(6_000, GOING_ON), false);
    assert.equal(await log.compact(6_001, GOING_ON), false, 'the last records of a log stay, so that readers reach its end');
    put(log, 'k', '4', 7_000);
    assert.equal(await log.compact(7_000, GOING_ON), true);
    assert.deepEqual(names(log), ['k=3', 'k=4']);
    await log.close();
  });

  it('refuses a record without key and a batch that it cannot look into, and takes out the records without key that were there before', async () => {
    const folder = await temporaryFolder();
    const plain = new PartitionLog(folder, { limits: () => ({ ...LIMITS, compaction: undefined as never }), cleanShutdown: true });
    for (const values of [['no key'], [{ key: 'k', value: big('1') }], ['no key either']] as const) plain.append(buildBatch({ values }));
    plain.append(buildBatch({ values: [{ key: 'k', value: 'packed' }], codec: 'snappy', broken: true }));
    await plain.close();
    const log = await openLog({ folder });
    const refusal = (values: readonly RecordSpec[], more: Pick<BatchSpec, 'codec' | 'broken'> = {}) =>
      log.append(buildBatch({ values, ...more })).error;
    assert.equal(
      refusal([
        { key: 'k', value: '1' },
        { key: null, value: '2' },
      ]),
      ErrorCode.INVALID_RECORD,
    );
    for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
      assert.equal(refusal([{ value: '2' }], { codec }), ErrorCode.INVALID_RECORD);
      assert.equal(refusal([{ key: 'k', value: '1' }], { codec, broken: true }), ErrorCode.INVALID_RECORD);
    }
    assert.equal(log.endOffset, 4);
    for (let i = 2; i < 5; i++) put(log, 'k', big(String(i)));
    await log.compact(2_000, GOING_ON);
    assert.deepEqual(
      readWhole(log).flatMap(({ records }) => records.map(({ offset }) => offset)),
      [3, 5, 6],
      'what it cannot look into stays as it is',
    );
    await log.close();
  });

  it('takes no longer than there is room for keys, in several rounds', async () => {
    const folder = await temporaryFolder();
    const log = new PartitionLog(folder, { limits: () => LIMITS, cleanShutdown: true, keysAtOnce: 5 });
    for (let round = 0; round < 3; round++) for (let key = 0; key < 20; key++) put(log, `k${key}`, big(String(round)));
    put(log, 'last', big('2'));
    put(log, 'last', big('2'));
    let rounds = 0;
    while (await log.compact(2_000, GOING_ON)) rounds += 1;
    assert.ok(rounds > 5, `${rounds} rounds`);
    assert.deepEqual(
      names(log).map((name) => name.split('=')[1]),
      Array.from({ length: 22 }, () => '2'),
    );
    await log.close();
  });

  it('drops no tombstone before the round that knows its key, so that what it deleted does not come back', async () => {
    const limits = { ...LIMITS, segmentBytes: 300 };
    const log = new PartitionLog(await temporaryFolder(), { limits: () => limits, cleanShutdown: true, keysAtOnce: 1 });
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', null],
    ] as const)
      put(log, key, value);
    for (let i = 0; i < 3; i++) put(log, 'z', big(String(i)));
    for (let now = 2_000; now < 30_000; now += 2_000) {
      await log.compact(now, GOING_ON);
      const ofA = names(log).filter((name) => name.startsWith('a='));
      assert.ok(ofA.length === 0 || ofA.at(-1) === 'a=deleted', `at ${now}: ${ofA.join()}`);
    }
    assert.deepEqual(names(log), ['b=1', 'z=1', 'z=2']);
    await log.close();
  });

  it('drops a marker only where an earlier compaction has removed all that it ends', () => {
    const filtered = (bytes: Buffer, cleanedTo: number): Buffer | undefined => {
      const rules = { latest: new KeyOffsets(1), isAborted: () => false, cleanedTo, to: 10, now: 5_000, deleteRetentionMs: 0 };
      return new BatchFilter(rules).apply({ header: readBatchHeader(bytes, 0), intact: true, bytes });
    };
    const marker = filtered(buildMarker({ producerId: 1, producerEpoch: 0, committed: false }, 1_000), 0);
    assert.ok(marker);
    assert.equal(readBatches(marker)[0]?.records[0]?.timestamp, 1_000, 'with its own time');
    assert.equal(filtered(marker, 0), marker);
    assert.equal(filtered(marker, 1), undefined);
  });

  it('does not go past an open transaction, and removes aborted records with their marker in the end', async () => {
    const log = await openLog();
    const write = (producerId: number, sequence: number, value: string): void => {
      const batch = buildBatch({ values: [{ key: 'k', value: big(value) }], producerId, sequence, transactional: true });
      assert.equal(log.append(batch, () => ErrorCode.NONE).error, ErrorCode.NONE);
    };
    const end = (producerId: number, committed: boolean) => log.endTransaction({ producerId, producerEpoch: 0, committed }, 1_000);
    put(log, 'k', big('kept'));
    write(1, 0, 'aborted');
    end(1, false);
    write(2, 0, 'open');
    for (let i = 0; i < 6; i++) put(log, 'x', big(String(i)));
    await log.compact(2_000, GOING_ON);
    assert.deepEqual(names(log), ['k=kept'], 'an aborted record replaces nothing');
    assert.equal(readWhole(log).filter(({ producerId }) => producerId === 1).length, 1, 'its marker stays for a while');
    end(2, true);
    await log.compact(2_000, GOING_ON);
    await log.compact(5_000, GOING_ON);
    assert.deepEqual(names(log).slice(0, 1), ['k=open']);
    assert.equal(readWhole(log).filter(({ producerId }) => producerId === 1).length, 0, 'and goes when its time is over');
    assert.equal(readWhole(log).filter(({ marker }) => marker === 'commit').length, 1, 'a marker stays with its records');
    await log.close();
  });

  it('works together with retention by time and by size', async () => {
    const byTime = await openLog({ retentionMs: 5_000 });
    for (let i = 0; i < 6; i++) put(byTime, 'old', big(String(i)), 1_000);
    for (let i = 0; i < 5; i++) put(byTime, 'new', big(String(i)), 4_000);
    await byTime.compact(5_000, GOING_ON);
    byTime.applyRetention(7_000);
    assert.deepEqual(names(byTime), ['new=3', 'new=4']);
    assert.ok(byTime.startOffset > 0);
    assert.equal(readWhole(byTime, byTime.startOffset)[0]?.records[0]?.value?.slice(0, 1), '3');
    await byTime.close();

    const bySize = await openLog({ retentionBytes: 1_000 });
    for (let i = 0; i < 20; i++) put(bySize, `k${i}`, big(String(i)));
    await bySize.compact(2_000, GOING_ON);
    assert.equal(names(bySize).length, 20, 'there is nothing to compact');
    bySize.applyRetention(2_000);
    assert.ok(names(bySize).length < 8);
    await bySize.close();
  });

  it('leaves the log alone when retention takes its segments away meanwhile, or when it is told to stop', async () => {
    const log = await openLog({ retentionMs: 5_000, segmentBytes: 100_000 });
    for (let i = 0; i < 4_000; i++) put(log, `k${i % 3}`, big(String(i)), i < 3_900 ? 1_000 : 9_000);
    const running = log.compact(9_000, GOING_ON);
    await new Promise((resolve) => setImmediate(resolve));
    log.applyRetention(9_000);
    assert.equal(await running, false);
    assert.equal(names(log).at(-1), 'k0=3999');
    const stop = new AbortController();
    const stopped = log.compact(9_000, stop.signal);
    stop.abort();
    assert.equal(await stopped, false);
    assert.deepEqual(
      readdirSync(log.folder).filter((name) => /cleaned|swap/.test(name)),
      [],
    );
    await log.close();
  });

  it('is whole whichever step of the swap a crash comes after', async () => {
    const origin = await temporaryFolder();
    const small = await openLog({ folder: origin, segmentBytes: 300 });
    for (let i = 0; i < 30; i++) put(small, `k${i % 4}`, String(i).padEnd(i % 3 === 0 ? 200 : 20, '.'));
    await small.close();
    const log = await openLog({ folder: origin, segmentBytes: 1_000 });
    const expected = (): readonly string[] => [...new Map(names(log).map((name) => [name.split('=')[0], name])).values()].sort();
    const latest = expected();
    await log.flush();
    const before = await temporaryFolder();
    cpSync(origin, before, { recursive: true });
    await log.compact(2_000, GOING_ON);
    await log.flush();
    const sources = segmentsIn(before);
    const results = segmentsIn(origin);
    const [first = ''] = results;
    const second = results[1] ?? '';
    const replaced = sources.filter((name) => name > first && name < second);
    assert.ok(replaced.length > 0, 'several files become one');

    for (let step = 0; step <= replaced.length + 2; step++) {
      const folder = await temporaryFolder();
      cpSync(before, folder, { recursive: true });
      cpSync(join(origin, first), join(folder, `${first}.${step === 0 ? 'cleaned' : 'swap'}`));
      if (step === 0) appendFileSync(join(folder, `${first}.cleaned`), 'torn');
      for (const name of replaced.slice(0, Math.max(step - 1, 0))) rmSync(join(folder, name));
      if (step === replaced.length + 2) renameSync(join(folder, `${first}.swap`), join(folder, first));
      const again = new PartitionLog(folder, { limits: () => LIMITS, cleanShutdown: false });
      assert.deepEqual([...new Map(names(again).map((name) => [name.split('=')[0], name])).values()].sort(), latest, `step ${step}`);
      assert.equal(again.endOffset, 30);
      assert.deepEqual(
        readdirSync(folder).filter((name) => /cleaned|swap/.test(name)),
        [],
      );
      await again.compact(2_000, GOING_ON);
      assert.deepEqual([...new Map(names(again).map((name) => [name.split('=')[0], name])).values()].sort(), latest);
      await again.close();
    }
    await log.close();
  });

  it('loses nothing when the process is killed in the middle of it, again and again', async () => {
    const folder = await temporaryFolder();
    const script = fileURLToPath(new URL('./compaction-process.ts', import.meta.url));
    let acknowledged = -1;
    let compactions = 0;
    for (let kill = 0; kill < 5; kill++) {
      const child = spawn(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', script, folder, String(acknowledged + 1)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      const wanted = compactions + 5;
      for await (const line of createInterface({ input: child.stdout })) {
        if (line === 'compacted') compactions += 1;
        else acknowledged = Math.max(acknowledged, Number(line));
        if (compactions < wanted || child.killed) continue;
        await delay(kill * 3); // somewhere else in the work each time
        child.kill('SIGKILL');
      }
      await exited;
      const log = new PartitionLog(folder, { limits: () => ({ ...LIMITS, segmentBytes: 20_000 }), cleanShutdown: false });
      const latest = new Map<string | null, number>();
      for (const { key, value } of readCommitted(log, 0, 1 << 20)) {
        assert.ok(Number(value) > (latest.get(key) ?? -1), 'in order');
        latest.set(key, Number(value));
      }
      for (let n = Math.max(acknowledged - 99, 0); n <= acknowledged; n++)
        assert.ok((latest.get(`k${n % 100}`) ?? -1) >= n, `record ${n} was acknowledged and is gone`);
      acknowledged = Math.max(acknowledged, ...latest.values());
      await log.close();
    }
    assert.ok(existsSync(join(folder, 'compaction.json')));
  });

  it('agrees with a model under any schedule of writers, transactions, compactions, restarts and crashes', async () => {
    const keys = fc.array(fc.nat(9), { minLength: 1, maxLength: 4 });
    const producer = fc.constantFrom(...PRODUCERS);
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('write' as const),
          keys,
          by: fc.oneof(fc.constant(-1), producer),
          tombstones: fc.boolean(),
          codec: fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4', 'zstd'),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), by: producer, committed: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), by: producer }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), cleanly: fc.boolean() }) },
    );
    const settings = fc.record({
      minLagMs: fc.constantFrom(0, 400),
      keysAtOnce: fc.constantFrom(3, 1_000),
      maxBytes: fc.constantFrom(1, 600, 1 << 20),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), settings, async (steps, { minLagMs, keysAtOnce, maxBytes }) => {
        const model = new LogModel(await temporaryFolder(), { ...LIMITS, compaction: { ...COMPACTION, minLagMs } }, keysAtOnce);
        for (const next of steps) {
          if (next.do === 'write') model.write(next.by, next.keys, next.tombstones, next.codec);
          else if (next.do === 'end') model.end(next.by, next.committed);
          else if (next.do === 'wait') model.now += next.ms;
          else if (next.do === 'repeat') model.repeat(next.by);
          else if (next.do === 'reopen') await model.reopen(next.cleanly);
          else await model.compact();
          if (next.do === 'compact' || next.do === 'reopen') model.check(maxBytes);
        }
        model.check(maxBytes);
        await model.log.close();
      }),
      { seed: SEED, numRuns: 120 },
    );
  });
});
