import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { openScratch, type Scratch } from '../../../host/src/delta/duckdb/scratch.ts';
import { openDeltaEngine } from '../../../host/src/delta/index.ts';
import { block, column, openLake } from './delta-fixture.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ph-scratch-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const names = async (parent: string): Promise<readonly string[]> => (await readdir(parent)).toSorted();

/** The parts of a folder's name: of the processes that know each other, this one's id, when it started. */
async function nameParts(parent: string): Promise<{ readonly world: string; readonly start: string }> {
  const [name = ''] = await names(parent);
  const [, , world = '', , start = ''] = name.split('-');
  return { world, start };
}

const HOURS = 60 * 60 * 1000;

async function age(path: string, milliseconds: number): Promise<void> {
  const then = new Date(Date.now() - milliseconds);
  await utimes(path, then, then);
}

test('only scratch whose owner is known to be dead, or gives no sign of life for hours, is removed', async () => {
  const parent = join(folder, 'owners');
  const own = await openScratch(parent);
  const [first = ''] = await names(parent);
  const { world, start } = await nameParts(parent);
  const dead = spawn(process.execPath, ['-e', '']);
  const { pid } = dead;
  await new Promise((resolve) => dead.once('exit', resolve));
  const kept = [
    first, // of this process, by another engine
    `ph-delta-${world}-${process.ppid}-0-parent`,
    `ph-delta-0123456789ab-${pid}-1-other`, // where this id may be another process's
    `ph-delta-0123456789ab-1-1-other`,
    'somebodys',
    'ph-delta-lake', // old, but no name that we give
  ];
  const removed = [`ph-delta-${world}-${pid}-1-dead`, `ph-delta-0123456789ab-${process.pid}-${start}-lifeless`];
  if (start !== '0') removed.push(`ph-delta-${world}-${process.pid}-1-before`); // its id is ours now
  for (const name of [...kept.slice(1), ...removed]) await mkdir(join(parent, name));
  for (const name of [...removed.filter((name) => name.endsWith('lifeless')), 'ph-delta-lake']) await age(join(parent, name), 3 * HOURS);
  const next = await openScratch(parent);
  const left = await names(parent);
  assert.deepEqual(
    kept.filter((name) => !left.includes(name)),
    [],
  );
  assert.deepEqual(
    removed.filter((name) => left.includes(name)),
    [],
  );
  await Promise.all([own.close(), next.close()]);
});

test('processes of two PID namespaces leave each other their scratch', async (t) => {
  const parent = join(folder, 'namespaces');
  await mkdir(parent);
  const program = `
    const { openScratch } = await import(${JSON.stringify(new URL('../../../host/src/delta/duckdb/scratch.ts', import.meta.url).href)});
    const scratch = await openScratch(process.argv[1]);
    process.stdout.write('open ' + process.pid);
    process.stdin.resume().once('end', () => scratch.close());
  `;
  const node = [process.execPath, ...process.execArgv, '--input-type=module', '-e', program, parent];
  const isolated = (command: readonly string[]): Promise<{ readonly output: string; stop(): Promise<void> }> => {
    const child = spawn('unshare', ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', ...command]);
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    return new Promise((resolve) => {
      const stop = async (): Promise<void> => {
        child.stdin.end();
        await ended;
      };
      let output = '';
      child.stdout.on('data', (data) => {
        output += String(data);
        if (output.startsWith('open ')) resolve({ output, stop });
      });
      child.once('error', (error) => resolve({ output: error.message, stop: async () => {} }));
      void ended.then(() => resolve({ output: 'unshare is not permitted here', stop }));
    });
  };
  // Behind 99 other processes, so that it has an id that no process of the second namespace has.
  const first = await isolated(['sh', '-c', 'for each in $(seq 99); do (exit); done; "$@"; exit $?', 'sh', ...node]);
  if (!first.output.startsWith('open ')) {
    t.skip(first.output);
    return;
  }
  const second = await isolated(node);
  assert.match(`${first.output}, ${second.output}`, /^open \d{3}, open 1$/);
  const ours = await openScratch(parent);
  assert.equal((await names(parent)).length, 3);
  await Promise.all([first.stop(), second.stop(), ours.close()]);
});

test('scratch that somebody tidied away is made again', async () => {
  await using lake = await disposableLake();
  const table = await lake.create('tidied', [column('id')]);
  await table.append(block([{ id: '1' }]));
  const { scratch } = lake.engine;
  const place = await placeOf(scratch);
  for (const path of [place, join(lake.folder, 'temp')]) await rm(path, { recursive: true, force: true });
  await table.append(block([{ id: '2' }]));
  assert.equal(await placeOf(scratch), place);
  await rm(join(lake.folder, 'temp'), { recursive: true, force: true });
  await table.checkpoint();
  await rm(join(lake.folder, 'temp'), { recursive: true });
  assert.deepEqual(await scratch.withFolder((empty) => readdir(empty)), []);
  assert.equal(await table.count(), 2);
});

async function placeOf(scratch: Scratch): Promise<string> {
  return await scratch.withFile(Buffer.from('x'), async (file) => join(file, '..'));
}

async function disposableLake() {
  const lake = await openLake();
  return { ...lake, [Symbol.asyncDispose]: () => lake.close() };
}

test('an owner that lives gives signs of it, and brings back what was tidied away', async () => {
  const parent = join(folder, 'signs');
  mock.timers.enable({ apis: ['setInterval'] });
  const scratch = await openScratch(parent);
  const [name = ''] = await names(parent);
  const own = join(parent, name);
  await rm(scratch.spillFolder, { recursive: true });
  await age(own, 3 * HOURS);
  mock.timers.tick(HOURS);
  const isFresh = async (): Promise<boolean> => Date.now() - (await stat(own)).mtimeMs < HOURS && (await readdir(own)).includes('spill');
  for (const end = Date.now() + 30_000; Date.now() < end && !(await isFresh()); ) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(await isFresh());
  await scratch.close();
  mock.timers.reset();
});

test('two engines that share a folder spill beside each other', async () => {
  const tempDirectory = join(folder, 'spilled');
  const open = () => openDeltaEngine({ tempDirectory, memoryLimit: '20MB', connections: 1 });
  await using first = await open();
  await using second = await open();
  for (const [at, engine] of [first, second].entries())
    await engine.withConnection((connection) =>
      connection.run(`CREATE TEMP TABLE spilled AS SELECT range AS n, hash(range)::VARCHAR AS h FROM range(${at}, ${at + 800_000})`),
    );
  for (const [at, engine] of [first, second].entries()) {
    assert.notDeepEqual(await readdir(engine.scratch.spillFolder), []);
    const read = 'SELECT count(*), min(n), max(n) FROM spilled WHERE h = hash(n)::VARCHAR';
    assert.deepEqual(await engine.withConnection((connection) => connection.rows(read)), [['800000', String(at), String(at + 799_999)]]);
  }
});
