import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openStaging, type StagingArea } from '../../../host/src/storage/staging.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ph-staging-'));
});
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
const newRoot = (): string => join(folder, `area ${count++}`);
const filesOf = async (root: string): Promise<string[]> => (await readdir(root)).filter((name) => name !== '.area.json');

async function stage(area: StagingArea, name: string, content: string): Promise<string> {
  const file = await area.createFile(name);
  await file.write([Buffer.from(content)]);
  return (await file.finish()).uri;
}

test('an area keeps its id, whether it is named by path or by file URI', async () => {
  const root = newRoot();
  const { id } = await openStaging(root);
  assert.equal((await openStaging(pathToFileURL(root).href)).id, id);
  assert.deepEqual(await readdir(root), ['.area.json']);
});

test('openers that race for a new area all get one id', async () => {
  const root = newRoot();
  const areas = await Promise.all(Array.from({ length: 20 }, () => openStaging(root)));
  assert.equal(new Set(areas.map(({ id }) => id)).size, 1);
  assert.deepEqual(await readdir(root), ['.area.json']);
});

test('processes that race for a new area all get one id', async () => {
  const root = newRoot();
  const script = join(folder, 'open.mjs');
  const module = pathToFileURL(join(import.meta.dirname, '../../../host/src/storage/staging.ts')).href;
  await writeFile(
    script,
    `import { openStaging } from ${JSON.stringify(module)};\nprocess.once('message', async (root) => process.send((await openStaging(root)).id, () => process.disconnect()));\nprocess.send('ready');\n`,
  );
  const children = Array.from({ length: 3 }, () =>
    fork(script, {
      execArgv: ['--import', import.meta.resolve('tsx'), '-C', '@pipeline-host/source'],
      cwd: join(import.meta.dirname, '../../..'),
    }),
  );
  const message = (child: (typeof children)[number]): Promise<unknown> =>
    new Promise((resolve, reject) => child.once('message', resolve).once('error', reject));
  await Promise.all(children.map(message));
  const ids = children.map(message);
  for (const child of children) child.send(root);
  assert.equal(new Set(await Promise.all(ids)).size, 1);
});

test('what is no local folder and what is no id are said at start', async () => {
  for (const location of ['abfss://files@host/x', 'https://host/x', 'file://host/share', '']) {
    await assert.rejects(openStaging(location), { code: 'PH_STAGING_LOCATION', exitCode: 2 }, location);
  }
  for (const content of ['', '{}', '{"id":"../../x"}', 'null']) {
    const root = newRoot();
    await mkdir(root);
    await writeFile(join(root, '.area.json'), content);
    await assert.rejects(openStaging(root), { code: 'PH_STAGING_AREA', exitCode: 3 });
  }
  const file = join(folder, 'a file');
  await writeFile(file, '');
  await assert.rejects(openStaging(join(file, 'below')), { kind: 'unavailable' });
});

test('a file is seen only when it is finished, read as it was written, and deleted with its folder', async () => {
  const area = await openStaging(newRoot());
  const file = await area.createFile('Bericht №5 (v2) 100%.pdf');
  await file.write([Buffer.from('ab'), Buffer.from(''), Buffer.from('cd')]);
  await file.write([Buffer.from('ef')]);
  assert.equal(Buffer.from(await file.read(2, 10)).toString(), 'cdef');
  const [parent] = await filesOf(area.root);
  assert.deepEqual(await readdir(join(area.root, parent ?? '')), ['Bericht №5 (v2) 100%.pdf.part']);
  const { uri } = await file.finish();
  assert.match(uri, /^staging:\/\/[0-9a-f-]{36}\/[0-9a-f-]{36}\/[!-~]+$/);
  assert.equal(await area.has(uri), true);
  assert.equal(await text(await area.open(uri)), 'abcdef');
  assert.equal(await readFile(area.localPath(uri), 'utf8'), 'abcdef');
  await area.delete(uri);
  await area.delete(uri);
  assert.equal(await area.has(uri), false);
  await assert.rejects(area.open(uri), { code: 'PH_STAGING_MISSING', kind: 'transient' });
  assert.deepEqual(await filesOf(area.root), []);
});

test('a discarded file leaves nothing, and may be discarded again', async () => {
  const area = await openStaging(newRoot());
  const file = await area.createFile('a.txt');
  await file.write([Buffer.from('x')]);
  await file.discard();
  await file.discard();
  assert.deepEqual(await filesOf(area.root), []);
});

test('files of one name lie apart', async () => {
  const area = await openStaging(newRoot());
  const uris = await Promise.all(Array.from({ length: 10 }, (_, i) => stage(area, 'a.txt', `${i}`)));
  assert.equal(new Set(uris.map((uri) => area.localPath(uri))).size, 10);
});

test('a file of another area is refused with the fix', async () => {
  const [here, there] = [await openStaging(newRoot()), await openStaging(newRoot())];
  const uri = await stage(there, 'a.txt', 'x');
  for (const attempt of [
    () => here.has(uri),
    () => here.open(uri),
    () => here.delete(uri),
    async () => here.localPath(uri),
    async () => here.forRecord(() => {}).release(uri),
  ]) {
    await assert.rejects(attempt(), (error: Error & { code: string; kind: string; hint: string }) => {
      assert.deepEqual([error.code, error.kind], ['PH_STAGING_FOREIGN', 'permanent']);
      assert.match(error.hint, /same staging folder/);
      return true;
    });
  }
  assert.equal(await there.has(uri), true);
});

test('a URI that is not of the one shape is refused, so that it cannot lead out of the area', async () => {
  const area = await openStaging(newRoot());
  const uri = await stage(area, 'a.txt', 'x');
  const [file] = await filesOf(area.root);
  const base = `staging://${area.id}/${file}`;
  const faults = [
    ...[
      `${base}/..%2f..%2fetc%2fpasswd`,
      `${base}/../../x`,
      `${base}/..`,
      `${base}/%2e%2e`,
      `${base}/a%5cb`,
      `${base}/a%00b`,
      `${base}/a%zz`,
    ],
    ...[
      `${base}/a.txt.part`,
      `${base}/`,
      base,
      `${base}/a.txt/`,
      `${base}/a.txt?x`,
      `${base}/a.txt#x`,
      `${base}//a.txt`,
      `${base}/x/a.txt`,
    ],
    ...[
      `staging://${area.id}/.area.json`,
      `staging://${area.id}/../a.txt`,
      `file://${area.localPath(uri)}`,
      area.localPath(uri),
      '',
      ` ${uri}`,
      `${uri}\n`,
    ],
    ...[uri.replace('staging', 'STAGING'), `staging://${area.id}/${file?.toUpperCase()}x/a.txt`],
  ];
  for (const fault of faults) await assert.rejects(area.has(fault), { code: 'PH_STAGING_URI', kind: 'permanent' }, fault);
});

test('releasing a file hands its URI over and deletes nothing', async () => {
  const area = await openStaging(newRoot());
  const uri = await stage(area, 'a.txt', 'x');
  const released: string[] = [];
  const staging = area.forRecord((one) => released.push(one));
  assert.equal(await text(await staging.open(uri)), 'x');
  staging.release(uri);
  assert.deepEqual(released, [uri]);
  assert.equal(await staging.has(uri), true);
});

test('a sweep takes old unfinished files and empty folders, and finished files only when told', async () => {
  const area = await openStaging(newRoot());
  const [young, old, finished] = [
    await area.createFile('young.txt'),
    await area.createFile('old.txt'),
    await stage(area, 'finished.txt', 'x'),
  ];
  const hourAgo = new Date(Date.now() - 3_600_000);
  const pathOf = async (name: string): Promise<string> => {
    for (const folder of await filesOf(area.root))
      if ((await readdir(join(area.root, folder))).includes(name)) return join(area.root, folder, name);
    throw new Error(`${name} is not there`);
  };
  const youngFolder = join(await pathOf('young.txt.part'), '..');
  await utimes(await pathOf('old.txt.part'), hourAgo, hourAgo);
  await utimes(area.localPath(finished), hourAgo, hourAgo);
  const empty = join(area.root, '00000000-0000-4000-8000-000000000000');
  await mkdir(empty);
  await utimes(empty, hourAgo, hourAgo);
  await writeFile(join(area.root, 'not ours.txt'), 'x');
  await utimes(join(area.root, 'not ours.txt'), hourAgo, hourAgo);

  assert.equal(await area.sweep({ unfinishedOlderThan: 600_000 }), 1);
  assert.deepEqual((await filesOf(area.root)).length, 3, 'young, finished and what is not ours');
  assert.deepEqual(await readdir(youngFolder), ['young.txt.part']);
  assert.equal(await area.has(finished), true);
  assert.equal(await area.sweep({ unfinishedOlderThan: 600_000, finishedOlderThan: 600_000 }), 1);
  assert.equal(await area.has(finished), false);
  await young.discard();
  await old.discard();
});

test('a staging folder that vanishes is an outage, and is not made anew with another id', async () => {
  const area = await openStaging(newRoot());
  await rm(area.root, { recursive: true });
  await assert.rejects(area.createFile('a.txt'), { code: 'PH_STAGING_LOST', kind: 'unavailable' });
});

test('a full disk stops the worker, and nothing is left of the file', async (t) => {
  const root = newRoot();
  await mkdir(root);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', root], { stdio: 'ignore' });
  } catch {
    return t.skip('no right to mount a tmpfs');
  }
  try {
    const area = await openStaging(root);
    const file = await area.createFile('a.txt');
    await assert.rejects(
      async () => {
        for (let i = 0; i < 10; i++) await file.write([Buffer.alloc(64 * 1024)]);
      },
      { code: 'PH_STAGING_FULL', kind: 'unavailable' },
    );
    await file.discard();
    assert.deepEqual(await filesOf(root), []);
    assert.equal(await area.has(await stage(area, 'b.txt', 'fits')), true);
  } finally {
    execFileSync('umount', [root]);
  }
});
