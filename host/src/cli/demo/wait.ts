import { setTimeout as wait } from 'node:timers/promises';
import { PipelineError } from '@pipeline-host/sdk';
import type { HostStatus } from '../../engine/status.ts';
import type { KafkaCluster } from '../../kafka/driver.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { settledByWorker } from './progress.ts';
import { describeOpen, openPartitions } from './quiet.ts';

const LOOK = 300;

export interface WaitOptions {
  readonly workers: readonly ResolvedWorker[];
  readonly cluster: (name: string) => Promise<KafkaCluster>;
  readonly status: () => HostStatus;
  readonly signal: AbortSignal;
  /** Milliseconds without any progress after which the demo is given up. */
  readonly patience: number;
}

/**
 * Resolves when all that was published is through: every group has committed its topics to the end. True then; false
 * where the signal was aborted first.
 *
 * @throws PipelineError `PH_DEMO_STUCK` where a unit failed, or nothing moved for `patience`
 */
export async function waitUntilThrough(options: WaitOptions): Promise<boolean> {
  let seen = '';
  let movedAt = performance.now();
  while (!options.signal.aborted) {
    const status = options.status();
    const failed = status.units.find(({ state }) => state.kind === 'failed');
    if (failed !== undefined && 'reason' in failed.state) {
      throw new PipelineError('PH_DEMO_STUCK', `worker ${failed.id} failed: ${failed.state.reason}`, { place: `worker ${failed.id}` });
    }
    const open = await openPartitions(options.workers, options.cluster);
    if (open.length === 0) return true;
    const now = JSON.stringify([...settledByWorker(status), open.map(({ committed }) => committed)]);
    if (now !== seen) movedAt = performance.now();
    else if (performance.now() - movedAt > options.patience) {
      throw new PipelineError(
        'PH_DEMO_STUCK',
        `nothing moved for ${Math.round(options.patience / 1000)} s; records that are not through: ${describeOpen(open)}`,
      );
    }
    seen = now;
    await wait(LOOK, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return false;
}
