import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { openEmbeddedBroker } from '../../host/src/embedded/index.ts';
import { apacheKafkaMissing, startApacheKafka } from './apache-kafka.ts';
import { SHARED_BROKER } from './shared-broker.ts';

/** A broker under test. Which one is chosen by the environment, so that every suite runs on all. */
export interface TestBroker {
  readonly kind: 'embedded' | 'apache' | 'external';
  readonly brokers: readonly string[];
  /** Fault hooks of the embedded broker; undefined on the others. */
  readonly faults: EmbeddedBroker['faults'] | undefined;
  /** Ends it at once: SIGKILL where it is a process of its own. Not on a user's cluster. */
  kill(): Promise<void>;
  /** Starts it again on its data and address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

type EmbeddedBroker = Awaited<ReturnType<typeof openEmbeddedBroker>>;

export type BrokerKind = TestBroker['kind'];

/** What `PH_TEST_BROKER` and `KAFKA_BROKERS` ask for; embedded by default. */
export function brokerKind(): BrokerKind {
  if (process.env['KAFKA_BROKERS']) return 'external';
  return process.env['PH_TEST_BROKER'] === 'apache' ? 'apache' : 'embedded';
}

/** Why the suite must be skipped, or false: for `{ skip: brokerMissing() }`. Says it loudly, once. */
export function brokerMissing(): string | false {
  if (brokerKind() !== 'apache') return false;
  const why = apacheKafkaMissing();
  if (why === undefined) return false;
  console.error(`\n*** SKIPPED ON APACHE KAFKA, NOT PROVEN THERE: ${why} ***\n`);
  return why;
}

/** For suites: open in `before`, close in `after` (an `after` registered inside `before` runs at once). */
export function openTestBroker(kind: BrokerKind = brokerKind()): Promise<TestBroker> {
  if (kind === 'external') return openExternal();
  return kind === 'apache' ? openApache() : openEmbedded();
}

/**
 * For suites that never stop their broker and look at topics and groups of their own alone: on Apache Kafka it is the one
 * of the whole run, which saves its start for each file.
 */
export async function openSharedBroker(kind: BrokerKind = brokerKind()): Promise<TestBroker> {
  const shared = process.env[SHARED_BROKER];
  return kind === 'apache' && shared !== undefined ? lent(kind, shared, 'of other tests too') : openTestBroker(kind);
}

async function openExternal(): Promise<TestBroker> {
  return lent('external', process.env['KAFKA_BROKERS'] ?? '', "a user's: guard with kind !== 'external'");
}

function lent(kind: BrokerKind, brokers: string, whose: string): TestBroker {
  const refuse = async (): Promise<void> => {
    throw new Error(`this broker is not stopped, it is ${whose}`);
  };
  return { kind, brokers: brokers.split(','), faults: undefined, kill: refuse, restart: refuse, close: async () => {} };
}

async function openApache(): Promise<TestBroker> {
  const kafka = await startApacheKafka();
  return {
    kind: 'apache',
    brokers: kafka.brokers,
    faults: undefined,
    kill: () => kafka.kill(),
    restart: () => kafka.up(),
    close: () => kafka.stop(),
  };
}

async function openEmbedded(): Promise<TestBroker> {
  const { openEmbeddedBroker: openBroker } = await import('../../host/src/embedded/index.ts');
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'embedded-broker-'));
  let broker = await openBroker({ dataDir });
  let running = true;
  const { address } = broker;
  const kill = async (): Promise<void> => {
    if (running) await broker.close();
    running = false;
  };
  return {
    kind: 'embedded',
    brokers: [address],
    get faults() {
      return broker.faults;
    },
    kill,
    restart: async () => {
      broker = await openBroker({ dataDir, port: Number(address.split(':').at(-1)) });
      running = true;
    },
    close: async () => {
      await kill();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
