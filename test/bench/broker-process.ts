import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedBroker } from '../../host/src/embedded/index.ts';
import { apacheKafkaMissing, startApacheKafka } from '../integration/apache-kafka.ts';

/** The broker in a process of its own, so that its CPU is not counted as the client's. */
export interface BrokerProcess {
  readonly kind: string;
  readonly brokers: readonly string[];
  close(): Promise<void>;
}

/** `KAFKA_BROKERS`, or Apache Kafka where that is asked for, or an embedded broker; on a folder that is removed afterwards. */
export async function startBroker(apache: boolean): Promise<BrokerProcess> {
  const external = process.env['KAFKA_BROKERS'];
  if (external !== undefined && external !== '') return { kind: 'KAFKA_BROKERS', brokers: external.split(','), close: async () => {} };
  return apache ? startApache() : startEmbedded();
}

async function startApache(): Promise<BrokerProcess> {
  const missing = apacheKafkaMissing();
  if (missing !== undefined) throw new Error(`Apache Kafka cannot be had here: ${missing}`);
  const { brokers, stop } = await startApacheKafka();
  return { kind: 'Apache Kafka', brokers, close: stop };
}

async function startEmbedded(): Promise<BrokerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-'));
  const child = fork(new URL(import.meta.url), [dataDir], { execArgv: process.execArgv });
  const [message] = (await once(child, 'message')) as [{ readonly address: string }];
  return {
    kind: 'embedded broker',
    brokers: [message.address],
    close: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const [, script, dataDir] = process.argv;
if (process.send !== undefined && dataDir !== undefined && script?.includes('broker-process') === true) {
  const broker = await openEmbeddedBroker({ dataDir });
  process.send({ address: broker.address });
  process.once('SIGTERM', () => void broker.close().then(() => process.exit(0)));
}
