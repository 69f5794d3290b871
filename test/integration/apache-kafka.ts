import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * Real Apache Kafka for tests: Maven fetches the jars once into `.cache/apache-kafka` (45 jars, 43 MB), java runs one or
 * more KRaft nodes on free loopback ports. Run as a program with `fetch` it only fills the cache.
 */
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const CACHE = path.join(ROOT, '.cache', 'apache-kafka');
const LIBS = path.join(CACHE, 'libs');
const POM = path.join(ROOT, 'test', 'integration', 'apache-kafka', 'pom.xml');
const LOOPBACK = '127.0.0.1';
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];

export interface ApacheKafka {
  readonly brokers: readonly string[];
  /** Addresses of a further listener. */
  listener(name: string): readonly string[];
  /** Ends one node, 1 being the first, by SIGKILL unless told otherwise. */
  kill(node?: number, signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts a killed node again on its data and port. */
  up(node?: number): Promise<void>;
  /** SIGKILL of all nodes; their data is removed. */
  stop(): Promise<void>;
}

/** Why Apache Kafka cannot run here, or undefined. */
export function apacheKafkaMissing(): string | undefined {
  if (spawnSync('java', ['-version']).status !== 0) return 'java is not installed';
  if (existsSync(path.join(CACHE, 'complete'))) return undefined;
  if (spawnSync('mvn', ['-v']).status !== 0) return 'mvn is not installed';
  try {
    fetchApacheKafka();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function fetchApacheKafka(): void {
  if (existsSync(path.join(CACHE, 'complete'))) return;
  rmSync(LIBS, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  const { status, stdout } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${LIBS}`],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`mvn could not fetch Apache Kafka: ${stdout.slice(-500)}`);
  writeFileSync(path.join(CACHE, 'complete'), `${readdirSync(LIBS).length} jars\n`);
}

/** Held open together, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** One ApiVersions round trip: the port opens before the broker answers. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    const end = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(1000, () => end(false)).on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('connect', () => socket.write(Buffer.from('0000000f001200000000000100057265616479', 'hex')));
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      if (received.length >= 10) end(received.readInt32BE(4) === 1 && received.readInt16BE(8) === 0);
    });
  });
}

interface Node {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  /** Ports of the further listeners, by their names. */
  readonly listeners: ReadonlyMap<string, number>;
  readonly home: string;
  child: ChildProcess | undefined;
}

function serverProperties(
  node: Node,
  nodes: readonly Node[],
  protocols: Readonly<Record<string, string>>,
  advertisedHost: string,
  extra: Readonly<Record<string, string>>,
): string {
  const factor = Math.min(nodes.length, 3);
  const inSync = nodes.length > 2 ? 2 : 1;
  const clientListeners = (host: string): string =>
    [['PLAINTEXT', node.port] as const, ...node.listeners].map(([name, port]) => `${name}://${host}:${port}`).join();
  const properties: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(),
    listeners: `${clientListeners(LOOPBACK)},CONTROLLER://${LOOPBACK}:${node.controllerPort}`,
    'advertised.listeners': clientListeners(advertisedHost),
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': Object.entries({ CONTROLLER: 'PLAINTEXT', PLAINTEXT: 'PLAINTEXT', ...protocols })
      .map(([name, protocol]) => `${name}:${protocol}`)
      .join(),
    'log.dirs': path.join(node.home, 'data'),
    'default.replication.factor': factor,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': factor,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': factor,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 3,
    'share.coordinator.state.topic.replication.factor': factor,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    'auto.create.topics.enable': 'false',
    'num.network.threads': 2,
    'num.io.threads': 2,
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    ...extra,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function launch(node: Node, heap: string): void {
  const log = openSync(path.join(node.home, 'kafka.log'), 'a');
  node.child = spawn('java', [`-Xmx${heap}`, ...JVM, '-cp', `${LIBS}/*`, 'kafka.Kafka', path.join(node.home, 'server.properties')], {
    stdio: ['ignore', log, log],
    cwd: node.home,
  });
  closeSync(log);
}

async function ready(node: Node): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await answers(node.port))) {
    const log = () => readFileSync(path.join(node.home, 'kafka.log'), 'utf8').slice(-2000);
    if (node.child?.exitCode !== null) throw new Error(`Apache Kafka node ${node.id} ended: ${log()}`);
    if (Date.now() > deadline) throw new Error(`Apache Kafka node ${node.id} does not answer: ${log()}`);
    await sleep(50);
  }
}

async function kill(node: Node, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
  const { child } = node;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

function format(node: Node, clusterId: string, scramUsers: readonly string[]): void {
  const properties = path.join(node.home, 'server.properties');
  const { status, stdout, stderr } = spawnSync(
    'java',
    [
      ...JVM,
      '-cp',
      `${LIBS}/*`,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId,
      '-c',
      properties,
      ...scramUsers.flatMap((user) => ['--add-scram', user]),
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`formatting Apache Kafka's data failed: ${stdout}${stderr}`);
}

/** Fresh nodes, ready to use. Dies with this process only if `stop` is called: call it. */
export async function startApacheKafka({
  nodes: count = 1,
  heap = '512m',
  listeners = {},
  scramUsers = [],
  advertisedHost = LOOPBACK,
  properties = {},
}: {
  nodes?: number;
  /** Of each node. */
  heap?: string;
  /** Protocols of further listeners, by their names; how they are secured is said by `properties`. */
  listeners?: Readonly<Record<string, 'SASL_SSL' | 'SSL'>>;
  /** Users from the first start on, as `--add-scram` takes them. */
  scramUsers?: readonly string[];
  /** Where clients are led, on the same ports: a proxy listens there. */
  advertisedHost?: string;
  properties?: Readonly<Record<string, string>>;
} = {}): Promise<ApacheKafka> {
  fetchApacheKafka();
  const run = mkdtempSync(path.join(os.tmpdir(), 'apache-kafka-'));
  const names = Object.keys(listeners);
  const ports = await freePorts(count * (2 + names.length));
  const nextPort = (): number => ports.pop() as number;
  const nodes = Array.from(
    { length: count },
    (_, i): Node => ({
      id: i + 1,
      port: nextPort(),
      controllerPort: nextPort(),
      listeners: new Map(names.map((name) => [name, nextPort()])),
      home: path.join(run, String(i + 1)),
      child: undefined,
    }),
  );
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  for (const node of nodes) {
    mkdirSync(node.home, { recursive: true });
    writeFileSync(path.join(node.home, 'server.properties'), serverProperties(node, nodes, listeners, advertisedHost, properties));
    format(node, clusterId, scramUsers);
  }
  const node = (id: number): Node => nodes[id - 1] as Node;
  const stop = async (): Promise<void> => {
    process.off('exit', killAll);
    await Promise.all(nodes.map((one) => kill(one)));
    rmSync(run, { recursive: true, force: true });
  };
  const killAll = (): void => {
    for (const { child } of nodes) child?.kill('SIGKILL');
  };
  process.on('exit', killAll);
  for (const one of nodes) launch(one, heap);
  try {
    await Promise.all(nodes.map(ready));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: nodes.map(({ port }) => `127.0.0.1:${port}`),
    listener: (name) => nodes.map((each) => `127.0.0.1:${each.listeners.get(name)}`),
    kill: (id = 1, signal) => kill(node(id), signal),
    up: async (id = 1) => {
      launch(node(id), heap);
      await ready(node(id));
    },
    stop,
  };
}

/** Runs a program of test/integration/apache-kafka on the Java client; gives what it prints. */
export async function runJava(program: string, args: readonly string[]): Promise<string> {
  const file = path.join(ROOT, 'test', 'integration', 'apache-kafka', program);
  const child = spawn('java', [...JVM, '-cp', `${LIBS}/*`, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const killed = setTimeout(() => child.kill('SIGKILL'), 120_000);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  const ended = once(child, 'close');
  const printed = await text(child.stdout);
  const [code] = (await ended) as [number | null];
  clearTimeout(killed);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${errors.slice(-2_000)}`);
  return printed;
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const why = apacheKafkaMissing();
  if (why !== undefined) {
    console.error(`APACHE KAFKA CANNOT BE HAD HERE: ${why}`);
    process.exitCode = 3;
  } else if (process.argv[2] === 'start') {
    const kafka = await startApacheKafka();
    console.log(`KAFKA_BROKERS=${kafka.brokers.join()}`);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void kafka.stop());
  }
}
