import { isGroupRefused } from './classify.ts';
import type { ClusterInternals, CoordinatorAnswer, CoordinatorRequest } from './kafkajs-internals.ts';

/**
 * Asks the brokers one after the other who keeps a group, first those that are connected. Throws what the first one failed
 * with, or that the group is refused to us. kafkajs asks in any order, gives up at a broker that it cannot connect to, and
 * drops what the others answered: a missing right on a group looks like a cluster without coordinator.
 */
export async function askForCoordinator(cluster: ClusterInternals, request: CoordinatorRequest): Promise<CoordinatorAnswer> {
  if (cluster.getNodeIds().length === 0) await cluster.refreshMetadata();
  const { brokers } = cluster.brokerPool;
  const [connected = [], others = []] = [true, false].map((wanted) =>
    cluster.getNodeIds().filter((nodeId) => brokers[nodeId]?.isConnected() === wanted),
  );
  let failure: Error | undefined;
  for (const nodeId of [...connected, ...others]) {
    try {
      const broker = await cluster.findBroker({ nodeId });
      return await broker.findGroupCoordinator(request);
    } catch (error) {
      if (isGroupRefused(error)) throw error;
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  throw failure ?? new Error('no broker of the cluster is known');
}
