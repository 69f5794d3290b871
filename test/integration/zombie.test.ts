import assert from 'node:assert/strict';
import { existsSync, watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openTestBroker, type TestBroker } from './brokers.ts';
import type { HostProcess } from './host-process.ts';
import { numbers, openRelayWorld, type RelayWorld } from './relay-world.ts';

const PATIENCE = 60_000;

/** Stops the process as soon as it begins a data file of the table; the file's name. */
function stopAtDataFile({ child }: HostProcess, folder: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const watcher = watch(folder, (_event, name) => {
    if (name === null || !name.endsWith('.parquet')) return;
    child.kill('SIGSTOP');
    watcher.close();
    resolve(name);
  });
  return promise;
}

/** Whether any version of the table names the file. */
async function isCommitted(folder: string, file: string): Promise<boolean> {
  const log = join(folder, '_delta_log');
  const commits = (await readdir(log)).filter((name) => name.endsWith('.json'));
  const texts = await Promise.all(commits.map((name) => readFile(join(log, name), 'utf8')));
  return texts.some((text) => text.includes(file));
}

describe('a table writer that was asleep while its partitions were taken over', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  it('commits none of the rows that the new owner has written, and works on', async () => {
    await using world: RelayWorld = await openRelayWorld({
      brokers: broker.brokers,
      partitions: 2,
      config: { kafka: { sessionTimeout: '2s' } },
    });
    const folder = join(world.folder, 'tables/relay_log');
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      const from = sent;
      sent += count;
      await world.send(numbers(count).map((n) => ({ key: `key ${n % 20}`, n: from + n })));
    };
    const untilCommitted = (): Promise<unknown> =>
      until('all to be committed', async () => (await world.committed('recorder')) === sent, PATIENCE);

    const sleeper = await world.spawn(['recorder']);
    await send(100);
    await untilCommitted();
    // Until it is caught between its files and their commit.
    let file = '';
    do {
      sleeper.child.kill('SIGCONT');
      const stopped = stopAtDataFile(sleeper, folder);
      await send(100);
      file = await stopped;
    } while (await isCommitted(folder, file));

    const owner = await world.spawn(['recorder']);
    await untilCommitted();
    await send(100);
    await untilCommitted();
    assert.ok(existsSync(join(folder, file)), 'the sleeper still has its files');
    sleeper.child.kill('SIGCONT');
    await until('it to give its files up', () => !existsSync(join(folder, file)), PATIENCE);
    assert.equal(await isCommitted(folder, file), false);

    assert.equal(await owner.kill('SIGTERM'), 0);
    await send(100);
    await untilCommitted();
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(sent));
    assert.equal(await sleeper.kill('SIGTERM'), 0, sleeper.output());
  });
});
