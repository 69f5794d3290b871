import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Http, milliseconds, type Objects, type ServiceFactories } from '@pipeline-host/sdk';
import type { Clock } from '../clock.ts';
import type { HostConfig } from '../config/host-config.ts';
import type { DeltaEngine } from '../delta/index.ts';
import { type Payload, writePayload } from '../dlq/payloads.ts';
import type { ClientOptions } from '../http/guarded-client.ts';
import { createHttp } from '../http/http-service.ts';
import type { HttpTraffic } from '../http/traffic.ts';
import type { HostLog } from '../observability/logger.ts';
import type { HostMetrics } from '../observability/metrics.ts';
import type { LoadedPlugin } from '../plugins/topology.ts';
import { type ObjectStore, openStore } from '../storage/index.ts';
import { createObjects } from '../storage/plugin-objects.ts';
import { openStaging, type StagingArea } from '../storage/staging.ts';
import { HOST_VERSION } from '../version.ts';
import { sweepLeftovers } from './leftovers.ts';
import { meteredHttp } from './metered-http.ts';

/** What a plugin may take to close one of its services: a stop has 30 s in all. */
const CLOSE_TIMEOUT = 3_000;

/** What a plugin's handlers share in this process. */
export interface PluginServices {
  readonly http: Http;
  readonly services: Readonly<Record<string, unknown>>;
  readonly objects: Objects;
}

export interface HostServicesOptions {
  /** Milliseconds that a plugin may take to close a service. */
  readonly closeTimeout?: number;
  /** Servers that stand in for others: see {@link ClientOptions}. */
  readonly standIns?: ClientOptions['standIns'];
  /** What requests wait by; the system's by default. */
  readonly clock?: Clock;
  /** By plugin, then by name: in place of what the plugin's factories make. They belong to who gave them. */
  readonly services?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Deletes stored records of dead letters that nobody needs any more. Nothing does by default. */
  readonly sweepPayloads?: (files: ObjectStore, signal: AbortSignal) => Promise<void>;
}

/** Files, tables and HTTP of one process, opened once. */
export interface HostServices {
  readonly staging: StagingArea;
  /** Where the Delta tables are. */
  readonly tables: ObjectStore;
  /** Keeps a record that its dead-letter topic does not take, in the store of files. */
  storePayload(topic: string, payload: Payload): Promise<string>;
  /** Opened when a table writer asks for it first. */
  delta(): Promise<DeltaEngine>;
  forPlugin(plugin: LoadedPlugin): Promise<PluginServices>;
  /** What requests of all plugins do right now. */
  traffic(): HttpTraffic;
  /** The plugins' services in reverse order, then what they stood on. */
  close(): Promise<void>;
}

/** Places of a host's data, from config or below `dataDir`. */
export function storageUris(config: HostConfig): { readonly tables: string; readonly files: string; readonly staging: string } {
  const { tables, files, staging } = config.storage;
  const below = (name: string): string => resolve(config.dataDir, name);
  return { tables: tables ?? below('tables'), files: files ?? below('files'), staging: staging ?? below('staging') };
}

export async function openHostServices(
  config: HostConfig,
  log: HostLog,
  metrics: HostMetrics,
  { closeTimeout = CLOSE_TIMEOUT, standIns, clock, services: given = {}, sweepPayloads }: HostServicesOptions = {},
): Promise<HostServices> {
  const uris = storageUris(config);
  const staging = await openStaging(uris.staging);
  const http = createHttp({
    ...{ staging, log, userAgent: `pipeline-host/${HOST_VERSION}` },
    ...(standIns !== undefined && { standIns }),
    ...(clock !== undefined && { clock }),
  });
  const files = openStore(uris.files);
  const tables = openStore(uris.tables);
  const closing = new AbortController();
  const sweeping = sweepLeftovers({
    staging,
    stores: [files, tables],
    stagedFor: milliseconds(config.storage.stagedFor),
    sweepPayloads: async () => sweepPayloads?.(files, closing.signal),
    log,
  });
  const plugins = new Map<string, Promise<PluginServices>>();
  const closers: (() => unknown)[] = [];
  let engine: Promise<DeltaEngine> | null = null;

  const openTables = async (): Promise<DeltaEngine> => {
    const { openDeltaEngine } = await import('../delta/index.ts');
    return openDeltaEngine({
      memoryLimit: config.delta.memoryLimit,
      threads: config.delta.threads,
      tempDirectory: config.delta.tempDirectory ?? resolve(config.dataDir, 'tmp'),
    });
  };

  const startPlugin = async (plugin: LoadedPlugin): Promise<PluginServices> => {
    const services: Record<string, unknown> = { ...given[plugin.name] };
    const ownHttp = meteredHttp(http, plugin.name, metrics);
    const context = {
      config: plugin.config,
      log: log.child({ plugin: plugin.name }),
      metrics: metrics.forPlugin(plugin.name),
      http: ownHttp,
    };
    for (const [name, create] of Object.entries(plugin.definition.services as ServiceFactories)) {
      if (name in services) continue;
      const service: unknown = await create(context);
      services[name] = service;
      if (typeof service === 'object' && service !== null && 'close' in service && typeof service.close === 'function')
        closers.push(() => (service as { close(): unknown }).close());
    }
    return { services, http: ownHttp, objects: createObjects(files, plugin.name, staging) };
  };

  return {
    staging,
    tables,
    storePayload: (topic, payload) => writePayload({ store: files, log, signal: closing.signal }, topic, payload),
    delta: () => {
      engine ??= openTables();
      return engine;
    },
    forPlugin: (plugin) => {
      let started = plugins.get(plugin.name);
      if (started === undefined) {
        started = startPlugin(plugin);
        plugins.set(plugin.name, started);
      }
      return started;
    },
    traffic: () => http.traffic(),
    close: async () => {
      closing.abort();
      for (const close of closers.reverse()) await closeService(close, closeTimeout, log);
      await sweeping.stop();
      await http.close();
      await (await engine?.catch(() => null))?.close();
    },
  };
}

/** A plugin's failure to close holds up nobody else. */
async function closeService(close: () => unknown, timeout: number, log: HostLog): Promise<void> {
  const ended = new AbortController();
  try {
    await Promise.race([
      // In a promise of its own: it may also throw at once.
      (async () => await close())(),
      sleep(timeout, undefined, { signal: ended.signal }).then(() => {
        throw new Error(`not closed within ${timeout} ms`);
      }),
    ]);
  } catch (error) {
    log.warn({ error }, 'a service of a plugin could not be closed');
  } finally {
    ended.abort();
  }
}
