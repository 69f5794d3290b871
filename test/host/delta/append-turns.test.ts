import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { block, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const version = (number: number): string => String(number).padStart(20, '0');

test('an append that was begun before the same one was committed is skipped when its turn comes, and its file is deleted', async () => {
  const table = await lake.create('twice', [column('id')]);
  const txns = [{ appId: 'p/0', version: 1n }];
  const both = await Promise.all([table.append(block([{ id: 'a' }]), { txns }), table.append(block([{ id: 'a' }]), { txns })]);
  assert.deepEqual(
    both.map(({ skipped, version: at }) => [skipped, at]),
    [
      [false, 1],
      [true, 1],
    ],
  );
  assert.equal(await table.count(), 1);
  const files = (await lake.store.list('twice')).filter(({ path }) => path.endsWith('.parquet'));
  assert.equal(files.length, 1);
});

test('no append commits files of the old schema once an append before it has met a new one', async () => {
  const table = await lake.create('overtaken', [column('id')]);
  const lines = (await lake.text(`overtaken/_delta_log/${version(0)}.json`)).split('\n').filter((line) => line.includes('"metaData"'));
  const { metaData } = JSON.parse(lines[0] ?? '');
  const schema = JSON.parse(metaData.schemaString);
  schema.fields.push({ name: 'added', type: 'string', nullable: true, metadata: {} });
  await lake.write(
    `overtaken/_delta_log/${version(1)}.json`,
    `${JSON.stringify({ metaData: { ...metaData, schemaString: JSON.stringify(schema) } })}\n`,
  );
  // Both write their files side by side; only the first finds the other writer's version in its way.
  const outcomes = await Promise.allSettled(['a', 'b'].map((id) => table.append(block([{ id, added: 'x' }]))));
  for (const outcome of outcomes) {
    assert.equal(outcome.status, 'rejected');
    assert.ok(coded('PH_DELTA_CONFLICT')(outcome.reason));
  }
  assert.deepEqual(
    (await lake.store.list('overtaken')).filter(({ path }) => path.endsWith('.parquet')),
    [],
  );
  await table.append(block([{ id: 'b', added: 'x' }]));
  assert.deepEqual(await table.readRows(), [{ id: 'b', added: 'x' }]);
});

test('a staged block is in the table once it is appended, and its files are gone once it is discarded', async () => {
  const table = await lake.create('staged', [column('id')]);
  const files = async () => (await lake.store.list('staged')).filter(({ path }) => path.endsWith('.parquet')).length;
  const [staged, discarded, repeated] = await Promise.all(['a', 'b', 'c'].map((id) => table.stage(block([{ id }]))));
  assert.ok(staged !== undefined && discarded !== undefined && repeated !== undefined);
  assert.deepEqual([await table.count(), await files()], [0, 3]);
  const txns = [{ appId: 'p/0', version: 1n }];
  assert.equal((await table.append(staged, { txns })).skipped, false);
  await table.discard(discarded);
  assert.equal((await table.append(repeated, { txns })).skipped, true);
  assert.deepEqual(await table.readRows(), [{ id: 'a' }]);
  assert.equal(await files(), 1);
});
