import type { AnyWorker, PollerDefinition, TableWriterDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import type { StageOptions } from './stage.ts';
import { type TestedPoller, testedPoller } from './tested-poller.ts';
import { type TestedTableWriter, testedTableWriter } from './tested-table-writer.ts';
import { type TestedWorker, testedWorker } from './tested-worker.ts';

/**
 * A worker, table writer or poller, ready to be tried by itself: engine and services are the host's own, only the broker is
 * not there.
 *
 * @example
 * ```ts
 * const { outcome, sentTo } = await testWorker(watcher, { config: { limit: 30 } }).handle({ room: 'sauna', celsius: 81, at });
 * ```
 */
export function testWorker(worker: WorkerDefinition, options?: StageOptions): TestedWorker;
export function testWorker(writer: TableWriterDefinition, options?: StageOptions): TestedTableWriter;
export function testWorker(poller: PollerDefinition, options?: StageOptions): TestedPoller;
export function testWorker(worker: AnyWorker, options: StageOptions = {}): TestedWorker | TestedTableWriter | TestedPoller {
  if ('query' in worker) return testedPoller(worker, options);
  return 'writes' in worker ? testedTableWriter(worker, options) : testedWorker(worker, options);
}
