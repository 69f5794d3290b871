import { setTimeout as sleep } from 'node:timers/promises';
import { openBareCluster } from '../bare-cluster.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { KafkaLog } from '../driver.ts';

/** Whoever stops, or joins again, waits no longer for it. */
const LEAVE_MILLISECONDS = 1_000;

/**
 * Takes a member out of its group by a connection of its own: the member's may wait for the answer to its join, and brokers
 * handle the requests of a connection one after the other. Where that fails, the member is out when its session ends.
 */
export async function leaveGroup(config: ClusterConfig, group: string, memberId: string, log: KafkaLog): Promise<void> {
  const left = leave(config, group, memberId, log).catch((error: unknown) => {
    log.debug('leaving the group failed', { group, memberId, error: String(error) });
  });
  await Promise.race([left, sleep(LEAVE_MILLISECONDS, undefined, { ref: false })]);
}

async function leave(config: ClusterConfig, group: string, memberId: string, log: KafkaLog): Promise<void> {
  const { cluster, close } = await openBareCluster(config, log);
  try {
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    await coordinator.leaveGroup({ groupId: group, memberId });
  } finally {
    await close();
  }
}
