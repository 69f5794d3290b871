import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEmbedded } from '../../../host/src/cli/embedded-broker.ts';
import { loadConfig } from '../../../host/src/config/load.ts';
import { connectClusters } from '../../../host/src/engine/clusters.ts';
import { COMPRESSION } from '../../../host/src/kafka/wire/codecs.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';

test('each cluster gets its batches in the codec that its settings name', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'compression-'));
  const file = join(folder, 'pipeline-host.config.json');
  const clusters = { other: { brokers: 'embedded', compression: 'zstd' }, plain: { brokers: 'embedded' } };
  writeFileSync(file, JSON.stringify({ dataDir: folder, kafka: { brokers: 'embedded', compression: 'lz4', clusters } }));
  const connected = connectClusters(await loadConfig({ cwd: folder, file, env: {} }), openEmbedded, createLogger({ level: 'silent' }));
  t.after(async () => {
    await connected.close();
    rmSync(folder, { recursive: true });
  });
  for (const [name, data, codec] of [
    ['default', 'broker', 'lz4'],
    ['other', 'broker-other', 'zstd'],
    ['plain', 'broker-plain', 'none'],
  ] as const) {
    await (await (await connected.get(name)).admin()).createTopics([{ name: 'packed', partitions: 1 }]);
    await (await connected.producer(name)).send({ topic: 'packed', key: null, value: 'x'.repeat(1_000) });
    const [log = ''] = globSync(`${folder}/${data}/**/packed*/**/*.log`);
    assert.equal(readFileSync(log).readInt16BE(21) & 7, COMPRESSION[codec], name);
  }
});
