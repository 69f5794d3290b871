import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, normalize } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chapterOf, commandsOf, filesOf } from './fenced-blocks.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const workspaces = ['sdk', 'host', 'plugins/xact', 'plugins/claimx'] as const;

/** PATH as a stranger has it: nothing of this repository, whose node_modules/.bin npm puts in front. */
const strangersPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.startsWith(repository) && !folder.includes('node-gyp-bin'))
  .join(delimiter);

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

let folder: string;
let packed: readonly Packed[];
const started: ChildProcess[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pipeline-host-packages-'));
  const built = await run('npm', ['run', 'build'], {
    cwd: repository,
    path: `${join(repository, 'node_modules/.bin')}${delimiter}${strangersPath}`,
  });
  assert.equal(built.code, 0, built.out);
  packed = await Promise.all(workspaces.map(pack));
});

after(async () => {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

describe('a package', () => {
  for (const [index, workspace] of workspaces.entries()) {
    test(`${workspace} holds what its package.json promises, its licence and its README`, async () => {
      const held = filesIn(index);
      const manifest = JSON.parse(await readFile(join(repository, workspace, 'package.json'), 'utf8'));
      for (const file of ['package.json', 'README.md', 'LICENSE', ...targets(manifest.exports), ...targets(manifest.bin)]) {
        assert.ok(held.has(normalize(file)), `${workspace} is packed without ${file}`);
      }
      assert.equal(manifest.engines.node, '>=22.18');
      assert.deepEqual(
        [...held].filter((file) => /\.tsbuildinfo$|\.test\.|\.tgz$|node_modules/.test(file) && !file.startsWith('template/')),
        [],
      );
      assert.equal(
        await readFile(join(repository, workspace, 'LICENSE'), 'utf8'),
        await readFile(join(repository, 'LICENSE'), 'utf8'),
        'each package carries the licence of the repository',
      );
    });

    test(`${workspace} has source maps that lead to sources inside it`, async () => {
      const held = filesIn(index);
      const maps = [...held].filter((file) => file.endsWith('.map'));
      assert.ok(maps.length > 5, `${maps.length} source maps`);
      for (const file of maps) {
        const map: { readonly sources: readonly string[] } = JSON.parse(await readFile(join(repository, workspace, file), 'utf8'));
        for (const source of map.sources) assert.ok(held.has(normalize(join(dirname(file), source))), `${file} leads to ${source}`);
      }
    });
  }
});

describe('installed into an empty folder outside the repository', () => {
  before(async () => {
    await writeFile(join(folder, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n');
    const tarballs = packed.map(({ filename }) => join(folder, filename));
    const installed = await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs, 'node@24']);
    assert.equal(installed.code, 0, installed.out);
  });

  test('npx pipeline-host plugins lists the plugin', async () => {
    assert.match(await succeeds(['npx', '--no-install', 'pipeline-host', 'plugins']), /\bxact\b/);
  });

  test('an older Node runs the newer one that is installed', async (t) => {
    if (await olderNodeMissing()) return t.skip('no older Node on PATH');
    const { code, out } = await run('node', [join(folder, 'node_modules/.bin/pipeline-host'), 'plugins']);
    assert.equal(code, 0, out);
    assert.match(out, /\bxact\b/);
  });

  test('an older Node without a newer one is told so, and exits with 3', async (t) => {
    if (await olderNodeMissing()) return t.skip('no older Node on PATH');
    const alone = await mkdtemp(join(tmpdir(), 'pipeline-host-alone-'));
    try {
      await cp(join(folder, 'node_modules/pipeline-host'), alone, { recursive: true });
      const { code, out } = await run('node', [join(alone, 'bin/pipeline-host.js'), 'plugins'], { cwd: alone });
      assert.equal(code, 3, out);
      assert.match(out, /PH_NODE_VERSION/);
    } finally {
      await rm(alone, { recursive: true, force: true });
    }
  });

  test('a worker of the installed plugin starts, becomes ready, and stops cleanly on SIGTERM', async () => {
    await stopHost(await startHost(['--plugin', '@pipeline-host/plugin-xact', '--worker', 'ingester']));
  });

  test('a plugin that is created tests itself, type-checks, is built and runs', async () => {
    const [create = ''] = commandsOf(chapterOf(await readFile(join(repository, 'README.md'), 'utf8'), 'Write a plugin'), 'new');
    await succeeds(create.replace('npx', 'npx --no-install').split(/\s+/));
    const cwd = join(folder, 'greenhouse');
    const tested = await run(process.execPath, ['--test'], { cwd });
    assert.equal(tested.code, 0, tested.out);
    const compiler = [join(repository, 'node_modules/typescript/bin/tsc'), '--typeRoots', join(repository, 'node_modules/@types')];
    for (const project of ['tsconfig.json', 'tsconfig.build.json']) {
      const compiled = await run(process.execPath, [...compiler, '-p', project], { cwd });
      assert.equal(compiled.code, 0, compiled.out);
    }
    const host = await startHost(['--plugin', './greenhouse', '--data', 'greenhouse-data']);
    assert.match(host.said(), /runs greenhouse\.checker, greenhouse\.writer/);
    await stopHost(host);
  });

  test("a plugin written from README's text alone type-checks, and README's commands end in its table", async () => {
    const chapter = chapterOf(await readFile(join(repository, 'README.md'), 'utf8'), 'Write a plugin');
    const files = filesOf(chapter);
    for (const { path, text } of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    const sources = files.map(({ path }) => path).filter((path) => path.endsWith('.ts'));
    assert.ok(sources.length > 0, 'README gives no source file');
    const checked = await run(process.execPath, [join(repository, 'node_modules/ts7/bin/tsc'), ...compilerOptions, ...sources]);
    assert.equal(checked.code, 0, checked.out);
    const tested = await run(process.execPath, ['--test', ...sources.filter((path) => path.endsWith('.test.ts'))]);
    assert.equal(tested.code, 0, tested.out);

    const [start, publish, show, ...more] = commandsOf(chapter).map((command) => command.split(/\s+/));
    assert.ok(start && publish && show && more.length === 0, 'README gives three commands: run, publish, show');
    const host = await startHost(start.slice(2));
    await succeeds(publish);
    const deadline = Date.now() + 60_000;
    for (let table = ''; !/\brows\s+2\b/.test(table); table = await succeeds(show)) {
      assert.ok(Date.now() < deadline, `two rooms were too hot, so the table has two rows:\n${table}\n${host.said()}`);
    }
    await stopHost(host);
  });
});

/** A stranger's compiler options: strict, and with the declarations of our packages checked too. */
const compilerOptions = [
  ...['--noEmit', '--allowImportingTsExtensions', '--strict', '--ignoreConfig', '--module', 'nodenext', '--target', 'es2024'],
  ...['--types', 'node', '--typeRoots', join(repository, 'node_modules/@types')],
];

function filesIn(index: number): ReadonlySet<string> {
  return new Set(packed[index]?.files.map(({ path }) => normalize(path)));
}

/** The files that a map of exports or commands names, whatever the conditions. */
function targets(map: unknown): readonly string[] {
  if (typeof map === 'string') return [map];
  return typeof map === 'object' && map !== null ? Object.values(map).flatMap(targets) : [];
}

async function pack(workspace: string): Promise<Packed> {
  const { code, out } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: join(repository, workspace),
    quiet: true,
  });
  assert.equal(code, 0, out);
  const answer: unknown = JSON.parse(out);
  const [only] = Array.isArray(answer) ? answer : Object.values(answer as object);
  return only;
}

/** What a command says; it must end with 0. */
async function succeeds([command = '', ...args]: readonly string[]): Promise<string> {
  const { code, out } = await run(command, args);
  assert.equal(code, 0, out);
  return out;
}

interface Host {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly said: () => string;
}

/** `pipeline-host` with these arguments, once it answers that it is ready. */
async function startHost(args: readonly string[]): Promise<Host> {
  const child = spawn('pipeline-host', [...args], { cwd: folder, env: environment(localPath()), stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const ended = new Promise<number | null>((resolve, reject) => child.on('exit', resolve).on('error', reject));
  const deadline = Date.now() + 60_000;
  while (!(await isReady(out))) {
    assert.equal(child.exitCode, null, `it ended before it was ready:\n${out}`);
    assert.ok(Date.now() < deadline, `not ready within a minute:\n${out}`);
    await pause(100);
  }
  return { child, ended, said: () => out };
}

/** SIGTERM; it must end with 0 by itself. */
async function stopHost({ child, ended, said }: Host): Promise<void> {
  child.kill('SIGTERM');
  assert.equal(await Promise.race([ended, pause(35_000, 'still running' as const, { ref: false })]), 0, said());
}

/** The host prints the address that it listens on. */
async function isReady(out: string): Promise<boolean> {
  const address = /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0];
  if (address === undefined) return false;
  return fetch(`${address}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function olderNodeMissing(): Promise<boolean> {
  const { out: version } = await run('node', ['--version']);
  if (isOld(version)) return false;
  console.log(`*** SKIPPED: the Node on PATH is ${version.trim()}, so what the command does on an older one was not seen ***`);
  return true;
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
  return major < 22 || (major === 22 && minor < 18);
}

function localPath(): string {
  return `${join(folder, 'node_modules/.bin')}${delimiter}${strangersPath}`;
}

/** What npm tells its children about this repository must not reach a stranger's npm. */
function environment(path: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/i.test(name));
  return { ...Object.fromEntries(inherited), PATH: path, INIT_CWD: folder };
}

interface RunOptions {
  readonly cwd?: string;
  readonly path?: string;
  /** Standard output alone. */
  readonly quiet?: boolean;
}

function run(
  command: string,
  args: readonly string[],
  { cwd = folder, path = strangersPath, quiet = false }: RunOptions = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(command, [...args], { cwd, env: environment(path), maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, out: quiet && code === 0 ? stdout : `${stdout}${stderr}${code === null ? (error?.message ?? '') : ''}` });
    });
    child.stdin?.end();
  });
}
