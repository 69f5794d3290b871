import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { clusterOf, until } from '../host/kafka/contract-kit.ts';
import { adminSettings, TOKEN, urlOf } from '../integration/admin-client.ts';
import { openTestBroker } from '../integration/brokers.ts';
import { spawnHost } from '../integration/host-process.ts';
import { chapterOf, commandsOf } from './fenced-blocks.ts';
import { ROOT, readReadme } from './readme.ts';

const run = promisify(execFile);

describe('README on dead letters', () => {
  it('shows commands that look at, replay and discard the dead letters of its own example', async (t) => {
    const broker = await openTestBroker('embedded');
    const folder = mkdtempSync(join(tmpdir(), 'readme-dead-letters-'));
    const settings = adminSettings();
    const config = join(folder, 'pipeline-host.config.json');
    writeFileSync(config, JSON.stringify({ dataDir: folder, kafka: { brokers: broker.brokers }, http: settings.http }));
    const host = spawnHost(['--plugin', join(ROOT, 'examples/thermostat'), '--worker', 'watcher', '--config', config], folder);
    const cluster = clusterOf(broker.brokers);
    t.after(async () => {
      await host.kill('SIGKILL');
      await cluster.close();
      await broker.close();
      settings[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    });
    await host.ready;
    await (await cluster.producer()).send({ topic: 'thermostat.readings', partition: 0, key: 'a', value: 'no reading' });
    const letters = () => cluster.read({ topic: 'thermostat.dlq' });
    await until('the dead letter', async () => (await letters()).length === 1);

    const commands = commandsOf(chapterOf(readReadme(), 'Operate'), 'dead-letters');
    const answer = async (part: string, id: string): Promise<Record<string, unknown>> => {
      const command = commands.find((one) => one.includes(part));
      assert.ok(command, `no command with ${part}`);
      const env = { PATH: process.env['PATH'], ADMIN_TOKEN: TOKEN, HOST: urlOf(host), ID: id };
      const { stdout } = await run('sh', ['-c', command.replace('curl', 'curl -sS')], { env });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    assert.equal(commands.length, 5);
    assert.match(JSON.stringify(await answer('/status', '')), /thermostat\.watcher/);
    const { items } = (await answer('?worker=', '')) as { items: { id: string }[] };
    const id = items[0]?.id ?? '';
    assert.equal((await answer('/$ID"', id))['id'], id);
    assert.match(JSON.stringify(await answer('/replay', id)), /"state":"replayed"/);
    await until('it to fail again', async () => (await letters()).length === 2);
    const again = ((await answer('?worker=', '')) as { items: { id: string; parent: string }[] }).items;
    assert.deepEqual(
      again.map(({ parent }) => parent),
      [id],
    );
    assert.match(JSON.stringify(await answer('/discard', again[0]?.id ?? '')), /"state":"discarded"/);
  });
});
