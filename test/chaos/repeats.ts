import type { LocatedRecord } from '../../host/src/kafka/driver.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import type { Behaviour } from '../../plugins/xact/simulation/attachments.ts';
import type { ChaosWorld } from './world.ts';

/**
 * Calls of handlers that were made again for one record, by worker. From two independent sources:
 *
 * - An output carries an identity that follows from its source record. A second copy of it in a topic is a second call that got
 *   as far as its outputs. An event may have several outputs: the one with the most copies counts.
 * - The file server counts what it is asked. Of a file that is asked for exactly once in a call, whatever comes of the
 *   call, it is asked as often as there are records of it in `downloads.pending`; any more is a downloader's call again, also
 *   of one that was killed before it sent anything. Files that are tried again, as those of a busy server, are left out.
 *
 * A call that left no trace, of a skipped event or before anything was asked, changed nothing in the world. Table writers
 * have no handler.
 */
export interface Repeats {
  readonly ingester: number;
  readonly downloader: number;
  readonly uploader: number;
}

const ASKED_ONCE: ReadonlySet<Behaviour> = new Set<Behaviour>([
  ...(['fine', 'slow', 'large', 'octet-stream', 'missing'] as const),
  ...(['html-as-pdf', 'program-as-pdf'] as const),
]);

export async function countRepeats({ pipeline, downloads }: Pick<ChaosWorld, 'pipeline' | 'downloads'>): Promise<Repeats> {
  const cluster = await pipeline.cluster();
  const read = (worker: string): Promise<LocatedRecord[]> => cluster.read({ topic: pipeline.worker(worker).consumes?.topic ?? '' });
  const [pending, cached, results] = await Promise.all([read('downloader'), read('uploader'), read('result-processor')]);
  const asked = downloads().filter(({ behaviour }) => ASKED_ONCE.has(behaviour));
  const records = countBy(pending, ({ value }) => new URL(taskOf(value).attachment_url, 'http://none').pathname);
  const askedAgain = asked.reduce((sum, { path, asked: times }) => sum + Math.max(0, times - (records.get(path) ?? 0)), 0);
  const failed = results.filter(({ value }) => taskOf(value).status !== 'completed');
  const stored = results.filter(({ value }) => taskOf(value).status === 'completed');
  return {
    ingester: copies(pending, ({ value }) => taskOf(value).trace_id),
    downloader: Math.max(askedAgain, copies([...cached, ...failed], idOf)),
    uploader: copies(stored, idOf),
  };
}

/** Further copies of outputs, the most of any output of a call. */
function copies(records: readonly LocatedRecord[], callOf: (record: LocatedRecord) => string): number {
  const most = new Map<string, number>();
  for (const copiesOfOne of Map.groupBy(records, idOf).values()) {
    const [first] = copiesOfOne;
    if (first === undefined) continue;
    const call = callOf(first);
    most.set(call, Math.max(most.get(call) ?? 0, copiesOfOne.length - 1));
  }
  return [...most.values()].reduce((sum, again) => sum + again, 0);
}

export function idOf({ headers }: LocatedRecord): string {
  return headerText(headers, HEADER.id) ?? '';
}

interface Task {
  readonly trace_id: string;
  readonly attachment_url: string;
  readonly status?: string;
}

export function taskOf(value: Buffer | null): Task {
  return JSON.parse(value?.toString('utf8') ?? '{}') as Task;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
