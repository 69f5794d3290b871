import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerKind, openTestBroker, type TestBroker } from './brokers.ts';
import { type HostProcess, spawnHost } from './host-process.ts';

/** The broker of the environment's choice as a process, so that `kill` is SIGKILL: `pipeline-host broker` where it is the embedded one. */
export async function openBrokerProcess(): Promise<TestBroker> {
  if (brokerKind() !== 'embedded') return openTestBroker();
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  let port = 0;
  let broker: HostProcess;
  const start = async (): Promise<string> => {
    broker = spawnHost(['broker', '--data', folder, '--port', String(port)], folder);
    const [line] = await broker.ready;
    const address = /127\.0\.0\.1:\d+/.exec(line ?? '')?.[0];
    if (address === undefined) throw new Error(`the broker did not say its address: ${broker.output()}`);
    port = Number(address.split(':')[1]);
    return address;
  };
  const address = await start();
  const kill = async (): Promise<void> => {
    await broker.kill('SIGKILL');
  };
  return {
    kind: 'embedded',
    brokers: [address],
    faults: undefined,
    kill,
    restart: async () => {
      await start();
    },
    close: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
