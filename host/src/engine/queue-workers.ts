import type { QueueWorker } from '../dlq/queues.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import { retryShape } from './topics.ts';

/** The workers as whoever looks after dead letters has to know them; pollers have none. */
export function queueWorkers(workers: readonly ResolvedWorker[]): readonly QueueWorker[] {
  return workers.flatMap((worker) => {
    const { plugin, name, cluster, deadLetterTopic, retryTopic, consumes } = worker;
    if (consumes === null) return [];
    return [{ plugin: plugin.name, name, cluster, deadLetterTopic, retryTopic, source: consumes, retry: retryShape(worker) }];
  });
}
