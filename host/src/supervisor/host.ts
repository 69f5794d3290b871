import { startAdminServer } from '../admin/server.ts';
import { DEFAULT_CLUSTER } from '../config/cluster-faults.ts';
import { DeadLetters } from '../dlq/dead-letters.ts';
import { type HostOptions, type RunningHost, type ServedState, startEngine } from '../engine/host.ts';
import { storageUris } from '../engine/host-services.ts';
import { queueWorkers } from '../engine/queue-workers.ts';
import { openStore } from '../storage/index.ts';

export type { RunningHost } from '../engine/host.ts';

/** A host in this process: the engine with its HTTP server. See {@link startEngine} for what is checked and thrown. */
export function startHost(options: Omit<HostOptions, 'serve'>): Promise<RunningHost> {
  return startEngine({ ...options, serve: (state) => serve(options, state) });
}

/** Also the dead letters of workers that run elsewhere: every process of a plugin can show and replay all of them. */
async function serve({ config: { config }, topology }: Omit<HostOptions, 'serve'>, state: ServedState): ReturnType<HostOptions['serve']> {
  const { token, name } = config.http.admin;
  const { clusters, log } = state;
  const deadLetters = new DeadLetters({
    workers: queueWorkers(topology.workers),
    clusters,
    defaultCluster: DEFAULT_CLUSTER,
    create: config.kafka.createTopics,
    files: openStore(storageUris(config).files),
    log,
  });
  const server = await startAdminServer({ ...state, admin: { token, name, deadLetters } });
  if (token !== undefined) {
    if (!isLoopback(state.host))
      log.warn({ host: state.host }, 'the admin API is served without TLS: let only a proxy that has it reach this port');
    void deadLetters.watch();
  }
  return {
    url: server.url,
    close: () => {
      deadLetters.close();
      return server.close();
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
