import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PermanentError, UnavailableError } from '@pipeline-host/sdk';
import { DeltaTable, TxnConflictError } from '../../../host/src/delta/index.ts';
import { WriterOffsets } from '../../../host/src/engine/tables/writer-offsets.ts';
import { HEADER } from '../../../host/src/retry/headers.ts';
import { column, type Lake } from '../delta/delta-fixture.ts';
import { until } from './in-memory-unit.ts';
import { openLake, TableUnit } from './table-unit.ts';

const REFUSED = 'too-large';
/** A whole number, but not one of 32 bits. */
const refusedRows = (job: { id: string }) => ({ first: [{ id: job.id, n: job.id === REFUSED ? 2 ** 40 : 0 }] });

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

/** Resolves when a writer that began only now has its batch in its table: one that began before would have had the time for it too. */
async function anotherIsThrough(name: string): Promise<void> {
  const other = await TableUnit.open({ lake, name });
  await other.assign();
  other.deliver(['x', 'y', 'z']);
  await until(() => other.committed === 3, 'the other writer is through');
  other.close();
}

/** A gate that is closed until it is opened. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: () => resolve() };
}

async function dataFiles(unit: string): Promise<number> {
  return (await lake.store.list(`${unit}-first`)).filter(({ path }) => path.endsWith('.parquet')).length;
}

async function untilFiles(unit: string, count: number): Promise<void> {
  for (const end = performance.now() + 30_000; (await dataFiles(unit)) !== count; )
    if (performance.now() > end) throw new Error(`not ${count} files`);
}

async function settleDown(): Promise<void> {
  for (let count = 0; count < 50; count++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a table writer', () => {
  it('writes each batch once, and commits its offsets after it', async () => {
    const unit = await TableUnit.open({ lake, name: 'plain', tables: 2 });
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await until(() => unit.committed === 6, 'committed');
    assert.deepEqual(await unit.ids(0), ['a', 'b', 'c', 'd', 'e', 'f']);
    assert.deepEqual(await unit.ids(1), ['a', 'b', 'c', 'd', 'e', 'f']);
    unit.close();
  });

  for (const tables of [1, 2] as const)
    it(`writes the rows of a batch that waits as they were, though later ones are made meanwhile, into ${tables === 1 ? 'one table' : 'two tables'}`, async (t) => {
      const unit = await TableUnit.open({ lake, name: `later-${tables}`, tables });
      t.after(() => unit.close());
      const waiting = gate();
      const [at, what] = [unit.at(0), tables === 1 ? 'stage' : 'before'] as const;
      at[what] = () => waiting.passed;
      await unit.assign();
      const ids = Array.from({ length: 30 }, (_, n) => `job ${String(n).padStart(2, '0')}`);
      unit.deliver(ids);
      await until(() => unit.intake.tally.received === 30, 'all records are here');
      await settleDown();
      waiting.open();
      await until(() => unit.committed === 30, 'committed');
      for (const table of [0, 1].slice(0, tables)) assert.deepEqual(await unit.ids(table), ids);
    });

  it('writes no row of a record that has a row which does not fit', async (t) => {
    const rows = ({ id }: { id: string }) => ({ first: [{ id, n: 0 }], second: [{ id, n: id === REFUSED ? 'many' : 0 }] });
    const unit = await TableUnit.open({ lake, name: 'unfit', tables: 2, rows, flush: { rows: 6, bytes: 1e6, age: 600_000 } });
    t.after(() => unit.close());
    await unit.assign();
    unit.deliver(['a', REFUSED, 'c', 'd']);
    await until(() => unit.committed === 4, 'committed');
    for (const table of [0, 1]) assert.deepEqual(await unit.ids(table), ['a', 'c', 'd']);
    assert.equal(unit.intake.tally.dead, 1);
  });

  it('writes what it has when its records fill their budget, and does not wait for its flush', async () => {
    const unit = await TableUnit.open({ lake, name: 'budget', flush: { rows: 1_000, bytes: 1e6, age: 600_000 }, byteBudget: 1_000 });
    await unit.assign();
    const ids = Array.from({ length: 40 }, (_, n) => `job ${String(n).padStart(2, '0')}`);
    unit.deliver(ids);
    // Records take some 160 bytes each, so a batch has four.
    await until(() => unit.committed === 40, 'committed');
    assert.deepEqual(await unit.ids(), ids);
    unit.close();
  });

  it('lets the event loop have its turn between the records of a large fetch', async () => {
    let made = 0;
    /** A plugin that is slow, and waits for nothing. */
    const rows = (job: { id: string }) => {
      made += 1;
      for (const end = performance.now() + 4; performance.now() < end; );
      return { first: [{ id: job.id, n: 0 }] };
    };
    const unit = await TableUnit.open({ lake, name: 'turns', rows, flush: { rows: 40, bytes: 1e6, age: 60_000 } });
    await unit.assign();
    unit.deliver(Array.from({ length: 40 }, (_, n) => `${n}`));
    assert.ok(made < 40, 'all were taken at once');
    await until(() => unit.committed === 40, 'committed');
    unit.close();
  });

  it('raises an alert where nobody puts the small files of its table together', async (context) => {
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const unit = await TableUnit.open({ lake, name: 'neglected', flush: { rows: 1, bytes: 1e6, age: 600_000 } });
    const row = Buffer.from('{"id":"x","n":0}\n');
    for (let commit = 0; commit < 160; commit++) await unit.tables[0]?.append({ ndjson: row, rows: 1 });
    await unit.assign();
    unit.deliver(['a']);
    await until(() => unit.committed === 1, 'committed');
    assert.deepEqual(unit.sink.alerts, []);
    context.mock.timers.setTime(Date.now() + 3_700_000);
    unit.deliver(['b']);
    await until(() => unit.committed === 2, 'committed');
    assert.deepEqual(
      unit.sink.alerts.map(({ code }) => code),
      ['PH_DELTA_SMALL_FILES'],
    );
    unit.close();
  });

  it('writes the dead letter of a refused row before the offsets that cover it', async () => {
    const unit = await TableUnit.open({ lake, name: 'refused', rows: refusedRows });
    unit.producer.holding = true;
    await unit.assign();
    unit.deliver(['a', REFUSED, 'c']);
    await until(() => unit.producer.sent.length === 1, 'the dead letter is on its way');
    await anotherIsThrough('refused-beside');
    assert.deepEqual(await unit.ids(), []);
    // Killed here and started again: the record is still there to be found out.
    unit.close();
    const next = await TableUnit.open({ lake, name: 'refused', rows: refusedRows });
    await next.assign();
    next.deliver(['a', REFUSED, 'c']);
    await until(() => next.committed === 3, 'committed');
    assert.deepEqual(await next.ids(), ['a', 'c']);
    assert.equal(next.producer.sent.length, 1);
    assert.deepEqual({ ...next.intake.tally }, { received: 3, done: 2, skipped: 0, retried: 0, dead: 1 });
    next.close();
  });

  it('writes nothing above a batch that failed for good', async () => {
    const unit = await TableUnit.open({ lake, name: 'failed' });
    let failures = 0;
    unit.at(0).before = async () => {
      if (failures++ === 0) throw new PermanentError('PH_DELTA_APPEND_ONLY', 'no');
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await until(() => unit.fatal !== undefined, 'failed');
    unit.deliver(['g', 'h', 'i']);
    await anotherIsThrough('failed-beside');
    assert.deepEqual(await unit.ids(), []);
    assert.equal(unit.committed, 0);
    unit.close();
    const next = await TableUnit.open({ lake, name: 'failed' });
    await next.assign();
    next.deliver(['a', 'b', 'c']);
    await until(() => next.committed === 3, 'committed');
    assert.deepEqual(await next.ids(), ['a', 'b', 'c']);
    next.close();
  });

  it('waits out a storage that is down and goes on in order', async () => {
    const unit = await TableUnit.open({ lake, name: 'down' });
    let down = true;
    unit.at(0).before = async () => {
      if (down) throw new UnavailableError('PH_STORAGE_UNAVAILABLE', 'down');
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await until(() => unit.pause !== null, 'paused');
    down = false;
    await until(() => unit.committed === 6, 'committed');
    assert.equal(unit.pause, null);
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c', 'd', 'e', 'f']);
    unit.close();
  });

  it('waits for a table whose folder was moved away, makes no other in its place, and goes on when it is back', async (t) => {
    const unit = await TableUnit.open({ lake, name: 'moved' });
    t.after(() => unit.close());
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    const folder = join(lake.folder, 'tables', 'moved-first');
    const away = join(lake.folder, 'moved-away');
    await rename(folder, away);
    let looks = 0;
    unit.at(0).refresh = async () => {
      looks++;
    };
    unit.deliver(['d', 'e', 'f']);
    await until(() => unit.pause !== null && looks > 0, 'paused and tried again');
    assert.deepEqual([unit.pause?.code, unit.pause?.class], ['PH_DELTA_GONE', 'unavailable']);
    assert.equal(existsSync(folder), false);
    await rename(away, folder);
    await until(() => unit.committed === 6, 'committed');
    assert.deepEqual([unit.pause, unit.fatal], [null, undefined]);
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('goes on at once where another writer adds a column, and stops with the reason where it makes one that must be filled', async (t) => {
    const unit = await TableUnit.open({ lake, name: 'changed' });
    t.after(() => unit.close());
    const columns = [column('id', 'string', false), column('n', 'integer', false), column('theirs')];
    const create = { name: 'changed-first', columns, partitionBy: [] };
    let isChanged = false;
    unit.at(0).before = async () => {
      if (!isChanged) await DeltaTable.open(lake.engine, lake.store, 'changed-first', { create, addColumns: true });
      isChanged = true;
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    assert.deepEqual(unit.pauses, []);
    assert.equal(unit.tables[0]?.columns.length, 3);

    const log = await lake.text('changed-first/_delta_log/00000000000000000001.json');
    const metaData = log.split('\n').find((line) => line.includes('"metaData"')) ?? '';
    const required = metaData.replace(
      String.raw`"theirs\",\"type\":\"string\",\"nullable\":true`,
      String.raw`"theirs\",\"type\":\"string\",\"nullable\":false`,
    );
    assert.notEqual(required, metaData);
    await lake.write('changed-first/_delta_log/00000000000000000003.json', `${required}\n`);
    unit.deliver(['d', 'e', 'f']);
    await until(() => unit.fatal !== undefined, 'stopped');
    assert.match(String(unit.fatal), /theirs must not be null there, and the definition has no such column/);
    assert.deepEqual([unit.pauses, unit.committed, await lake.open('changed-first').then((table) => table.count())], [[], 3, 3]);
  });

  it('does not make the next assignment wait for a storage that failed the last one', async () => {
    const unit = await TableUnit.open({ lake, name: 'waiting' });
    let down = true;
    unit.at(0).before = async () => {
      if (down) throw Object.assign(new UnavailableError('PH_STORAGE_UNAVAILABLE', 'down'), { retryAfter: 600_000 });
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.pause !== null, 'paused');
    unit.intake.lose();
    down = false;
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c']);
    unit.close();
  });

  it('settles nothing when it is stopped while the storage is down', async () => {
    const unit = await TableUnit.open({ lake, name: 'stopped' });
    unit.at(0).before = async () => {
      throw new UnavailableError('PH_STORAGE_UNAVAILABLE', 'down');
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd']);
    await until(() => unit.pause !== null, 'paused');
    const began = performance.now();
    await unit.sink.drain(Date.now() + 200);
    assert.ok(performance.now() - began < 2_000);
    unit.sink.close();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.equal(unit.intake.tally.done, 0);
    assert.equal(unit.committed, 0);
    unit.close();
  });

  it('writes the files of the next batch while one is on its way, and commits them after it', async () => {
    const unit = await TableUnit.open({ lake, name: 'staged' });
    const first = gate();
    unit.at(0).before = () => first.passed;
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']);
    await untilFiles('staged', 2);
    await settleDown();
    assert.equal(unit.committed, 0);
    assert.equal(await dataFiles('staged'), 2);
    first.open();
    await until(() => unit.committed === 9, 'committed');
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']);
    assert.equal(await dataFiles('staged'), 3);
    unit.close();
  });

  it('deletes the files of a batch that it leaves to the next owner', async () => {
    const unit = await TableUnit.open({ lake, name: 'staged-lost' });
    const first = gate();
    unit.at(0).before = () => first.passed;
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await untilFiles('staged-lost', 2);
    unit.intake.lose();
    first.open();
    await untilFiles('staged-lost', 1);
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c']);
    unit.close();
  });

  it('has each row once where a commit of a lost assignment lands late', async () => {
    const unit = await TableUnit.open({ lake, name: 'late' });
    const late = gate();
    let calls = 0;
    unit.at(0).before = async () => {
      if (++calls === 1) await late.passed;
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => calls === 1, 'on its way');
    unit.intake.lose();
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await settleDown();
    late.open();
    await until(() => unit.committed === 6, 'committed');
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c', 'd', 'e', 'f']);
    unit.close();
  });

  it('has each row once where the former owner commits between the choice of rows and the commit', async () => {
    const former = await TableUnit.open({ lake, name: 'former' });
    const unit = await TableUnit.open({ lake, name: 'former', flush: { rows: 6, bytes: 1e6, age: 60_000 } });
    const late = gate();
    former.at(0).before = () => late.passed;
    await former.assign();
    former.deliver(['a', 'b', 'c']);
    await settleDown();
    unit.at(0).before = async () => {
      late.open();
      await until(() => former.committed === 3, 'the former owner committed');
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c', 'd', 'e', 'f']);
    await until(() => unit.committed === 6, 'committed');
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c', 'd', 'e', 'f']);
    former.close();
    unit.close();
  });

  it('takes the rows of a partition out that another owner has written, and commits those of the others', async () => {
    const zombie = await TableUnit.open({ lake, name: 'zombie', flush: { rows: 5, bytes: 1e6, age: 60_000 } });
    const owner = await TableUnit.open({ lake, name: 'zombie', flush: { rows: 2, bytes: 1e6, age: 60_000 } });
    const asleep = gate();
    let commits = 0;
    zombie.at(0).before = async () => {
      if (++commits === 1) await asleep.passed;
    };
    await zombie.assign(0, 2);
    zombie.deliver(['innocent 0', 'innocent 1'], {}, 1);
    zombie.deliver(['taken 0', 'taken 1', 'taken 2']);
    await until(() => commits === 1, 'on its way');
    await owner.assign();
    owner.deliver(['taken 0', 'taken 1']);
    await until(() => owner.committed === 2, 'the owner committed');
    asleep.open();
    await until(() => commits === 2 && zombie.commits.length >= 2, 'what was left of it committed');
    assert.deepEqual(await zombie.ids(), ['innocent 0', 'innocent 1', 'taken 0', 'taken 1', 'taken 2']);
    owner.deliver(['taken 2', 'taken 3']);
    await until(() => owner.committed === 4, 'the owner went on');
    assert.deepEqual(await zombie.ids(), ['innocent 0', 'innocent 1', 'taken 0', 'taken 1', 'taken 2', 'taken 3']);
    zombie.close();
    owner.close();
  });

  it('goes on in the new generation where its table is rebased under its hands', async () => {
    const unit = await TableUnit.open({ lake, name: 'rebased' });
    const other = await TableUnit.open({ lake, name: 'rebased' });
    const offsets = new WriterOffsets('c1', { plugin: { name: 'p' }, name: 'w' });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    let commits = 0;
    unit.at(0).before = async () => {
      if (++commits > 1) return;
      await other.tables[0]?.append({ ndjson: Buffer.alloc(0), rows: 0 }, { txns: [{ appId: offsets.generationId, version: 2n }] });
    };
    unit.deliver(['d', 'e', 'f']);
    await until(() => unit.committed === 6, 'committed');
    const table = unit.tables[0];
    assert.ok(table);
    assert.deepEqual([commits, await unit.ids()], [2, ['a', 'b', 'c', 'd', 'e', 'f']]);
    assert.deepEqual([table.lastTxn('c1/p.w/p.jobs/0'), table.lastTxn('c1/p.w/p.jobs/0#2')], [2n, 5n]);
    unit.close();
    other.close();
  });

  it('takes the last commits of a former owner into each of its tables for what they are', async () => {
    const unit = await TableUnit.open({ lake, name: 'many', tables: 3 });
    for (const at of unit.interposed) {
      let calls = 0;
      at.before = async () => {
        if (++calls === 1) throw new TxnConflictError('t', ['c1/p.w/p.jobs/0']);
      };
    }
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3 || unit.fatal !== undefined, 'committed');
    assert.equal(unit.fatal, undefined);
    unit.close();
  });

  it('outlasts whatever a former owner writes until it must have learned that it is one', async () => {
    const unit = await TableUnit.open({ lake, name: 'hand-over', handOver: 60_000 });
    let calls = 0;
    unit.at(0).before = async () => {
      if (++calls <= 10) throw new TxnConflictError('t', ['c1/p.w/p.jobs/0']);
    };
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3 || unit.fatal !== undefined, 'committed');
    assert.equal(unit.fatal, undefined);
    unit.close();
  });

  it('outlasts two conflicts in a table, and takes the third for another host that writes it', async () => {
    for (const [conflicts, isFatal] of [
      [2, false],
      [3, true],
    ] as const) {
      const unit = await TableUnit.open({ lake, name: `conflicts-${conflicts}` });
      let calls = 0;
      unit.at(0).before = async () => {
        if (++calls <= conflicts) throw new TxnConflictError('t', ['c1/p.w/p.jobs/0']);
      };
      await unit.assign();
      unit.deliver(['a', 'b', 'c']);
      await until(() => unit.committed === 3 || unit.fatal !== undefined, 'an end');
      assert.equal((unit.fatal as { code?: string } | undefined)?.code, isFatal ? 'PH_DELTA_SECOND_WRITER' : undefined);
      unit.close();
    }
  });

  it('writes a replayed record into the tables that refused it, and not again into those that took it', async (t) => {
    let limit = 2 ** 31;
    const rows = ({ id }: { id: string }) => ({
      first: [{ id, n: 0 }],
      second: [{ id, n: id === REFUSED ? limit : 0 }],
      third: [{ id, n: 0 }],
    });
    const unit = await TableUnit.open({ lake, name: 'partly', tables: 3, rows, flush: { rows: 2, bytes: 1e6, age: 60_000 } });
    t.after(() => unit.close());
    await unit.assign();
    unit.deliver(['a', REFUSED, 'c']);
    await until(() => unit.committed === 3, 'committed');
    assert.deepEqual(
      [await unit.ids(0), await unit.ids(1), await unit.ids(2)],
      [
        ['a', 'c', REFUSED],
        ['a', 'c'],
        ['a', 'c'],
      ],
    );
    const letter = unit.producer.sent[0];
    assert.equal(letter?.headers?.[HEADER.written], 'partly-first');

    limit = 7;
    await unit.replay(REFUSED, letter.headers ?? {});
    await until(() => unit.intake.tally.done === 3, 'written', 20_000);
    for (const table of [0, 1, 2]) assert.deepEqual(await unit.ids(table), ['a', 'c', REFUSED], String(table));
  });

  it('believes no sender that says its rows are written', async (t) => {
    const unit = await TableUnit.open({ lake, name: 'forged' });
    t.after(() => unit.close());
    await unit.assign();
    unit.deliver(['a', 'b', 'c'], { [HEADER.written]: 'forged-first' });
    await until(() => unit.committed === 3, 'committed');
    assert.deepEqual(await unit.ids(), ['a', 'b', 'c']);
  });

  it('makes a record dead whose rows are no rows', async () => {
    for (const rows of [
      async () => ({ first: [] }),
      () => null,
      () => 'x',
      () => ({ first: { id: 'a', n: 1 } }),
      () => ({ other: [{}] }),
    ]) {
      const unit = await TableUnit.open({ lake, name: 'norows', rows });
      await unit.assign();
      unit.deliver(['a']);
      await until(() => unit.intake.open === 0, 'settled');
      assert.equal(unit.intake.tally.dead, 1, String(rows));
      unit.close();
    }
  });
});
