import type {
  AnyWorker,
  PluginDefinition,
  PollerDefinition,
  ServiceFactories,
  ServicesOf,
  TableWriterDefinition,
  WorkerDefinition,
} from '@pipeline-host/sdk';
import { LazyPlugin, LazyStage, type WorkerUnderTest } from './lazy-stage.ts';
import type { StageOptions } from './stage.ts';
import { type TestedPoller, testedPoller } from './tested-poller.ts';
import { type TestedTableWriter, testedTableWriter } from './tested-table-writer.ts';
import { type TestedWorker, testedWorker } from './tested-worker.ts';

/** The workers of a plugin without a broker: on one folder, with one set of services, so that what one stored another finds. */
export interface TestedPlugin extends WorkerUnderTest {
  /** One of its workers; closed with the plugin. */
  worker(worker: WorkerDefinition): TestedWorker;
  worker(writer: TableWriterDefinition): TestedTableWriter;
  worker(poller: PollerDefinition): TestedPoller;
  /**
   * What its factories made, typed by them.
   *
   * @param factories those of the plugin's definition
   */
  services<const Factories extends ServiceFactories<never>>(factories: Factories): Promise<ServicesOf<Factories>>;
}

/**
 * A plugin whose workers are tried one by one, what one sends being given to the next.
 *
 * @example
 * ```ts
 * await using tested = testPlugin(gallery, { standIns: { 'https://photos.example': service } });
 * const [cached] = (await tested.worker(downloader).handle(link)).sentTo(downloadsCached);
 * assert.equal((await tested.worker(uploader).handle(cached)).outcome, 'done');
 * ```
 */
export function testPlugin(plugin: PluginDefinition, options: StageOptions = {}): TestedPlugin {
  const lazy = new LazyPlugin(plugin, options);
  const tested = new Map<AnyWorker, TestedWorker | TestedTableWriter | TestedPoller>();
  function worker(definition: WorkerDefinition): TestedWorker;
  function worker(definition: TableWriterDefinition): TestedTableWriter;
  function worker(definition: PollerDefinition): TestedPoller;
  function worker(definition: AnyWorker): TestedWorker | TestedTableWriter | TestedPoller {
    const known = tested.get(definition) ?? testAny(definition, lazy);
    tested.set(definition, known);
    return known;
  }
  return {
    ...lazy.shown(),
    worker,
    async services<const Factories extends ServiceFactories<never>>(factories: Factories) {
      const { services } = await lazy.open();
      if (plugin.services !== (factories as ServiceFactories<never>)) throw new TypeError(`those are not the services of ${plugin.name}`);
      // Decoded boundary: the factories themselves made them.
      return services as ServicesOf<Factories>;
    },
  };
}

/** One worker of a plugin, whatever its kind. */
export function testAny(worker: AnyWorker, plugin: LazyPlugin): TestedWorker | TestedTableWriter | TestedPoller {
  const stage = new LazyStage(worker, plugin);
  if ('query' in worker) return testedPoller(worker, stage);
  return 'writes' in worker ? testedTableWriter(worker, stage) : testedWorker(worker, stage);
}
