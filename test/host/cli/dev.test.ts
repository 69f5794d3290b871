import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../kafka/contract-kit.ts';
import { makeWorkplace, runCommand, startCommand, type Workplace } from './command-line.ts';

const version = (name: string): string => `export const VERSION = '${name}';\n`;

/** Notes when it begins and ends to handle a message, and which version of its other module does. */
const NOTING = `import { appendFileSync, existsSync } from 'node:fs';
import { definePlugin, defineTopic, defineWorker, done, Id, Type } from '@pipeline-host/sdk';
import { VERSION } from './lib/version.js';

const jobs = defineTopic('jobs', Type.Object({ id: Id() }), { key: (job) => job.id, partitions: 2 });
const note = (step, id) => appendFileSync(new URL('./journal.txt', import.meta.url), step + ' ' + id + ' ' + VERSION + '\\n');

const worker = defineWorker({
  consumes: jobs,
  concurrency: 2,
  handle: async ({ id }) => {
    note('begin', id);
    do await new Promise((resolve) => setTimeout(resolve, 40));
    while (id === 'gated' && !existsSync(new URL('./gate.txt', import.meta.url)));
    note('end', id);
    return done();
  },
});

export default definePlugin({ name: 'noting', topics: [jobs], workers: { worker } });
`;

describe('pipeline-host dev', () => {
  let place: Workplace;
  let dev: ChildProcess;
  let said = '';
  const root = (): string => join(place.folder, 'noting');
  const journal = (): readonly string[] => {
    try {
      return readFileSync(join(root(), 'journal.txt'), 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  };
  const says = (pattern: RegExp): Promise<void> =>
    until(`dev to say ${pattern}`, () => pattern.test(said), 60_000).catch((error: Error) => {
      throw new Error(`${error.message}:\n${said}`);
    });
  const publish = async (ids: readonly string[]): Promise<void> => {
    const published = await runCommand(['publish', 'noting.jobs', '-', '--plugin', './noting', '--data', 'data'], {
      cwd: place.folder,
      input: ids.map((id) => `${JSON.stringify({ id })}\n`).join(''),
    });
    assert.equal(published.code, 0, published.stderr);
  };
  const ended = (name: string): number => journal().filter((line) => line.startsWith('end') && line.endsWith(name)).length;

  before(async () => {
    place = makeWorkplace();
    place.write(
      'noting/package.json',
      JSON.stringify({
        name: 'noting',
        version: '1.0.0',
        type: 'module',
        exports: './index.js',
        pipelineHost: { plugin: 'noting', sdk: '>=0.1.0' },
      }),
    );
    place.write('noting/index.js', NOTING);
    place.write('noting/lib/version.js', version('one'));
    dev = startCommand(['dev', '--plugin', './noting', '--data', 'data'], { cwd: place.folder });
    for (const stream of [dev.stdout, dev.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    await says(/^kafka .*embedded/m);
  });
  after(async () => {
    if (dev.exitCode === null) {
      dev.kill('SIGTERM');
      await once(dev, 'exit');
    }
    place.remove();
  });

  it('goes on with the new version of any module at a record boundary: each record is handled once, by one version', async () => {
    const ids = Array.from({ length: 300 }, (_, index) => `job-${index}`);
    await publish(ids);
    await until('the first version to be at work', () => ended('one') > 5);
    place.write('noting/lib/version.js', version('two'));
    await says(/reloaded after noting\/lib\/version\.js in/);
    await until('all to be handled', () => ended('one') + ended('two') >= ids.length, 60_000);
    for (const step of ['begin', 'end']) {
      const handled = journal().flatMap((line) => (line.startsWith(step) ? [line.split(' ')[1] ?? ''] : []));
      assert.deepEqual(handled.sort(), ids.toSorted(), `each is handled once: ${step}`);
    }
    const versions = Map.groupBy(journal(), (line) => line.split(' ')[1]);
    for (const [id, lines] of versions)
      assert.equal(new Set(lines.map((line) => line.split(' ')[2])).size, 1, `${id}: ${lines.join(', ')}`);
    assert.ok(ended('one') > 5 && ended('two') > 5, `${ended('one')} and ${ended('two')}`);
  });

  it('keeps the running version after a broken edit and says where it broke, and reloads once it is mended', async () => {
    await publish(['gated']);
    await until('the gated one to be begun', () => journal().includes('begin gated two'));
    place.write('noting/index.js', NOTING.replace("from './lib/version.js'", "from './lib/versions.js'"));
    await says(/PH_PLUGIN_IMPORT[\s\S]*at .*index\.js[\s\S]*not reloaded after noting\/index\.js: the version before goes on/);
    place.write('noting/gate.txt', 'open');
    await until('the version before to end it', () => journal().includes('end gated two'));
    place.write('noting/lib/version.js', version('three'));
    place.write('noting/index.js', NOTING);
    await says(/reloaded after noting\/(?:index|lib\/version)\.js in[\s\S]*reloaded after noting\/(?:index|lib\/version)\.js in/);
    await publish(['after-the-repair']);
    await until('the mended version to handle it', () => ended('three') === 1);
  });

  it('ends at once with all of it when it is told to', async () => {
    dev.kill('SIGTERM');
    const [code] = (await once(dev, 'exit')) as [number | null];
    assert.equal(code, 0, said);
    const refused = await runCommand(['dev'], { cwd: place.folder });
    assert.deepEqual([refused.code, /--plugin is missing/.test(refused.stderr)], [2, true]);
  });
});
