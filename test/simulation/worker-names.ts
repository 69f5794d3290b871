import { dispositionTopicOf } from '../../host/src/dlq/queues.ts';

/** What every worker of the plugin has to do with. */
export const SOURCE = 'p.jobs';
export const DEAD = 'p.dlq';
export const DISPOSITIONS = dispositionTopicOf(DEAD);

/** The worker under test is `w`; `v` is its neighbour. */
export interface WorkerNames {
  readonly name: 'w' | 'v';
  readonly group: string;
  readonly retry: string;
  readonly results: string;
}

/** @param shared both have their retries in one topic */
export function namesOf(name: WorkerNames['name'], shared: boolean): WorkerNames {
  return { name, group: `p-${name}`, retry: shared ? 'p.retry' : `p.${name}.retry`, results: name === 'w' ? 'p.results' : 'p.results-v' };
}
