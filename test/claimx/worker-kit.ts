import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log, Outcome, Output, ServicesOf, TopicDefinition, WorkerContext, WorkerDefinition } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { createMessageCodec } from '../../host/src/engine/message-codec.ts';
import { createHttp } from '../../host/src/http/http-service.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import { createObjects } from '../../host/src/storage/plugin-objects.ts';
import { openStaging, type StagingArea } from '../../host/src/storage/staging.ts';
import plugin, { ClaimXConfig } from '../../plugins/claimx/src/index.ts';
import type { EnrichmentTask } from '../../plugins/claimx/src/schemas/enrichment-task.ts';
import { services as factories } from '../../plugins/claimx/src/services.ts';
import { enricher } from '../../plugins/claimx/src/workers/enricher.ts';
import { type ApiWorld, openApiWorld } from './api-world.ts';
import { enrichmentTasks } from './samples.ts';

export const TOKEN = 'dXNlcjpzM2NyZXQ=';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

type Context = WorkerContext<ClaimXConfig, ServicesOf<typeof factories>>;

export interface ContextOptions {
  readonly attempt?: number;
  readonly signal?: AbortSignal;
}

/** The host's real services and the plugin's own, on a folder of their own and an API whose answers the test gives; no broker. */
export interface WorkerKit extends AsyncDisposable {
  readonly api: ApiWorld;
  readonly config: ClaimXConfig;
  readonly services: ServicesOf<typeof factories>;
  readonly staging: StagingArea;
  readonly store: ReturnType<typeof openLocalStore>;
  /** URIs that handlers released; they would be deleted after the commit. */
  readonly released: string[];
  /** `name{label=value}` of each count of the plugin's metrics. */
  readonly counted: string[];
  contextOf(options?: ContextOptions): Context;
  /** Says that the outputs of all records so far are acknowledged. */
  acknowledge(): void;
  /** Enriches events in one batch. */
  enrich(events: readonly Partial<EnrichmentTask>[], options?: ContextOptions): Promise<readonly Outcome[]>;
}

/** @param config laid over the plugin's config */
export async function openWorkerKit(config: object = {}): Promise<WorkerKit> {
  const stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'ph-claimx-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const api = stack.use(await openApiWorld());
  const staging = await openStaging(join(folder, 'staging'));
  const store = openLocalStore(join(folder, 'files'));
  const http = createHttp({ staging, log: quiet, userAgent: 'pipeline-host-test' });
  stack.defer(() => http.close());
  const objects = createObjects(store, '', staging);
  const released: string[] = [];
  const counted: string[] = [];
  const metrics = {
    count: (name: string, labels: Readonly<Record<string, string>> = {}) =>
      void counted.push(
        `${name}{${Object.entries(labels)
          .map((pair) => pair.join('='))
          .join()}}`,
      ),
    observe() {},
  };
  const given = {
    api: { baseUrl: api.baseUrl, token: TOKEN, senderUsername: 'reports@example.test', privateRanges: ['127.0.0.1/32'] },
    allowedHosts: [new URL(api.baseUrl).host],
    schemes: ['http'],
    privateRanges: ['127.0.0.1/32'],
    ...config,
  };
  const fullConfig = Value.Decode(ClaimXConfig, Value.Default(ClaimXConfig, given));
  const context = { config: fullConfig, http, log: quiet, metrics };
  const services = { api: factories.api(context), projects: factories.projects(context) };
  const callbacks: (() => void)[] = [];

  const contextOf = ({ attempt = 1, signal = new AbortController().signal }: ContextOptions = {}): Context => ({
    config: fullConfig,
    services,
    log: quiet,
    metrics,
    http,
    objects,
    staging: staging.forRecord((uri) => released.push(uri)),
    signal,
    deadline: Date.now() + 60_000,
    attempt,
    onAcknowledged: (callback) => callbacks.push(callback),
    record: { topic: 't', partition: 0, offset: 0n, key: null, timestamp: 0, headers: {}, value: null, id: null },
  });

  return {
    api,
    config: fullConfig,
    services,
    staging,
    store,
    released,
    counted,
    contextOf,
    acknowledge: () => {
      for (const callback of callbacks.splice(0)) callback();
    },
    enrich: async (events, options) => {
      const items = events.map((event) => ({ message: taskOf(event), context: keyed(contextOf(options), taskOf(event).project_id) }));
      return (await enricher.handleBatch?.(items)) ?? [];
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const keyed = (context: Context, key: string): Context => ({ ...context, record: { ...context.record, key } });

/** An event to enrich, from what a test says of it. */
export function taskOf(event: Partial<EnrichmentTask>): EnrichmentTask {
  return { ...enrichmentTasks[0], created_at: '2026-01-05T10:00:05.31Z', ingested_at: null, media_id: null, metadata: null, ...event };
}

/** The messages of an outcome, as they stand on a topic. @throws as the host does, where one does not fit */
export function sent<Message>(outcome: Outcome | undefined, topic: TopicDefinition<string, Message>): readonly Message[] {
  const outputs: readonly Output[] = outcome !== undefined && 'outputs' in outcome ? outcome.outputs : [];
  const codec = createMessageCodec(topic);
  return outputs.filter((one) => one.topic === topic.name).map(({ message }) => codec.decode(codec.encode(message)) as Message);
}

/** A worker of the plugin by its name. */
export function workerOf(name: string): WorkerDefinition {
  const worker = plugin.workers[name];
  if (worker === undefined || !('handle' in worker || 'handleBatch' in worker)) throw new TypeError(`no worker ${name}`);
  return worker;
}
