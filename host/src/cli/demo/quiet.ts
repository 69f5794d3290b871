import type { KafkaCluster } from '../../kafka/driver.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';

/** A partition whose group has not committed all that is in it. */
export interface OpenPartition {
  readonly worker: string;
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  /** Null where the group never committed. */
  readonly committed: number | null;
  readonly end: number;
}

/** The workers' topics on one cluster: what each group has to get through. */
interface GroupTopics {
  readonly worker: string;
  readonly group: string;
  readonly cluster: string;
  readonly topics: readonly string[];
}

/**
 * What is not through yet: partitions of the workers' source and retry topics that are not committed to their end. None
 * is proof, not a guess, once publishing is over: the commits are read first and the ends after them, and both only
 * grow, so where they are equal nothing was open at any time between; and since a record is committed only after its
 * outputs, retry copies and dead letters are acknowledged, nothing can follow that is not in those topics already.
 */
export async function openPartitions(
  workers: readonly ResolvedWorker[],
  cluster: (name: string) => Promise<KafkaCluster>,
): Promise<readonly OpenPartition[]> {
  const groups = await Promise.all(workers.flatMap(groupsOf).map((group) => existing(group, cluster)));
  const commits = await Promise.all(
    groups.map(async ({ group, topics, ...rest }) => ({
      ...rest,
      group,
      committed: topics.length === 0 ? [] : await (await (await cluster(rest.cluster)).admin()).committed(group, topics),
    })),
  );
  const ends = new Map<string, ReadonlyMap<number, { readonly low: number; readonly high: number }>>();
  for (const key of new Set(groups.flatMap((group) => group.topics.map((topic) => JSON.stringify([group.cluster, topic]))))) {
    const [name, topic] = JSON.parse(key) as [string, string];
    const offsets = await (await (await cluster(name)).admin()).offsets(topic);
    ends.set(key, new Map(offsets.map(({ partition, low, high }) => [partition, { low, high }])));
  }
  return commits.flatMap(({ worker, group, cluster: name, committed }) =>
    committed.flatMap(({ topic, partition, offset }) => {
      const range = ends.get(JSON.stringify([name, topic]))?.get(partition);
      const end = range?.high ?? 0;
      const isThrough = (offset ?? range?.low ?? 0) >= end;
      return isThrough ? [] : [{ worker, group, topic, partition, committed: offset, end }];
    }),
  );
}

function groupsOf(worker: ResolvedWorker): readonly GroupTopics[] {
  if (worker.consumes === null) return [];
  const { topic, cluster } = worker.consumes;
  const base = { worker: worker.id, group: worker.group };
  if (cluster === worker.cluster) return [{ ...base, cluster, topics: [topic, worker.retryTopic] }];
  return [
    { ...base, cluster, topics: [topic] },
    { ...base, cluster: worker.cluster, topics: [worker.retryTopic] },
  ];
}

/** A worker that never delays may have no retry topic. */
async function existing(group: GroupTopics, cluster: (name: string) => Promise<KafkaCluster>): Promise<GroupTopics> {
  const found = await (await (await cluster(group.cluster)).admin()).describeTopics(group.topics);
  return { ...group, topics: group.topics.filter((topic) => (found.get(topic) ?? null) !== null) };
}

/** The open partitions in one line, the worst first: where to look when the demo does not end. */
export function describeOpen(open: readonly OpenPartition[]): string {
  const behind = Map.groupBy(open, ({ worker, topic }) => `${worker} on ${topic}`);
  const sums = [...behind].map(([place, partitions]) => ({
    place,
    records: partitions.reduce((sum, { committed, end }) => sum + end - (committed ?? 0), 0),
  }));
  return sums
    .sort((left, right) => right.records - left.records)
    .map(({ place, records }) => `${place}: ${records}`)
    .join(', ');
}
