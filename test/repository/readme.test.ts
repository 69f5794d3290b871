import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig } from '../../host/src/config/load.ts';
import { loadPlugins } from '../../host/src/plugins/load-plugins.ts';
import { resolveTopology } from '../../host/src/plugins/resolve-topology.ts';
import { filesOf } from './fenced-blocks.ts';
import { ROOT, readReadme, updatesReadme, writeFileBlock } from './readme.ts';

/** Files of README that stand in the repository, where CI runs them. */
const SOURCES = {
  'thermostat/src/index.ts': 'examples/thermostat/src/index.ts',
  'thermostat/test/thermostat.test.ts': 'examples/thermostat/test/thermostat.test.ts',
  'thermostat/readings.ndjson': 'examples/thermostat/readings.ndjson',
  'orders.ts': 'examples/delta-table/run.ts',
} as const;

describe('README', () => {
  it('shows the files that CI runs', () => {
    for (const [path, source] of Object.entries(SOURCES)) {
      const content = readFileSync(join(ROOT, source), 'utf8');
      if (updatesReadme) writeFileBlock(path, content);
      assert.equal(filesOf(readReadme()).find((file) => file.path === path)?.text, content, `${path}: run UPDATE_README=1 npm test`);
    }
  });

  it('shows a config that is accepted with the plugin that it names', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const block = filesOf(readReadme()).find(({ path }) => path === 'pipeline-host.config.yaml');
    writeFileSync(join(folder, 'pipeline-host.config.yaml'), block?.text ?? '');
    const loaded = await loadConfig({ cwd: folder, env: { KAFKA_PASSWORD: 'x' } });
    const { plugins, config } = await loadPlugins([join(ROOT, 'plugins/xact')], loaded, ROOT);
    const { workers } = resolveTopology(config.config, plugins);
    assert.equal(workers.find(({ name }) => name === 'ingester')?.consumes?.topic, 'xactanalysis');
    assert.equal(workers.find(({ name }) => name === 'downloader')?.settings.concurrency, 20);
  });

  it('shows how a cluster with certificates is configured', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'readme-secured-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const text = filesOf(readReadme()).find(({ path }) => path === 'secured.config.yaml')?.text ?? '';
    for (const [, name = ''] of text.matchAll(/\/run\/secrets\/([\w.-]+)/g)) writeFileSync(join(folder, name), `text of ${name}`);
    writeFileSync(join(folder, 'secured.config.yaml'), text.replaceAll('/run/secrets', folder));
    const { config } = await loadConfig({ cwd: folder, file: 'secured.config.yaml', env: { KAFKA_PASSWORD: 'x' } });
    const { tls, sasl, clusters } = config.kafka;
    assert.deepEqual(tls, { ca: 'text of kafka-ca.pem' });
    assert.deepEqual(sasl, { mechanism: 'scram-sha-512', username: 'pipeline', password: 'x' });
    assert.deepEqual(clusters['partner']?.tls, {
      ca: 'text of partner-ca.pem',
      cert: 'text of partner-client.pem',
      key: 'text of partner-client.key',
      servername: 'kafka.partner.example',
    });
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    for (const [, script = ''] of readReadme().matchAll(/npm run ([a-z:]+)/g)) assert.ok(script in scripts, `npm run ${script}`);
  });
});
