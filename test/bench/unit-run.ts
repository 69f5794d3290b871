import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchCluster, fresh } from './bench-cluster.ts';
import { type BenchUnitOptions, benchUnit } from './bench-unit.ts';
import { type Run, timed } from './measure.ts';

/**
 * A new group's way through a topic of so many records, from the first call of the handler until every record is settled:
 * joining the group is not what is measured.
 */
export async function runUnit(
  { cluster, producer }: Pick<BenchCluster, 'cluster' | 'producer'>,
  records: number,
  options: Omit<BenchUnitOptions, 'cluster' | 'producer' | 'group'>,
): Promise<Run> {
  const { promise: first, resolve: sawFirst } = Promise.withResolvers<void>();
  const { promise: last, resolve: sawLast } = Promise.withResolvers<void>();
  let calls = 0;
  const unit = benchUnit({
    ...options,
    cluster,
    producer,
    group: fresh('group'),
    handle: (event, context) => {
      if (calls++ === 0) sawFirst();
      if (calls === records) sawLast();
      return options.handle(event, context);
    },
  });
  const settled = async (): Promise<void> => {
    await last;
    for (;;) {
      const { done, skipped, retried, dead } = unit.status().counts;
      if (done + skipped + retried + dead >= records) return;
      await sleep(1);
    }
  };
  const running = first.then(() => timed(records, settled));
  await unit.start();
  const run = await Promise.race([running, unit.failed]);
  await unit.stop();
  return run;
}
