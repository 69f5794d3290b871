import { accessSync, constants, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { Broker } from './broker.ts';
import { type BrokerSettings, type EmbeddedBroker, type EmbeddedBrokerOptions, formatAddress, resolveSettings } from './options.ts';
import { type Endpoint, readEndpoint, writeEndpoint } from './ownership/endpoint.ts';
import { type FolderLock, tryLockFolder } from './ownership/folder-lock.ts';
import { askClusterId } from './ownership/probe.ts';

/** How long to wait for an owner that holds the folder but does not answer yet: it may be repairing a large log. */
const OWNER_PATIENCE_MS = 15_000;
const RETRY_MS = 25;

/**
 * Opens the broker of a data folder. The first caller on the machine owns it and serves; every other one finds it and gets its
 * address, `owner: false`. When the owner is gone, however it went, the next caller owns it. Throws PipelineError:
 * PH_BROKER_DATA_DIR, PH_BROKER_PORT_IN_USE, PH_BROKER_LISTEN, or PH_BROKER_OWNED when a port is asked for and the broker of this
 * folder already runs on another.
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const settings = resolveSettings({ ...options, dataDir: resolve(options.dataDir) });
  prepareFolder(settings.dataDir);
  const deadline = Date.now() + OWNER_PATIENCE_MS;
  for (;;) {
    const lock = await takeLock(settings.dataDir);
    if (lock) return startOwner(settings, lock);
    const owner = await findOwner(settings);
    if (owner) return joinOwner(settings, owner);
    if (Date.now() > deadline) {
      throw new PipelineError(
        'PH_BROKER_OWNED',
        `another process holds the data folder ${settings.dataDir} but its broker does not answer`,
        { place: settings.dataDir },
      );
    }
    await delay(RETRY_MS);
  }
}

function prepareFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw dataDirError(dataDir, cause);
  }
}

async function takeLock(dataDir: string): Promise<FolderLock | undefined> {
  try {
    return await tryLockFolder(dataDir);
  } catch (cause) {
    throw dataDirError(dataDir, cause);
  }
}

async function startOwner(settings: BrokerSettings, lock: FolderLock): Promise<EmbeddedBroker> {
  const { dataDir, log } = settings;
  try {
    const former = readEndpoint(dataDir);
    const broker = openBroker(settings);
    const port = await listen(broker, settings, former?.port);
    const host = reachableHost(settings);
    const endpoint: Endpoint = { pid: process.pid, startedAt: new Date().toISOString(), host, port, clusterId: broker.clusterId };
    writeEndpoint(dataDir, endpoint);
    log('info', 'embedded broker started: single machine, not replicated', {
      address: formatAddress(host, port),
      dataDir,
      clusterId: broker.clusterId,
    });
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      try {
        await broker.close();
      } finally {
        // Whatever could not be written, the folder is free: the next owner repairs what there is to repair.
        lock.release();
      }
    };
    return {
      owner: true,
      address: formatAddress(host, port),
      clusterId: broker.clusterId,
      faults: broker.faults,
      close: () => (closing ??= close()),
    };
  } catch (error) {
    lock.release();
    throw isPipelineError(error) ? error : dataDirError(dataDir, error);
  }
}

function openBroker(settings: BrokerSettings): Broker {
  try {
    return new Broker(settings);
  } catch (cause) {
    throw dataDirError(settings.dataDir, cause);
  }
}

/** Where any port will do, that of the former owner is taken if it is free: its clients still look for the broker there. */
async function listen(broker: Broker, settings: BrokerSettings, former: number | undefined): Promise<number> {
  try {
    if (settings.port === 0 && former !== undefined) return await broker.listen(former).catch(() => broker.listen(0));
    return await broker.listen(settings.port);
  } catch (cause) {
    await broker.close();
    const place = formatAddress(settings.host, settings.port);
    const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    if (inUse) throw new PipelineError('PH_BROKER_PORT_IN_USE', `port ${settings.port} is in use`, { place, cause });
    throw new PipelineError('PH_BROKER_LISTEN', `cannot listen: ${errorMessage(cause)}`, { place, cause });
  }
}

/** The owner's endpoint, once it listens and answers with the cluster id that it wrote down. */
async function findOwner(settings: BrokerSettings): Promise<Endpoint | undefined> {
  const endpoint = readEndpoint(settings.dataDir);
  if (!endpoint) return undefined;
  const clusterId = await askClusterId(endpoint, settings);
  return clusterId === endpoint.clusterId ? endpoint : undefined;
}

function joinOwner(settings: BrokerSettings, { host, port, pid, clusterId }: Endpoint): EmbeddedBroker {
  const address = formatAddress(host, port);
  if (settings.port !== 0 && settings.port !== port) {
    throw new PipelineError(
      'PH_BROKER_OWNED',
      `the broker of this data folder already runs at ${address} (process ${pid}), not on port ${settings.port}`,
      {
        place: settings.dataDir,
      },
    );
  }
  return { owner: false, address, clusterId, faults: { push: () => {}, clear: () => {} }, close: () => Promise.resolve() };
}

function reachableHost({ host, advertisedHost }: BrokerSettings): string {
  if (advertisedHost !== undefined) return advertisedHost;
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

function dataDirError(dataDir: string, cause: unknown): PipelineError {
  return new PipelineError('PH_BROKER_DATA_DIR', `cannot use the data folder ${dataDir}: ${errorMessage(cause)}`, {
    place: dataDir,
    cause,
  });
}
