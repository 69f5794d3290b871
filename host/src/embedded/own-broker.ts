import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { Broker } from './broker.ts';
import type { FaultHooks } from './faults.ts';
import { type BrokerSettings, formatAddress } from './options.ts';
import { type Endpoint, readEndpoint, writeEndpoint } from './ownership/endpoint.ts';
import { type Fence, raiseFence } from './ownership/fence.ts';
import type { FolderLock } from './ownership/folder-lock.ts';

/** A process that has just died may hold its port a moment longer than its lock. */
const PORT_PATIENCE_MS = 500;
const PORT_RETRY_MS = 25;

/** The broker of a data folder in the process that owns it. */
export interface OwnedBroker {
  readonly endpoint: Endpoint;
  readonly faults: FaultHooks;
  /** False once another process has taken the folder, which no owner gives away while its lock is honoured. */
  isMine(): boolean;
  /** Flushes, stops and gives the folder free; where it is not ours any more, stops without touching it. */
  close(): Promise<void>;
}

/** Reads what is in the folder and serves it. Takes the lock with it: it is released by `close()`, and where the start fails. */
export async function startOwner(settings: BrokerSettings, lock: FolderLock): Promise<OwnedBroker> {
  const { dataDir, log } = settings;
  try {
    const former = readEndpoint(dataDir);
    const fence = raiseFence(dataDir);
    const broker = openBroker(settings, fence);
    const port = await listen(broker, settings, former?.port);
    const endpoint: Endpoint = {
      pid: process.pid,
      startedAt: new Date().toISOString(),
      host: reachableHost(settings),
      port,
      clusterId: broker.clusterId,
      manner: { profile: settings.profile.name, fsync: settings.fsync, commitMetadata: settings.commitMetadata },
    };
    writeEndpoint(dataDir, endpoint);
    log('info', 'embedded broker started: single machine, not replicated', {
      address: formatAddress(endpoint.host, port),
      dataDir,
      clusterId: broker.clusterId,
      profile: settings.profile.name,
    });
    const close = async (): Promise<void> => {
      try {
        await (fence.isMine() ? broker.close() : broker.abandon());
      } finally {
        // Whatever could not be written, the folder is free: the next owner repairs what there is to repair.
        lock.release();
      }
    };
    let closing: Promise<void> | undefined;
    return { endpoint, faults: broker.faults, isMine: () => fence.isMine(), close: () => (closing ??= close()) };
  } catch (error) {
    lock.release();
    throw isPipelineError(error) ? error : dataDirError(dataDir, error);
  }
}

function openBroker(settings: BrokerSettings, fence: Fence): Broker {
  try {
    return new Broker(settings, fence);
  } catch (cause) {
    throw isPipelineError(cause) ? cause : dataDirError(settings.dataDir, cause);
  }
}

/** Where any port will do, that of the former owner is taken if it is free: its clients still look for the broker there. */
async function listen(broker: Broker, settings: BrokerSettings, former = 0): Promise<number> {
  const { host, port } = settings;
  try {
    return await listenPatiently(broker, port === 0 ? former : port).catch((error: unknown) => {
      if (port === 0) return broker.listen(0);
      throw error;
    });
  } catch (cause) {
    await broker.close();
    const place = formatAddress(host, port);
    if (isInUse(cause)) throw new PipelineError('PH_BROKER_PORT_IN_USE', `port ${port} is in use`, { place, cause });
    throw new PipelineError('PH_BROKER_LISTEN', `cannot listen: ${errorMessage(cause)}`, { place, cause });
  }
}

async function listenPatiently(broker: Broker, port: number): Promise<number> {
  const deadline = Date.now() + PORT_PATIENCE_MS;
  for (;;) {
    try {
      return await broker.listen(port);
    } catch (error) {
      if (!isInUse(error) || Date.now() > deadline) throw error;
      await delay(PORT_RETRY_MS);
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function reachableHost({ host, advertisedHost }: BrokerSettings): string {
  if (advertisedHost !== undefined) return advertisedHost;
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

export function dataDirError(dataDir: string, cause: unknown): PipelineError {
  return new PipelineError('PH_BROKER_DATA_DIR', `cannot use the data folder ${dataDir}: ${errorMessage(cause)}`, {
    place: dataDir,
    cause,
  });
}
