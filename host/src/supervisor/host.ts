import { startAdminServer } from '../admin/server.ts';
import { type HostOptions, type RunningHost, startEngine } from '../engine/host.ts';

export type { RunningHost } from '../engine/host.ts';

/** A host in this process: the engine with its HTTP server. See {@link startEngine} for what is checked and thrown. */
export function startHost(options: Omit<HostOptions, 'serve'>): Promise<RunningHost> {
  return startEngine({ ...options, serve: startAdminServer });
}
