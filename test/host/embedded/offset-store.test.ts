import assert from 'node:assert/strict';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type OffsetCommit, OffsetStore } from '../../../host/src/embedded/groups/offset-store.ts';
import { temporaryFolder } from './broker-fixture.ts';

const commit = (offset: number, metadata = '', partition = 0): OffsetCommit => ({ topic: 't', partition, offset, metadata });

describe('committed offsets', () => {
  it('are the last ones after a restart, with their metadata, and of the groups and topics that still are', async () => {
    const dataDir = await temporaryFolder();
    const store = new OffsetStore(dataDir);
    store.commit('g', [commit(1), commit(7, 'seven', 1)]);
    store.commit('g', [commit(2, 'two')]);
    store.commit('gone', [commit(3)]);
    store.commit('g', [{ ...commit(4), topic: 'gone' }]);
    store.deleteGroup('gone');
    store.deleteTopic('gone');
    await store.close();
    const again = new OffsetStore(dataDir);
    assert.deepEqual(again.groups(), ['g']);
    assert.deepEqual([...again.of('g').keys()], ['t']);
    assert.deepEqual(again.get('g', 't', 0), { offset: 2, metadata: 'two' });
    assert.deepEqual(again.get('g', 't', 1), { offset: 7, metadata: 'seven' });
    await again.close();
  });

  it('take no room for their history, while running and at start', async () => {
    const dataDir = await temporaryFolder();
    const store = new OffsetStore(dataDir);
    for (let i = 1; i <= 3_000; i++) store.commit('g', [commit(i, 'm'.repeat(4_000))]);
    const { size } = await stat(join(dataDir, 'offsets.log'));
    assert.ok(size < 5 << 20, `${size} bytes of 12 MB written`);
    await store.close();
    const again = new OffsetStore(dataDir);
    assert.equal(again.get('g', 't', 0)?.offset, 3_000);
    assert.ok((await stat(join(dataDir, 'offsets.log'))).size < 5_000);
    await again.close();
  });

  it('lose a damaged line and no other', async () => {
    const dataDir = await temporaryFolder();
    const store = new OffsetStore(dataDir);
    for (const partition of [0, 1, 2]) store.commit('g', [commit(partition + 10, '', partition)]);
    await store.close();
    const path = join(dataDir, 'offsets.log');
    await writeFile(path, (await readFile(path, 'utf8')).replace('11', '99'));
    await appendFile(path, '12345678 ["g"');
    const again = new OffsetStore(dataDir);
    assert.equal(again.damagedLines, 2);
    assert.deepEqual(
      [0, 1, 2].map((partition) => again.get('g', 't', partition)?.offset),
      [10, undefined, 12],
    );
    await again.close();
  });
});
