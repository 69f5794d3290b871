import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import type { MergePolicy, UpdateCondition } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

const COLUMNS = [column('id', 'long'), column('at', 'timestamp'), column('mark'), column('other'), column('written', 'long')];
const key = ['id'] as const;

type Row = { id: number; at?: string | null; mark?: string | null; other?: string | null; written?: number | null };
type Stored = { id: string; at: string | null; mark: string | null; other: string | null; written: string | null };

const instant = (minute: number) => `2026-01-05T10:${String(minute).padStart(2, '0')}:00.000000Z`;

/** Whether a row is merged into what is stored. */
function isUpdate(condition: UpdateCondition, stored: Stored, row: Row): boolean {
  const given = (name: string): string | null => {
    const value = row[name as keyof Row];
    return value === undefined || value === null ? null : String(value);
  };
  const held = (name: string): string | null => stored[name as keyof Stored];
  if ('distinct' in condition) return condition.distinct.some((name) => given(name) !== held(name));
  if ('differs' in condition) return condition.differs.some((name) => held(name) === null || given(name) !== held(name));
  const name = 'newer' in condition ? condition.newer : condition.notOlder;
  const [before, now] = [held(name), given(name)];
  if (before === null) return true;
  if (now === null) return false;
  return 'newer' in condition ? now > before : now >= before;
}

/** What a merge with a condition means, one row after the other. */
function replay(table: Map<number, Stored>, row: Row, condition: UpdateCondition, policies: Readonly<Record<string, MergePolicy>>): void {
  const old = table.get(row.id);
  if (old !== undefined && !isUpdate(condition, old, row)) return;
  const merged: Record<string, string | null> = { ...(old ?? { id: String(row.id), at: null, mark: null, other: null, written: null }) };
  for (const name of ['at', 'mark', 'other', 'written'] as const) {
    const value = row[name];
    if (value === undefined || (value === null && policies[name] !== 'always')) continue;
    if (policies[name] === 'greatest' && String(value) < (merged[name] ?? '')) continue;
    merged[name] = value === null ? null : String(value);
  }
  table.set(row.id, merged as Stored);
}

for (const deletionVectors of [true, false]) {
  suite(deletionVectors ? 'by deletion vectors' : 'copy on write', () => {
    let lake: Lake;
    before(async () => {
      lake = await openLake({ deletionVectors });
    });
    after(() => lake.close());

    test('rows are updated only where a column is distinct from what is stored, null included', async () => {
      const table = await lake.create('distinct', COLUMNS);
      const updateWhen = { distinct: ['mark'] } as const;
      const write = (...rows: readonly Row[]) => table.merge(block(rows), { key, updateWhen });
      await write({ id: 1, mark: 'a', other: 'first' }, { id: 2, other: 'first' }, { id: 3, mark: 'a', other: 'first' });
      const before = table.summary();
      // The same mark, or none where none is stored: nothing changes, and no file is written.
      const same = await write({ id: 1, mark: 'a', other: 'second' }, { id: 2, mark: null, other: 'second' });
      assert.deepEqual(same.skipped ? null : [same.inserted, same.updated, same.bytes], [0, 0, 0]);
      assert.deepEqual([table.summary().files, table.summary().bytes], [before.files, before.bytes]);
      const third = await write({ id: 1, mark: 'b', other: 'third' }, { id: 2, mark: 'a', other: 'third' }, { id: 3, other: 'third' });
      assert.deepEqual(third.skipped ? null : [third.inserted, third.updated], [0, 3]);
      const rows = sortedBy(await table.readRows({ columns: ['id', 'mark', 'other'] }), 'id');
      assert.deepEqual(
        rows.map((row) => Object.values(row)),
        [
          ['1', 'b', 'third'],
          ['2', 'a', 'third'],
          ['3', 'a', 'third'],
        ],
      );
      const commit = await lake.text('distinct/_delta_log/00000000000000000003.json');
      assert.match(commit, /s\.mark IS DISTINCT FROM t\.mark/);
    });

    test('rows are also updated where null is stored, if that differs from everything', async () => {
      const table = await lake.create('differs', COLUMNS);
      const write = (...rows: readonly Row[]) => table.merge(block(rows), { key, updateWhen: { differs: ['mark'] } });
      await write({ id: 1, mark: 'a', other: 'first' }, { id: 2, other: 'first' });
      await write({ id: 1, mark: 'a', other: 'second' }, { id: 2, mark: null, other: 'second' });
      await write({ id: 1, mark: 'a', other: 'third' }, { id: 2, mark: 'a', other: 'third' }, { id: 2, mark: 'a', other: 'fourth' });
      const rows = sortedBy(await table.readRows({ columns: ['id', 'mark', 'other'] }), 'id');
      assert.deepEqual(
        rows.map((row) => Object.values(row)),
        [
          ['1', 'a', 'first'],
          ['2', 'a', 'third'],
        ],
      );
    });

    test('a null that is written counts for the rows after it, and an absent column does not', async () => {
      const table = await lake.create('written-null', COLUMNS);
      const merge = { key, updateWhen: { distinct: ['mark'] }, policies: { mark: 'always' } } as const;
      await table.merge(block([1, 2].map((id) => ({ id, mark: 'a', other: 'stored' }))), merge);
      await table.merge(
        block([
          { id: 1, mark: null },
          { id: 1, mark: 'a', other: 'after null' },
          { id: 2, written: 7 },
          { id: 2, mark: 'a', other: 'after absent' },
        ]),
        merge,
      );
      const rows = sortedBy(await table.readRows({ columns: ['id', 'mark', 'other', 'written'] }), 'id');
      assert.deepEqual(
        rows.map((row) => Object.values(row)),
        [
          ['1', 'a', 'after null', null],
          ['2', 'a', 'stored', '7'],
        ],
      );
    });

    test('an older row never overwrites a newer one, in one batch or in two', async () => {
      for (const [name, batches] of [
        ['one', [[5, 3, 7, 7, 6]]],
        ['two', [[5, 3], [7], [7, 6]]],
      ] as const) {
        for (const condition of ['newer', 'notOlder'] as const) {
          const table = await lake.create(`older-${name}-${condition}`, COLUMNS);
          let order = 0;
          const updateWhen: UpdateCondition = condition === 'newer' ? { newer: 'at' } : { notOlder: 'at' };
          for (const minutes of batches)
            await table.merge(block(minutes.map((minute) => ({ id: 1, at: instant(minute), written: ++order }))), { key, updateWhen });
          const [row] = await table.readRows();
          // Of the two of one time the second counts where it need not be newer.
          assert.deepEqual([row?.['at'], row?.['written']], [instant(7), condition === 'newer' ? '3' : '4'], `${name} ${condition}`);
        }
      }
    });

    test('a row that the condition leaves out is not refused for what it lacks', async () => {
      const table = await lake.create('left-out', [column('id', 'long'), column('at', 'long'), column('must', 'string', false)]);
      const merge = { key, updateWhen: { newer: 'at' }, policies: { must: 'always' } } as const;
      await table.merge(block([{ id: 1, at: 5, must: 'x' }]), merge);
      await table.merge(block([{ id: 1, at: 4, must: null }]), merge);
      await assert.rejects(table.merge(block([{ id: 1, at: 6, must: null }]), merge), coded('PH_DELTA_ROW_CONVERSION'));
      assert.deepEqual(await table.readRows(), [{ id: '1', at: '5', must: 'x' }]);
    });

    test('a merge by any condition equals merging row by row, whatever the policies', async () => {
      const text = fc.option(fc.constantFrom('a', 'b'), { nil: null });
      const row = fc.record(
        {
          id: fc.integer({ min: 0, max: 2 }),
          at: fc.option(fc.integer({ min: 0, max: 3 }).map(instant), { nil: null }),
          mark: text,
          other: text,
          written: fc.option(fc.nat({ max: 3 }), { nil: null }),
        },
        { requiredKeys: ['id'] },
      );
      const policy = fc.constantFrom<MergePolicy>('keepOldWhenNull', 'always', 'greatest');
      const condition = fc.constantFrom<UpdateCondition>(
        { newer: 'at' },
        { notOlder: 'at' },
        { distinct: ['mark'] },
        { differs: ['mark', 'written'] },
        { distinct: ['mark', 'written'] },
      );
      const batches = fc.array(fc.array(row, { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 3 });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          batches,
          condition,
          fc.record({ at: policy, mark: policy, written: policy }),
          async (given, updateWhen, policies) => {
            run += 1;
            const table = await lake.create(`replay-${run}`, COLUMNS);
            const model = new Map<number, Stored>();
            for (const batch of given) {
              await table.merge(block(batch), { key, updateWhen, policies });
              for (const one of batch) replay(model, one, updateWhen, policies);
            }
            assert.deepEqual(sortedBy(await table.readRows(), 'id'), sortedBy([...model.values()], 'id'));
          },
        ),
        { numRuns: 15 },
      );
    });

    test('a condition over a column that is not there, or never changes, is refused by its name', async () => {
      const table = await lake.create('senseless', COLUMNS);
      const refused = (updateWhen: UpdateCondition, policies: Record<string, MergePolicy>, named: RegExp) =>
        assert.rejects(
          table.merge(block([{ id: 1 }]), { key, updateWhen, policies }),
          (error: unknown) => coded('PH_DELTA_SCHEMA')(error) && named.test(String(error)),
        );
      await refused({ newer: 'when' }, {}, /no column when/);
      await refused({ distinct: ['mark', 'id'] }, {}, /depend on id/);
      await refused({ notOlder: 'at' }, { at: 'preserve' }, /depend on at/);
    });
  });
}
