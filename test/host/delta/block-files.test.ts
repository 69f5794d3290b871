import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

test('blocks of long lines with a projection fit side by side into the memory of an engine', async () => {
  await using engine = await openDeltaEngine({ tempDirectory: join(lake.folder, 'temp'), memoryLimit: '256MB', connections: 2 });
  const line = Buffer.from(`${JSON.stringify({ id: 'x'.repeat(10_000_000) })}\n`);
  const projection = { message: { id: 'VARCHAR' }, columns: 'length(message.id)::VARCHAR AS id' };
  await lake.create('long', [column('id')]);
  const table = await DeltaTable.open(engine, lake.store, 'long');
  await Promise.all([1, 2].map(() => table.append({ ndjson: line, rows: 1, projection })));
  assert.deepEqual(await table.readRows(), [{ id: '10000000' }, { id: '10000000' }]);
});
