import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, done } from '@pipeline-host/sdk';
import { decodeAhead, encodeAhead } from '../../../host/src/engine/intake/commit-metadata.ts';
import type { Span } from '../../../host/src/engine/intake/ledger.ts';
import { jobs, MemoryUnit, until } from './in-memory-unit.ts';

const SOURCE = { topic: 'p.jobs', partition: 0 };
const LANE = { topic: 'p.w.retry', partition: 1 };

/** A worker that notes what it was given. */
function noting() {
  const seen: number[] = [];
  const unit = new MemoryUnit({
    definition: defineWorker({
      consumes: jobs,
      handle: (job) => {
        seen.push(job.n);
        return done();
      },
    }),
  });
  return { unit, seen };
}

const metadata = (committed: number, ...ahead: readonly Span[]): string => encodeAhead(committed, ahead).text;
const job = (n: number) => ({ id: `key ${n}`, n });
const record = (n: number, headers: Readonly<Record<string, string>> = {}) => ({
  key: Buffer.from(job(n).id),
  value: Buffer.from(JSON.stringify(job(n))),
  headers,
});

describe('a partition that an earlier owner has committed with settled records above the offset', () => {
  it('gives the handler only those that were open', async () => {
    const { unit, seen } = noting();
    await unit.assign([{ ...SOURCE, committed: 2, metadata: metadata(2, { from: 4, to: 6 }, { from: 7, to: 8 }) }]);
    unit.deliverJobs([0, 1, 2, 3, 4, 5, 6, 7, 8].map(job));
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(seen, [2, 3, 6, 8]);
    assert.equal(unit.intake.tally.received, 4);
    assert.equal(await unit.committedOffset(), 9);
    unit.close();
  });

  it('keeps what it has not reached yet in its own commits', async () => {
    const { unit } = noting();
    await unit.assign([{ ...SOURCE, committed: 0, metadata: metadata(0, { from: 1, to: 2 }, { from: 5, to: 9 }) }]);
    unit.deliver(
      [0, 1, 2].map((n) => record(n)),
      { highWatermark: 20 },
    );
    await unit.intake.commit();
    const last = unit.commits.at(-1);
    assert.equal(last?.offset, 3);
    assert.deepEqual(decodeAhead(3, last?.metadata ?? ''), [{ from: 5, to: 9 }]);
    unit.close();
  });

  it('waits for no delayed record that was settled', async () => {
    const { unit, seen } = noting();
    await unit.assign([{ ...LANE, metadata: metadata(0, { from: 0, to: 1 }) }]);
    unit.deliver([record(0, { 'ph.due-at': String(Date.now() + 60_000) }), record(1, { 'ph.due-at': '0' })], LANE);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(seen, [1]);
    unit.close();
  });

  it('is read from the offset on where its metadata cannot be read', async () => {
    const { unit, seen } = noting();
    await unit.assign([{ ...SOURCE, committed: 1, metadata: metadata(0, { from: 2, to: 4 }) }]);
    unit.deliverJobs([0, 1, 2, 3].map(job));
    assert.deepEqual(seen, [1, 2, 3]);
    unit.close();
  });

  it('is read from the offset on where its end was lost: other records stand there now', async () => {
    const { unit, seen } = noting();
    await unit.assign([{ ...SOURCE, committed: 1, metadata: metadata(1, { from: 2, to: 9 }) }]);
    unit.deliverJobs([0, 1, 2, 3].map(job));
    assert.deepEqual(seen, [1, 2, 3]);
    unit.close();
  });
});

describe('a record of a newer schema', () => {
  const newer = record(1, { 'ph.schema': 'jobs@2' });

  it('stops its partition, and the others go on', async () => {
    const { unit, seen } = noting();
    await unit.assign([SOURCE, { topic: 'p.jobs', partition: 1 }]);
    unit.deliver([record(0, { 'ph.schema': 'jobs@1' }), newer, record(2)]);
    unit.deliver([record(3)], { partition: 1 });
    assert.deepEqual(seen, [0, 3]);
    assert.deepEqual([...unit.paused], ['p.jobs/0']);
    assert.equal(await unit.committedOffset(), 1);
    assert.deepEqual(unit.producer.sent, []);
    assert.equal(unit.intake.partitions[0]?.newer?.version, 2);
    unit.close();
  });

  it('is looked at again after one second, then after twice as long, and never less often than each minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { unit, seen } = noting();
    await unit.assign();
    const give = (offset: number) =>
      unit.intake.receive({ ...SOURCE, epoch: 1, highWatermark: 2, lastOffset: offset, records: [{ offset, timestamp: 0, ...newer }] });
    for (const wait of [1, 2, 4, 8, 16, 32, 60, 60]) {
      give(0);
      assert.deepEqual(unit.seeks.at(-1), { ...SOURCE, offset: 0 });
      t.mock.timers.tick(wait * 1_000 - 1);
      assert.equal(unit.paused.size, 1, `${wait} s`);
      t.mock.timers.tick(1);
      assert.equal(unit.paused.size, 0, `${wait} s`);
    }
    // Somebody took it away, or moved the group past it.
    unit.intake.receive({ ...SOURCE, epoch: 1, highWatermark: 2, lastOffset: 1, records: [{ offset: 1, timestamp: 0, ...record(7) }] });
    assert.deepEqual(seen, [7]);
    assert.equal(unit.intake.partitions[0]?.newer, null);
    unit.close();
  });

  it('is any whose header names a higher number, whoever wrote it; what names none is of the version at hand', async () => {
    for (const [header, waits] of [
      ['jobs@2', true],
      ['other.name@17', true],
      ['2', true],
      ['jobs@1', false],
      ['jobs', false],
      ['', false],
      ['jobs@1.5', false],
    ] as const) {
      const { unit, seen } = noting();
      await unit.assign();
      unit.deliver([record(0, { 'ph.schema': header })]);
      assert.equal(seen.length === 0, waits, header);
      unit.close();
    }
  });
});
