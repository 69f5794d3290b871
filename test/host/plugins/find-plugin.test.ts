import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FaultList, isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import { loadConfig } from '../../../host/src/config/load.ts';
import { discoverPlugins } from '../../../host/src/plugins/discover-plugins.ts';
import { findPlugin, findPlugins } from '../../../host/src/plugins/find-plugin.ts';
import { loadPlugins } from '../../../host/src/plugins/load-plugins.ts';
import { entryFile } from '../../../host/src/plugins/package-entry.ts';
import { makeWorkplace, type Workplace, weatherPlugin } from '../cli/command-line.ts';

let place: Workplace;
beforeEach(() => {
  place = makeWorkplace();
});
afterEach(() => place.remove());

const find = (value: string, packages: Readonly<Record<string, string>> = {}, folder = place.folder) =>
  findPlugin(value, { cwd: place.folder, folder, packages: new Map(Object.entries(packages)) });

function failure(find: () => unknown): PipelineError {
  try {
    find();
  } catch (error) {
    assert.ok(isPipelineError(error), String(error));
    return error instanceof FaultList ? (error.faults[0] ?? error) : error;
  }
  return assert.fail('it was found');
}

describe('a plugin is found', () => {
  for (const name of ['@pipeline-host/plugin-weather', 'pipeline-host-plugin-weather', 'weather']) {
    it(`by its plain name as ${name}`, () => {
      place.install(name);
      assert.equal(find('weather').packageName, name);
    });
  }

  it('by its package name, and by its folder', () => {
    const root = place.install('@acme/rain');
    assert.equal(find('@acme/rain').manifest.plugin, 'weather');
    assert.equal(find('./node_modules/@acme/rain').root, root);
    assert.equal(find(root).root, root);
  });

  it('by the package that the config gives to its name', () => {
    place.install('@acme/rain');
    assert.equal(find('weather', { weather: '@acme/rain' }).packageName, '@acme/rain');
    assert.equal(failure(() => find('sun', { sun: '@acme/rain' })).code, 'PH_PLUGIN_NAME');
  });

  it('from the folder of the config file too', () => {
    const other = makeWorkplace();
    other.install('pipeline-host-plugin-weather');
    try {
      assert.equal(find('weather', {}, other.folder).packageName, 'pipeline-host-plugin-weather');
      place.install('pipeline-host-plugin-weather');
      assert.equal(failure(() => find('weather', {}, other.folder)).code, 'PH_PLUGIN_AMBIGUOUS');
    } finally {
      other.remove();
    }
  });
});

describe('a plugin is refused', () => {
  it('with the list of what was tried where there is none', () => {
    place.install('weather', { packageJson: { pipelineHost: undefined } });
    const { code, message } = failure(() => find('weather'));
    assert.equal(code, 'PH_PLUGIN_NOT_FOUND');
    assert.match(
      message,
      /tried the packages @pipeline-host\/plugin-weather, pipeline-host-plugin-weather, weather \(found, but not a plugin\) from /,
    );
  });

  it('where two folders give plugins of one name', () => {
    place.install('@acme/rain');
    place.install('@acme/sun');
    const search = { cwd: place.folder, folder: place.folder, packages: new Map<string, string>() };
    assert.equal(failure(() => findPlugins(['@acme/rain', '@acme/sun'], search)).code, 'PH_PLUGIN_DUPLICATE');
    assert.equal(findPlugins(['@acme/rain', './node_modules/@acme/rain'], search).length, 1);
  });

  it('before any of its code runs, where its SDK range is not met', async () => {
    const marker = join(place.folder, 'ran');
    place.install('pipeline-host-plugin-weather', {
      packageJson: { pipelineHost: { plugin: 'weather', sdk: '^9.0.0' } },
      code: `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, '');\n${weatherPlugin()}`,
    });
    const config = await loadConfig({ cwd: place.folder, env: {} });
    await assert.rejects(loadPlugins(['weather'], config, place.folder), { code: 'PH_PLUGIN_SDK_RANGE', exitCode: 2 });
    assert.equal(existsSync(marker), false);
  });
});

describe('discovery', () => {
  it('lists packages that are called like plugins, upward, links included, broken ones left out', () => {
    place.install('pipeline-host-plugin-weather');
    place.install('@acme/pipeline-host-plugin-rain', { packageJson: { pipelineHost: { plugin: 'rain', sdk: '*' } } });
    place.install('@acme/unrelated');
    place.install('pipeline-host-plugin-broken', { packageJson: { pipelineHost: { plugin: 1 } } });
    place.write('linked/package.json', '{ "name": "pipeline-host-plugin-linked", "pipelineHost": { "plugin": "linked", "sdk": "*" } }');
    symlinkSync(join(place.folder, 'linked'), join(place.folder, 'node_modules/pipeline-host-plugin-linked'));
    mkdirSync(join(place.folder, 'a/b'), { recursive: true });
    assert.deepEqual(
      discoverPlugins(join(place.folder, 'a/b')).map(({ manifest, root }) => [manifest.plugin, root === join(place.folder, 'linked')]),
      [
        ['linked', true],
        ['rain', false],
        ['weather', false],
      ],
    );
  });
});

describe('the entry of a package', () => {
  const entryOf = (packageJson: Readonly<Record<string, unknown>>, entry?: string): string => {
    const root = join(place.folder, 'p');
    mkdirSync(root, { recursive: true });
    for (const file of ['index.js', 'main.js', 'built.js', 'source.js', 'plugin.js']) writeFileSync(join(root, file), '');
    return entryFile({
      root,
      packageName: 'p',
      version: '1.0.0',
      packageJson: { name: 'p', ...packageJson },
      manifest: { plugin: 'p', sdk: '*', ...(entry !== undefined && { entry }) },
    }).slice(root.length + 1);
  };

  it('is its export under the conditions of the process, or main, or index.js', () => {
    assert.equal(entryOf({ exports: './built.js' }), 'built.js');
    assert.equal(entryOf({ exports: { '.': { types: './x.d.ts', import: './built.js' } } }), 'built.js');
    assert.equal(entryOf({ exports: { '.': { '@pipeline-host/source': './source.js', default: './built.js' } } }), 'source.js');
    assert.equal(entryOf({ exports: { '.': './built.js', './plugin': './plugin.js' } }, './plugin'), 'plugin.js');
    assert.equal(entryOf({ main: './main.js' }), 'main.js');
    assert.equal(entryOf({}), 'index.js');
  });

  it('is refused where it is not exported or not there', () => {
    assert.equal(failure(() => entryOf({ exports: './built.js' }, './plugin')).code, 'PH_PLUGIN_ENTRY');
    assert.equal(failure(() => entryOf({ exports: { '.': { require: './built.cjs' } } })).code, 'PH_PLUGIN_ENTRY');
    assert.equal(failure(() => entryOf({ exports: './dist/index.js' })).code, 'PH_PLUGIN_ENTRY');
  });
});
