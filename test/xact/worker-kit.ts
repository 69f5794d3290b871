import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log, WorkerContext } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { createHttp } from '../../host/src/http/http-service.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import { createObjects } from '../../host/src/storage/plugin-objects.ts';
import { openStaging, type StagingArea } from '../../host/src/storage/staging.ts';
import { XactConfig } from '../../plugins/xact/src/index.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The host's real services on a folder of their own, without a broker. */
export interface WorkerKit extends AsyncDisposable {
  readonly staging: StagingArea;
  readonly store: ReturnType<typeof openLocalStore>;
  /** URIs that handlers released; they would be deleted after the commit. */
  readonly released: string[];
  contextOf(record?: Partial<WorkerContext['record']>, attempt?: number): WorkerContext<XactConfig>;
}

/** @param config laid over the defaults of the plugin's config */
export async function openWorkerKit(config: object = {}): Promise<WorkerKit> {
  const folder = await mkdtemp(join(tmpdir(), 'ph-xact-'));
  const staging = await openStaging(join(folder, 'staging'));
  const store = openLocalStore(join(folder, 'files'));
  const http = createHttp({ staging, log: quiet, userAgent: 'pipeline-host-test' });
  const objects = createObjects(store, '', staging);
  const released: string[] = [];
  const fullConfig = Value.Default(XactConfig, structuredClone(config)) as XactConfig;
  return {
    staging,
    store,
    released,
    contextOf: (record = {}, attempt = 1) => ({
      config: fullConfig,
      services: {},
      log: quiet,
      metrics: { count() {}, observe() {} },
      http,
      objects,
      staging: staging.forRecord((uri) => released.push(uri)),
      signal: new AbortController().signal,
      deadline: Date.now() + 60_000,
      attempt,
      onAcknowledged() {},
      record: {
        id: null,
        topic: 't',
        partition: 0,
        offset: 0n,
        key: null,
        timestamp: Date.parse('2026-01-05T15:00:00Z'),
        headers: {},
        value: null,
        ...record,
      },
    }),
    async [Symbol.asyncDispose]() {
      await http.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
