import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeWorkplace, outcomeOf, runCommand } from './command-line.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A folder of a user, with SDK and host installed. */
function workplace() {
  const place = makeWorkplace();
  symlinkSync(join(ROOT, 'host'), join(place.folder, 'node_modules/pipeline-host'));
  return place;
}

/** Node as it comes, with our packages from source. */
const run = (args: readonly string[], cwd: string) =>
  outcomeOf(
    spawn(process.execPath, ['-C', '@pipeline-host/source', '--disable-warning=ExperimentalWarning', ...args], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: cwd },
    }),
    110_000,
  );

describe('pipeline-host plugin create', () => {
  it('makes a plugin whose tests and lint pass as they are, and which runs', async (t) => {
    const place = workplace();
    t.after(() => place.remove());
    const created = await runCommand(['plugin', 'create', 'green-house'], { cwd: place.folder });
    assert.equal(created.code, 0, created.stderr);
    assert.match(created.stdout, /next: cd green-house && npm install && npm test && npm run dev/);
    const folder = join(place.folder, 'green-house');
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
    assert.deepEqual(manifest['pipelineHost'], { plugin: 'green-house', sdk: '^0.1.0' });
    assert.match(readFileSync(join(folder, 'src/writer.ts'), 'utf8'), /'green_house_orders'/);
    assert.ok(existsSync(join(folder, '.gitignore')));
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { parentPath, name } of files) assert.doesNotMatch(readFileSync(join(parentPath, name), 'utf8'), /sample/i, name);

    const tests = await run(['--test'], folder);
    assert.equal(tests.code, 0, tests.stdout);
    assert.match(tests.stdout, /pass 3/);
    const lint = await run([join(ROOT, 'node_modules/@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'], folder);
    assert.equal(lint.code, 0, `${lint.stdout}${lint.stderr}`);
    const check = await run(['-C', 'development', join(ROOT, 'host/bin/pipeline-host.js'), 'config', 'check', '--plugin', '.'], folder);
    assert.match(check.stdout, /ok, 1 plugin, 2 workers/, check.stderr);
  });

  it('refuses a name that is none, and a folder that holds something', async (t) => {
    const place = workplace();
    t.after(() => place.remove());
    const misnamed = await runCommand(['plugin', 'create', 'Green_House'], { cwd: place.folder });
    assert.deepEqual([misnamed.code, /PH_CLI_ARGUMENT/.test(misnamed.stderr)], [2, true], misnamed.stderr);
    mkdirSync(join(place.folder, 'greenhouse'));
    writeFileSync(join(place.folder, 'greenhouse/notes.txt'), 'mine');
    const taken = await runCommand(['plugin', 'create', 'greenhouse'], { cwd: place.folder });
    assert.deepEqual([taken.code, /PH_PLUGIN_FOLDER_TAKEN/.test(taken.stderr)], [2, true], taken.stderr);
    assert.deepEqual(readdirSync(join(place.folder, 'greenhouse')), ['notes.txt']);
    const elsewhere = await runCommand(['plugin', 'create', 'greenhouse', '--dir', 'plugins/greenhouse'], { cwd: place.folder });
    assert.equal(elsewhere.code, 0, elsewhere.stderr);
    assert.ok(existsSync(join(place.folder, 'plugins/greenhouse/src/index.ts')));
  });
});
