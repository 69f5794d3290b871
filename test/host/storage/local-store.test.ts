import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkObjectPath, type ObjectStore, openLocalStore, openStore, storageError } from '../../../host/src/storage/index.ts';

let folder: string;
let store: ObjectStore;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ph-store-'));
  store = openLocalStore(join(folder, 'root'));
});
after(() => rm(folder, { recursive: true, force: true }));

const coded = (code: string) => (error: unknown) => typeof error === 'object' && error !== null && 'code' in error && error.code === code;

test('an object is read back byte for byte, whole, in part and as a stream', async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 200]);
  await store.put('a/b/object.bin', bytes);
  assert.deepEqual(await store.get('a/b/object.bin'), bytes);
  assert.deepEqual(await store.getRange('a/b/object.bin', 1, 3), bytes.subarray(1, 4));
  assert.deepEqual(await store.getRange('a/b/object.bin', 3, 100), bytes.subarray(3));
  const chunks: Buffer[] = [];
  for await (const chunk of await store.read('a/b/object.bin')) chunks.push(chunk as Buffer);
  assert.deepEqual(Buffer.concat(chunks), bytes);
  const stat = await store.stat('a/b/object.bin');
  assert.equal(stat?.bytes, 5);
  assert.ok(Math.abs((stat?.modified ?? 0) - Date.now()) < 60_000);
});

test('what is not there is null, and a stream of it is PH_STORAGE_ABSENT', async () => {
  assert.equal(await store.get('none/here'), null);
  assert.equal(await store.getRange('none/here', 0, 1), null);
  assert.equal(await store.stat('none/here'), null);
  assert.deepEqual(await store.list('none'), []);
  await store.delete('none/here');
  await assert.rejects(store.read('none/here'), coded('PH_STORAGE_ABSENT'));
});

test('put copies a local file, replaces an object, and leaves no partial files', async () => {
  const source = join(folder, 'source.txt');
  await writeFile(source, 'from a file');
  await store.put('put/x', Buffer.from('first'));
  await store.put('put/x', { file: source });
  assert.equal((await store.get('put/x'))?.toString(), 'from a file');
  assert.deepEqual(await readdir(join(folder, 'root', 'put')), ['x']);
});

test('of many putIfAbsent at once exactly one creates, and its content stays', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => store.putIfAbsent('once/object', Buffer.from(`writer ${n}`))));
  assert.equal(results.filter((result) => result === 'created').length, 1);
  assert.equal((await store.get('once/object'))?.toString(), `writer ${results.indexOf('created')}`);
  assert.deepEqual(await readdir(join(folder, 'root', 'once')), ['object']);
});

test('list gives every object below a folder by path, and no write in progress', async () => {
  for (const name of ['b', 'a/z', 'a/b', 'a-b']) await store.put(`list/${name}`, Buffer.from(name));
  await writeFile(join(folder, 'root', 'list', '.b.1234.part'), 'half');
  assert.deepEqual(
    (await store.list('list')).map(({ path }) => path),
    ['list/a-b', 'list/a/b', 'list/a/z', 'list/b'],
  );
  assert.deepEqual(
    await store.names('list'),
    (await store.list('list')).map(({ path }) => path),
  );
  assert.ok((await store.list('')).length >= 4);
});

test('a sweep deletes old writes in progress, and nothing else', async () => {
  await store.put('swept/deep/object', Buffer.from('x'));
  const [old, young, foreign] = ['.a.part', 'deep/.b.part', 'deep/c.part'].map((name) => join(folder, 'root', 'swept', name));
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const file of [old, young, foreign]) await writeFile(file as string, 'half');
  for (const file of [old, foreign, join(folder, 'root', 'swept', 'deep', 'object')]) await utimes(file as string, hourAgo, hourAgo);
  assert.equal(await store.local?.sweep(600_000), 1);
  assert.deepEqual(await readdir(join(folder, 'root', 'swept')), ['deep']);
  assert.deepEqual((await readdir(join(folder, 'root', 'swept', 'deep'))).sort(), ['.b.part', 'c.part', 'object']);
});

test('paths that could leave the root are refused', async () => {
  for (const path of ['', '/etc/passwd', '../x', 'a/../../x', 'a//b', 'a\\b', 'a\0b', './a', 'a/']) {
    await assert.rejects(store.get(path), coded('PH_STORAGE_PATH'), path);
    await assert.rejects(store.put(path, Buffer.from('x')), coded('PH_STORAGE_PATH'), path);
  }
  assert.equal(checkObjectPath('', 'folder'), '');
});

test('a symbolic link that leads out of the root is refused for every operation, an inner one is not', async () => {
  await mkdir(join(folder, 'outside'), { recursive: true });
  await writeFile(join(folder, 'outside', 'secret'), 'secret');
  await store.put('links/real/object', Buffer.from('inner'));
  await symlink(join(folder, 'outside'), join(folder, 'root', 'links', 'out'));
  await symlink(join(folder, 'outside', 'missing'), join(folder, 'root', 'links', 'dangling'));
  await symlink(join(folder, 'root', 'links', 'real'), join(folder, 'root', 'links', 'in'));
  await assert.rejects(store.get('links/out/secret'), coded('PH_STORAGE_PATH'));
  await assert.rejects(store.put('links/out/new', Buffer.from('x')), coded('PH_STORAGE_PATH'));
  await assert.rejects(store.putIfAbsent('links/out/deep/new', Buffer.from('x')), coded('PH_STORAGE_PATH'));
  await assert.rejects(store.delete('links/out/secret'), coded('PH_STORAGE_PATH'));
  await assert.rejects(store.get('links/dangling'), coded('PH_STORAGE_PATH'));
  assert.equal((await store.get('links/in/object'))?.toString(), 'inner');
  assert.deepEqual(await readdir(join(folder, 'outside')), ['secret']);
});

test('no rights and a full disk have their own codes', () => {
  const failure = (code: string) => Object.assign(new Error(code), { code });
  const denied = storageError(failure('EACCES'), 'write', '/x');
  assert.deepEqual([denied.code, denied.kind, denied.exitCode, denied.place], ['PH_STORAGE_DENIED', 'auth', 3, '/x']);
  const full = storageError(failure('ENOSPC'), 'write', '/x');
  assert.deepEqual([full.code, full.kind], ['PH_STORAGE_FULL', 'unavailable']);
  assert.equal(storageError(failure('EIO'), 'read', '/x').code, 'PH_STORAGE_FAILED');
});

test('a file in the place of a folder is refused with its path', async () => {
  await store.put('plain', Buffer.from('x'));
  await assert.rejects(
    store.put('plain/child', Buffer.from('x')),
    (error: unknown) => coded('PH_STORAGE_PATH')(error) && String(error).includes('plain'),
  );
});

test('openStore takes plain paths and file URIs, and names a scheme that it does not know', async () => {
  assert.equal(openStore(folder).uri, `file://${folder}`);
  await openStore(`file://${folder}/by-uri`).put('x', Buffer.from('y'));
  assert.equal((await openStore(join(folder, 'by-uri')).get('x'))?.toString(), 'y');
  assert.throws(() => openStore('abfss://files@account.dfs.core.windows.net/x'), coded('PH_STORAGE_SCHEME'));
});
