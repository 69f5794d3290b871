import type { AnyWorker, PluginDefinition, PollerDefinition, TableWriterDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import { LazyPlugin } from './lazy-stage.ts';
import { pluginOf, type StageOptions } from './stage.ts';
import { testAny } from './test-plugin.ts';
import type { TestedPoller } from './tested-poller.ts';
import type { TestedTableWriter } from './tested-table-writer.ts';
import type { TestedWorker } from './tested-worker.ts';

export interface WorkerTestOptions extends StageOptions {
  /** The plugin that the worker is of: its name, services and settings. By default one that has nothing but the worker. */
  readonly plugin?: PluginDefinition;
}

/**
 * A worker, table writer or poller, ready to be tried by itself: engine and services are the host's own, only the broker is
 * not there. Of several that share services and files, see `testPlugin`.
 *
 * @example
 * ```ts
 * const { outcome, sentTo } = await testWorker(watcher, { config: { limit: 30 } }).handle({ room: 'sauna', celsius: 81, at });
 * ```
 */
export function testWorker(worker: WorkerDefinition, options?: WorkerTestOptions): TestedWorker;
export function testWorker(writer: TableWriterDefinition, options?: WorkerTestOptions): TestedTableWriter;
export function testWorker(poller: PollerDefinition, options?: WorkerTestOptions): TestedPoller;
export function testWorker(worker: AnyWorker, options: WorkerTestOptions = {}): TestedWorker | TestedTableWriter | TestedPoller {
  const { plugin = pluginOf(worker), ...stage } = options;
  return testAny(worker, new LazyPlugin(plugin, stage));
}
