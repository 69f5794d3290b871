import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
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
  const projection = { message: { id: 'VARCHAR' }, columns: { id: 'length(message.id)::VARCHAR' }, form: 'typed' } as const;
  await lake.create('long', [column('id')]);
  const table = await DeltaTable.open(engine, lake.store, 'long');
  await Promise.all([1, 2].map(() => table.append({ ndjson: line, rows: 1, projection })));
  assert.deepEqual(await table.readRows(), [{ id: '10000000' }, { id: '10000000' }]);
});

test('a short block after a long one holds nothing of it, and the name of its file is new', async () => {
  const { scratch } = lake.engine;
  const read = async (text: string) => {
    let path = '';
    const found = await scratch.withFile(Buffer.from(text), async (file) => {
      path = file;
      return await lake.engine.withConnection((connection) => connection.rows(`SELECT content FROM read_text('${file}')`));
    });
    assert.deepEqual(found, [[text]]);
    return path;
  };
  const paths = [await read('long '.repeat(1000)), await read('short'), await read('other')];
  assert.equal(new Set(paths).size, 3);
  for (const path of paths.slice(0, -1)) await assert.rejects(stat(path), { code: 'ENOENT' });
});
