import { accessSync, constants, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PipelineError } from '@pipeline-host/sdk';
import { type BrokerSettings, type EmbeddedBroker, type EmbeddedBrokerOptions, formatAddress, resolveSettings } from './options.ts';
import { dataDirError, startOwner } from './own-broker.ts';
import { type Endpoint, readEndpoint } from './ownership/endpoint.ts';
import { type FolderLock, tryLockFolder } from './ownership/folder-lock.ts';
import { askClusterId } from './ownership/probe.ts';
import { SharedBroker } from './shared-broker.ts';

/** How long to wait for an owner that holds the folder but does not answer yet: it may be repairing a large log. */
const OWNER_PATIENCE_MS = 15_000;
const RETRY_MS = 25;

/**
 * Opens the broker of a data folder. The first caller on the machine owns it and serves; every other one finds it and gets its
 * address, `owner: false`. When the owner is gone, however it went, one of the others owns it within a second, and clients go on
 * at the same address or, where its port was taken meanwhile, at the new one that `address` then names. Throws PipelineError:
 * PH_BROKER_DATA_DIR, PH_BROKER_PORT_IN_USE, PH_BROKER_LISTEN, PH_BROKER_TOPICS, or PH_BROKER_OWNED when a port or a profile is
 * asked for and the broker of this folder already runs with another.
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const settings = resolveSettings({ ...options, dataDir: resolve(options.dataDir) });
  prepareFolder(settings.dataDir);
  const deadline = Date.now() + OWNER_PATIENCE_MS;
  for (;;) {
    const lock = await takeLock(settings.dataDir);
    if (lock) return new SharedBroker(settings, await startOwner(settings, lock));
    const owner = await findOwner(settings);
    if (owner) return new SharedBroker(settings, fitting(owner, options, settings));
    if (Date.now() > deadline) throw silentOwner(settings.dataDir);
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

/** The owner's endpoint, once it listens and answers with the cluster id that it wrote down. */
async function findOwner(settings: BrokerSettings): Promise<Endpoint | undefined> {
  const endpoint = readEndpoint(settings.dataDir);
  if (!endpoint) return undefined;
  const clusterId = await askClusterId(endpoint, settings);
  return clusterId === endpoint.clusterId ? endpoint : undefined;
}

/** The owner as it was found, which runs the broker as this caller asks for it. */
function fitting(owner: Endpoint, { profile }: EmbeddedBrokerOptions, { port, dataDir }: BrokerSettings): Endpoint {
  const running = `the broker of this data folder already runs at ${formatAddress(owner.host, owner.port)} (process ${owner.pid})`;
  if (port !== 0 && port !== owner.port) throw new PipelineError('PH_BROKER_OWNED', `${running}, not on port ${port}`, { place: dataDir });
  if (profile !== undefined && profile !== (owner.manner.profile ?? profile)) {
    throw new PipelineError('PH_BROKER_OWNED', `${running} with profile ${owner.manner.profile}, not ${profile}`, {
      place: dataDir,
      hint: 'leave the profile out to use the running broker, stop it first, or choose another data folder',
    });
  }
  return owner;
}

/** Nobody takes a folder from a process that lives: it would go on writing. */
function silentOwner(dataDir: string): PipelineError {
  const pid = readEndpoint(dataDir)?.pid;
  return new PipelineError('PH_BROKER_OWNED', `another process holds the data folder ${dataDir} but its broker does not answer`, {
    place: dataDir,
    ...(pid !== undefined && { hint: `process ${pid} may be stopped or busy: let it go on, or end it and start again` }),
  });
}
