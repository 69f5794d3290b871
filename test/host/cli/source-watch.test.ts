import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { watchSources } from '../../../host/src/cli/plugin/source-watch.ts';
import { until } from '../kafka/contract-kit.ts';

describe('the watch of a plugin', () => {
  let folder: string;
  let seen: string[];
  let watching: Disposable;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ph-watch-'));
    for (const name of ['src/rows', 'dist', 'node_modules/other']) mkdirSync(join(folder, name), { recursive: true });
    write('src/rows/a.ts');
    seen = [];
    watching = watchSources({ folder, except: [join(folder, 'dist')], onChange: (file) => void seen.push(file) });
  });
  afterEach(() => {
    watching[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  const write = (path: string): void => writeFileSync(join(folder, path), `${Math.random()}`);
  const tells = (path: string): Promise<void> => until(`a change of ${path}`, () => seen.includes(path));

  it('tells of each change, also of a file that its editor has replaced before', async () => {
    for (let count = 0; count < 3; count++) {
      seen = [];
      write('src/rows/a.ts.new');
      renameSync(join(folder, 'src/rows/a.ts.new'), join(folder, 'src/rows/a.ts'));
      await tells('src/rows/a.ts');
      seen = [];
      write('src/rows/a.ts');
      await tells('src/rows/a.ts');
    }
  });

  it('tells of what comes into folders that are new, and into those that came again', async () => {
    for (let count = 0; count < 2; count++) {
      seen = [];
      mkdirSync(join(folder, 'src/more/below'), { recursive: true });
      write('src/more/below/b.ts');
      await tells('src/more/below/b.ts');
      rmSync(join(folder, 'src/more'), { recursive: true });
      await until('the watch to have seen that', () => seen.length > 0);
    }
    write('package.json');
    await tells('package.json');
  });

  it('has no eye for packages, what is built, and files that are no sources', async () => {
    for (const path of ['node_modules/other/index.js', 'dist/index.js', 'src/notes.txt']) write(path);
    write('src/last.ts');
    await tells('src/last.ts');
    assert.deepEqual(seen, ['src/last.ts']);
  });
});
