import { setTimeout as sleep } from 'node:timers/promises';
import type { Clusters } from '../engine/clusters.ts';
import type { UnitProgress } from '../engine/status.ts';
import type { HttpTraffic } from '../http/traffic.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import type { RunningHost } from '../supervisor/host.ts';

/** Between two looks. */
const LOOK = 5;

export interface StillnessOptions {
  readonly host: Pick<RunningHost, 'progress' | 'status' | 'traffic'>;
  readonly clusters: Pick<Clusters, 'get'>;
  readonly workers: readonly ResolvedWorker[];
  /** Real milliseconds until a handler that does not end is a failure of the test. */
  readonly patience: number;
}

interface End {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Resolves when nothing is in work and everything that was sent is read, but for what waits for the clock. It is no guess: the
 * ends of the partitions are read between two looks at the units, and where no unit did anything from the first to the second,
 * nobody can have sent anything either. Handlers whose requests wait for the clock are left in work; of others beside them, no
 * more is known than that they sent no request meanwhile.
 *
 * @throws Error where a unit failed, or patience ends
 */
export async function untilStill({ host, clusters, workers, patience }: StillnessOptions): Promise<void> {
  const deadline = performance.now() + patience;
  for (;;) {
    const before = look(host);
    const ends = await readEnds(workers, clusters);
    const after = look(host);
    const failed = host.status().units.find(({ state }) => state.kind === 'failed');
    if (failed !== undefined) throw new Error(`${failed.id} failed: ${JSON.stringify(failed.state)}`);
    if (isStill(before, after) && ends.every((end) => isRead(end, after.units))) return;
    if (performance.now() > deadline) {
      throw new Error(
        `not at rest within ${patience} ms: ${JSON.stringify({ units: host.status().units, ends: ends.filter((end) => !isRead(end, after.units)) })}`,
      );
    }
    await sleep(LOOK);
  }
}

async function readEnds(workers: readonly ResolvedWorker[], clusters: Pick<Clusters, 'get'>): Promise<readonly End[]> {
  const topics = new Map<string, { readonly cluster: string; readonly topic: string }>();
  for (const { consumes, cluster, retryTopic } of workers) {
    if (consumes === null) continue;
    for (const place of [consumes, { cluster, topic: retryTopic }]) topics.set(`${place.cluster}/${place.topic}`, place);
  }
  const ends = await Promise.all(
    [...topics.values()].map(async ({ cluster, topic }) =>
      (await (await (await clusters.get(cluster)).admin()).offsets(topic)).map((offsets) => ({ cluster, topic, ...offsets })),
    ),
  );
  return ends.flat();
}

interface Look {
  readonly units: readonly UnitProgress[];
  readonly traffic: HttpTraffic;
}

function look(host: StillnessOptions['host']): Look {
  return { units: host.progress(), traffic: host.traffic() };
}

function isStill(before: Look, after: Look): boolean {
  const requestsWait = after.traffic.waiting > 0 && after.traffic.underWay === 0 && before.traffic.changes === after.traffic.changes;
  return after.units.every((unit, index) => {
    const { received, done, skipped, retried, dead } = unit.counts;
    const then = before.units[index]?.counts;
    const isSame =
      then?.received === received && then.done === done && then.skipped === skipped && then.retried === retried && then.dead === dead;
    return isSame && (requestsWait || (!unit.isBusy && before.units[index]?.isBusy === false));
  });
}

/** Every group has read the partition to its end, or waits for the clock before it reads on. */
function isRead({ cluster, topic, partition, low, high }: End, units: readonly UnitProgress[]): boolean {
  if (high <= low) return true;
  const readers = units.flatMap((unit) =>
    unit.cluster === cluster
      ? unit.partitions
          .filter((one) => one.topic === topic && one.partition === partition)
          .map((one) => ({ ...one, isPaused: unit.isPaused }))
      : [],
  );
  return readers.length > 0 && readers.every(({ readTo, waits, isPaused }) => readTo >= high || waits || isPaused);
}
