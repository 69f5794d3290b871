import assert from 'node:assert/strict';
import type { MessageOf, ServicesOf, TopicDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import { type HandledMessage, type RecordOptions, type TestedPlugin, testPlugin } from '../../host/src/testing/index.ts';
import plugin from '../../plugins/claimx/src/index.ts';
import type { EnrichmentTask } from '../../plugins/claimx/src/schemas/enrichment-task.ts';
import { services as factories } from '../../plugins/claimx/src/services.ts';
import { enricher } from '../../plugins/claimx/src/workers/enricher.ts';
import { uploader } from '../../plugins/claimx/src/workers/uploader.ts';
import { type ApiWorld, openApiWorld } from './api-world.ts';
import { enrichmentTasks } from './samples.ts';

export const TOKEN = 'dXNlcjpzM2NyZXQ=';

/** The plugin's workers, and an API whose answers the test gives. */
export interface Workers extends AsyncDisposable {
  readonly api: ApiWorld;
  readonly tested: TestedPlugin;
  readonly services: ServicesOf<typeof factories>;
  /** Enriches events in one batch. */
  enrich(events: readonly Partial<EnrichmentTask>[], record?: RecordOptions): Promise<readonly HandledMessage[]>;
  handle(worker: string, message: unknown, record?: RecordOptions): Promise<HandledMessage>;
  /** SHA-256 of a stored file. */
  stored(path: string): Promise<string | undefined>;
  /** Takes a staged file away, as someone else might. */
  unstage(uri: string): Promise<void>;
}

/** @param config laid over the plugin's config */
export async function openWorkers(config: object = {}): Promise<Workers> {
  await using stack = new AsyncDisposableStack();
  const api = stack.use(await openApiWorld());
  const tested = stack.use(testPlugin(plugin, { config: { ...configFor(api.baseUrl), ...config } }));
  const services = await tested.services(factories);
  const owned = stack.move();
  return {
    ...{ api, tested, services },
    enrich: (events, record) => tested.worker(enricher).handleBatch(events.map(taskOf), record),
    handle: (worker, message, record) => tested.worker(workerOf(worker)).handle(message, record),
    stored: async (path) => (await tested.worker(uploader).files()).find((file) => file.path === path)?.sha256,
    unstage: async (uri) => (await tested.worker(uploader).parts()).staging.delete(uri),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The plugin's config for an API on this machine, which is also where its media are. */
export function configFor(baseUrl: string): object {
  return {
    api: { baseUrl, token: TOKEN, senderUsername: 'reports@example.test', privateRanges: ['127.0.0.1/32'] },
    allowedHosts: [new URL(baseUrl).host],
    schemes: ['http'],
    privateRanges: ['127.0.0.1/32'],
  };
}

/** An event to enrich, from what a test says of it. */
function taskOf(event: Partial<EnrichmentTask>): EnrichmentTask {
  return { ...enrichmentTasks[0], created_at: '2026-01-05T10:00:05.31Z', ingested_at: null, media_id: null, metadata: null, ...event };
}

/** What was sent to a topic for a message, if it was handled at all. */
export function sent<Topic extends TopicDefinition>(handled: HandledMessage | undefined, topic: Topic): readonly MessageOf<Topic>[] {
  return (handled ?? assert.fail('nothing was handled')).sentTo(topic);
}

/** A worker of the plugin by its name. */
export function workerOf(name: string): WorkerDefinition {
  const worker = plugin.workers[name];
  if (worker === undefined || !('handle' in worker || 'handleBatch' in worker)) throw new TypeError(`no worker ${name}`);
  return worker;
}
