import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInChild } from '../host/embedded/child-broker.ts';
import { type LossyProxy, openProxy, PROXY_HOST } from './proxy.ts';

/** The embedded broker in a process of its own, behind a proxy that its clients are led through. */
export interface ProxiedBroker extends AsyncDisposable {
  readonly address: string;
  readonly proxy: LossyProxy;
  /** Ends the broker and starts it again on its data and port. */
  restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

export async function openProxiedBroker(): Promise<ProxiedBroker> {
  const dataDir = mkdtempSync(join(tmpdir(), 'chaos-broker-'));
  const start = (port: number) => openInChild({ dataDir, port, advertisedHost: PROXY_HOST });
  let broker = await start(0);
  const port = Number(broker.address.split(':')[1]);
  const proxy = await openProxy(port);
  return {
    address: `${PROXY_HOST}:${port}`,
    proxy,
    async restart(signal) {
      await broker.stop(signal);
      broker = await start(port);
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await broker.stop('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
