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

suite('a text that no folder can be named for', () => {
  const long = 'é'.repeat(60);
  const reason = `"${long}"… names its partition's folder with 366 bytes, and at most 255 are allowed`;

  test('is refused by itself when it is appended, whatever the block holds else', async () => {
    const table = await lake.create('long-appended', [column('id'), column('place')], { partitionBy: ['place'] });
    const rows = [{ id: '1', place: 'a' }, { id: '2', place: long }, { id: '3', place: 'b'.repeat(250) }, { id: '4' }];
    assert.deepEqual(await faultsOf(table.append(block(rows))), [
      { index: 1, column: 'place', reason },
      {
        index: 2,
        column: 'place',
        reason: `"${'b'.repeat(60)}"… names its partition's folder with 256 bytes, and at most 255 are allowed`,
      },
    ]);
    assert.deepEqual(await faultsOf(table.append(block([{ id: '2', place: long }]))), [{ index: 0, column: 'place', reason }]);
    assert.equal(table.version, 0);
  });

  test('is refused by itself when it is merged', async () => {
    const table = await lake.create('long-merged', [column('id'), column('place')], { partitionBy: ['place'], key: ['id'] });
    const rows = [
      { id: '1', place: 'a' },
      { id: '2', place: long },
    ];
    assert.deepEqual(await faultsOf(table.merge(block(rows), { key: ['id'] })), [{ index: 1, column: 'place', reason }]);
  });

  test('is refused by column and length out of a projection of typed values', async () => {
    const table = await lake.create('long-typed', [column('id'), column('place')], { partitionBy: ['place'] });
    const columns = { id: 'message.id', place: 'message.place' };
    const projection = { message: { id: 'VARCHAR', place: 'VARCHAR' }, columns, form: 'typed' } as const;
    const faults = await faultsOf(table.append({ ...block([{ id: '1', place: long }]), projection }));
    assert.match(faults[0]?.reason ?? '', /column place names its partition's folder with 366 bytes/);
  });

  for (const place of [`${'é'.repeat(41)}abc`, 'b'.repeat(249), '/'.repeat(83)])
    test(`begins one byte beyond ${place.length} × ${place[0]}, which is written and read back`, async () => {
      const name = `longest-${place.codePointAt(0)}`;
      const table = await lake.create(name, [column('id'), column('place')], { partitionBy: ['place'] });
      await table.append(block([{ id: '1', place }]));
      await table.append(block([{ id: '2', place }, { id: '3' }]));
      const read = await (await lake.open(name)).readRows();
      assert.deepEqual(sortedBy(read, 'id'), [
        { id: '1', place },
        { id: '2', place },
        { id: '3', place: null },
      ]);
      const [fault] = await faultsOf(table.append(block([{ id: '4', place: `${place}b` }])));
      assert.match(fault?.reason ?? '', /with 256 bytes/);
    });

  test('is the name of a partition column, which is refused before the table is made', async () => {
    const name = 'é'.repeat(32);
    await assert.rejects(
      lake.create('long-name', [column('id'), column(name)], { partitionBy: [name] }),
      /partition column é+ has a name that is too long for a folder/,
    );
  });
});
