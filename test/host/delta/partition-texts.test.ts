import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { RowConversionError, type RowFault } from '../../../host/src/delta/index.ts';
import { block, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const FORMS = ['text', 'typed'] as const;

async function faultsOf(write: Promise<unknown>): Promise<readonly RowFault[]> {
  const error = await write.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RowConversionError, `not refused: ${String(error)}`);
  return error.rows;
}

suite('an empty text in a partition column is null', () => {
  test('and so no merge key', async () => {
    const table = await lake.create('empty-key', [column('place'), column('n', 'integer')], { partitionBy: ['place'], key: ['place'] });
    const faults = await faultsOf(
      table.merge(
        block([
          { place: 'a', n: 1 },
          { place: '', n: 2 },
        ]),
        { key: ['place'] },
      ),
    );
    assert.deepEqual(faults, [{ index: 1, column: 'place', reason: 'is null, and it is a merge key' }]);
  });

  test('and overwrites no stored value that null does not', async () => {
    const columns = [column('id'), column('kept'), column('written')];
    const table = await lake.create('empty-kept', columns, { partitionBy: ['kept', 'written'], key: ['id'] });
    const options = { key: ['id'] as const, policies: { written: 'always' } as const };
    await table.merge(block([{ id: '1', kept: 'a', written: 'a' }]), options);
    await table.merge(block([{ id: '1', kept: '', written: '' }]), options);
    assert.deepEqual(await table.readRows(), [{ id: '1', kept: 'a', written: null }]);
  });

  for (const deletionVectors of [true, false])
    test(`and never differs from a stored null, ${deletionVectors ? 'by deletion vectors' : 'copy on write'}`, async () => {
      const name = `empty-distinct-${deletionVectors}`;
      const columns = [column('id'), column('place'), column('n', 'integer')];
      const table = await lake.create(name, columns, { partitionBy: ['place'], deletionVectors });
      const options = { key: ['id'] as const, policies: { place: 'always' } as const, updateWhen: { distinct: ['place'] as const } };
      await table.merge(block([{ id: '1', place: null, n: 1 }]), options);
      const merged = await table.merge(block([{ id: '1', place: '', n: 2 }]), options);
      assert.equal(!merged.skipped && merged.updated, 0);
      assert.deepEqual(await table.readRows(), [{ id: '1', place: null, n: 1 }]);
    });

  for (const form of FORMS)
    test(`and refused where the column must not be null: ${form} values`, async () => {
      const table = await lake.create(`empty-required-${form}`, [column('id'), column('place', 'string', false)], {
        partitionBy: ['place'],
      });
      const projection = { message: { id: 'VARCHAR', place: 'VARCHAR' }, columns: { id: 'message.id', place: 'message.place' }, form };
      const rows = block([{ id: '1', place: 'a' }, { id: '2', place: '' }, { id: '3' }]);
      const faults = await faultsOf(table.append({ ...rows, projection }));
      assert.deepEqual(
        faults.map(({ index }) => index),
        [1, 2],
      );
      if (form === 'text') assert.deepEqual(faults[0], { index: 1, column: 'place', reason: 'is null, and the column must not be' });
      assert.equal(table.version, 0);
    });

  test('and written as null, however the block is split', async () => {
    const table = await lake.create('empty-appended', [column('id'), column('place')], { partitionBy: ['place'] });
    await table.append(block([{ id: '1', place: '' }]));
    await table.append(
      block([
        { id: '2', place: '' },
        { id: '3', place: 'a' },
      ]),
    );
    assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
      { id: '1', place: null },
      { id: '2', place: null },
      { id: '3', place: 'a' },
    ]);
  });
});
