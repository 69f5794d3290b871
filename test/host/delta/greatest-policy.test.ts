import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { block, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

const COLUMNS = [column('id', 'long'), column('at', 'timestamp'), column('amount', 'decimal(12,2)'), column('name')];
const merge = { key: ['id'] as const, policies: { at: 'greatest', amount: 'greatest', name: 'greatest' } } as const;

const instant = (minute: number) => `2026-01-05T10:${String(minute).padStart(2, '0')}:00.000000Z`;

for (const deletionVectors of [true, false]) {
  suite(deletionVectors ? 'greatest, by deletion vectors' : 'greatest, copy on write', () => {
    let lake: Lake;
    before(async () => {
      lake = await openLake({ deletionVectors });
    });
    after(() => lake.close());

    test('the greater value stays, in whatever order rows come, and null and absent columns take nothing away', async () => {
      const table = await lake.create('order', COLUMNS);
      await table.merge(block([{ id: 1, at: instant(7), amount: '9.50', name: 'b' }, { id: 2 }]), merge);
      await table.merge(block([{ id: 1, at: instant(3), amount: '10.00', name: 'a' }]), merge);
      await table.merge(
        block([
          { id: 1, at: null, amount: null },
          { id: 2, at: instant(5) },
        ]),
        merge,
      );
      await table.merge(
        block([
          { id: 1, at: instant(8) },
          { id: 1, at: instant(6), name: 'c' },
        ]),
        merge,
      );
      assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
        { id: '1', at: instant(8), amount: '10.00', name: 'c' },
        { id: '2', at: instant(5), amount: null, name: null },
      ]);
    });

    test('a merge of any rows equals merging them one by one', async () => {
      const value = fc.option(fc.nat({ max: 9 }).map(instant), { nil: null });
      const row = fc.record({ id: fc.integer({ min: 1, max: 3 }), at: value }, { requiredKeys: ['id'] });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(row, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }), async (batches) => {
          const table = await lake.create(`any-${run++}`, COLUMNS);
          const greatest = new Map<number, string | null>();
          for (const batch of batches) {
            await table.merge(block(batch), merge);
            for (const { id, at = null } of batch) {
              const stored = greatest.get(id) ?? null;
              greatest.set(id, at !== null && (stored === null || at > stored) ? at : stored);
            }
          }
          const rows = (await table.readRows()).map(({ id, at }) => [id, at]);
          assert.deepEqual(new Map(rows as [string, string | null][]), new Map([...greatest].map(([id, at]) => [String(id), at])));
        }),
        { numRuns: 10 },
      );
    });
  });
}
