import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInChild } from '../host/embedded/child-broker.ts';
import { startApacheKafka } from '../integration/apache-kafka.ts';
import { type LossyProxy, openProxy, PROXY_HOST } from './proxy.ts';

/** The embedded broker, or a node of Apache Kafka. */
export type ChaosBroker = 'embedded' | 'apache';

type Ending = 'SIGKILL' | 'SIGTERM';

/** A broker in a process of its own, behind a proxy that its clients are led through. */
export interface ProxiedBroker extends AsyncDisposable {
  readonly address: string;
  readonly proxy: LossyProxy;
  /** Ends the broker and starts it again on its data and port. */
  restart(signal: Ending): Promise<void>;
}

/** A broker that leads its clients to the proxy's address, and listens on the same port of 127.0.0.1. */
interface BrokerProcess {
  readonly port: number;
  restart(signal: Ending): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export async function openProxiedBroker(kind: ChaosBroker): Promise<ProxiedBroker> {
  const broker = await (kind === 'apache' ? startApache() : startEmbedded());
  const proxy = await openProxy(broker.port);
  return {
    address: `${PROXY_HOST}:${broker.port}`,
    proxy,
    restart: (signal) => broker.restart(signal),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await broker.stop();
    },
  };
}

async function startEmbedded(): Promise<BrokerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'chaos-broker-'));
  const start = (at: number) => openInChild({ dataDir, port: at, advertisedHost: PROXY_HOST });
  let broker = await start(0);
  const port = portOf(broker.address);
  return {
    port,
    async restart(signal) {
      await broker.stop(signal);
      broker = await start(port);
    },
    async stop() {
      await broker.stop('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function startApache(): Promise<BrokerProcess> {
  const kafka = await startApacheKafka({ advertisedHost: PROXY_HOST });
  return {
    port: portOf(kafka.brokers[0] ?? ''),
    async restart(signal) {
      await kafka.kill(1, signal);
      await kafka.up(1);
    },
    stop: () => kafka.stop(),
  };
}

function portOf(address: string): number {
  return Number(address.split(':')[1]);
}
