import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Objects } from '@pipeline-host/sdk';
import { openLocalStore } from '../../../host/src/storage/local-store.ts';
import { createObjects } from '../../../host/src/storage/plugin-objects.ts';
import { openStaging, type StagingArea } from '../../../host/src/storage/staging.ts';

let folder: string;
let staging: StagingArea;
let objects: Objects;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ph-objects-'));
  staging = await openStaging(join(folder, 'staging'));
  objects = createObjects(openLocalStore(join(folder, 'store')), 'weather', staging);
});
after(() => rm(folder, { recursive: true, force: true }));

async function stage(content: Uint8Array | string) {
  const bytes = Buffer.from(content);
  const file = await staging.createFile('a.bin');
  await file.write([bytes]);
  return { ...(await file.finish()), bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

test("a staged file is stored under the plugin's prefix and stays in staging", async () => {
  const file = await stage('content');
  assert.deepEqual(await objects.put('a/b c/x.bin', file), { path: 'a/b c/x.bin', result: 'stored' });
  assert.deepEqual(await objects.stat('a/b c/x.bin'), { bytes: 7, sha256: file.sha256 });
  assert.equal(await objects.stat('a/none.bin'), null);
  assert.deepEqual(await readdir(join(folder, 'store')), ['weather']);
  assert.equal(await staging.has(file.uri), true);
});

test('the same content under the same path is already there; other content is refused and the object left alone', async () => {
  const first = await stage('first');
  assert.equal((await objects.put('same.bin', first)).result, 'stored');
  assert.equal((await objects.put('same.bin', await stage('first'))).result, 'already-there');
  for (const other of ['other', 'firs', 'first and more']) {
    await assert.rejects(objects.put('same.bin', await stage(other)), { code: 'PH_OBJECT_OCCUPIED', kind: 'permanent' });
  }
  assert.equal((await objects.stat('same.bin'))?.sha256, first.sha256);
});

test('of writers that race for one path one stores, its equals find it, and the others are refused', async () => {
  const kinds = await Promise.all(['a', 'b'].map((letter) => Promise.all(Array.from({ length: 6 }, () => stage(letter.repeat(300_000))))));
  const files = kinds.flat();
  const results = await Promise.all(
    files.map((file) =>
      objects.put('raced.bin', file).then(
        ({ result }) => result,
        (error: { code: string }) => error.code,
      ),
    ),
  );
  const stored = await objects.stat('raced.bin');
  for (const [index, file] of files.entries()) {
    assert.ok(
      file.sha256 === stored?.sha256 ? ['stored', 'already-there'].includes(results[index] ?? '') : results[index] === 'PH_OBJECT_OCCUPIED',
      results.join(),
    );
  }
  assert.equal(results.filter((result) => result === 'stored').length, 1);
  assert.ok(
    files.some(({ sha256 }) => sha256 === stored?.sha256),
    'the content is whole',
  );
});

test('a staged file that is damaged, gone or foreign is not stored', async () => {
  const cut = await stage('whole content');
  await truncate(staging.localPath(cut.uri), 5);
  await assert.rejects(objects.put('damaged.bin', cut), { code: 'PH_STAGING_CHANGED', kind: 'permanent' });
  const flipped = await stage('whole content');
  await writeFile(staging.localPath(flipped.uri), 'Whole content');
  await assert.rejects(objects.put('damaged.bin', flipped), { code: 'PH_STAGING_CHANGED' });
  const gone = await stage('gone');
  await staging.delete(gone.uri);
  await assert.rejects(objects.put('damaged.bin', gone), { code: 'PH_STAGING_MISSING', kind: 'transient' });
  const elsewhere = await openStaging(join(folder, 'elsewhere'));
  const foreign = { ...gone, uri: gone.uri.replace(staging.id, elsewhere.id) };
  await assert.rejects(objects.put('damaged.bin', foreign), { code: 'PH_STAGING_FOREIGN' });
  assert.equal(await objects.stat('damaged.bin'), null);
});

test('a path that is not plain and relative is refused', async () => {
  const file = await stage('x');
  for (const path of ['', '/', '/a', 'a/', 'a//b', '.', '..', '../x', 'a/../../x', 'a/./b', 'a\\b', 'a\u0000b', 'a\nb']) {
    await assert.rejects(objects.put(path, file), { code: 'PH_OBJECT_PATH', kind: 'permanent' }, JSON.stringify(path));
    await assert.rejects(objects.stat(path), { code: 'PH_OBJECT_PATH' });
  }
});

test('a name of 255 bytes can be stored', async () => {
  const name = `${'n'.repeat(251)}.bin`;
  assert.equal((await objects.put(name, await stage('long'))).result, 'stored');
});
