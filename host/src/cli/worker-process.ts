import { closeSync, openSync } from 'node:fs';
import type { HostStatus } from '../engine/status.ts';
import { type HostChild, hostAddress, startHostChild } from './host-child.ts';

const STATUS_TIMEOUT = 2_000;

export interface WorkerProcessOptions {
  /** Of the command line: plugin, worker, config file. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Bearer token of its admin API. */
  readonly token: string;
  /** What it logs is added to this file. */
  readonly logFile: string;
}

/** `pipeline-host --plugin … --worker …` as a child process. */
export interface WorkerProcess extends Pick<HostChild, 'kill' | 'stop' | 'ended'> {
  readonly pid: number;
  /** Resolves when its workers run; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** What its admin API says; rejects where it does not answer. */
  status(): Promise<HostStatus>;
}

export function startWorkerProcess({ args, cwd, env, token, logFile }: WorkerProcessOptions): WorkerProcess {
  const log = openSync(logFile, 'a');
  const child = startHostChild({ args, cwd, env, stderr: log });
  closeSync(log);
  const address = hostAddress(child);
  address.catch(() => {});
  return {
    pid: child.process.pid ?? 0,
    ready: address.then(() => undefined),
    async status() {
      const response = await fetch(`${await address}/admin/v1/status`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(STATUS_TIMEOUT),
      });
      if (!response.ok) throw new Error(`status of process ${child.process.pid}: HTTP ${response.status}`);
      return (await response.json()) as HostStatus;
    },
    kill: () => child.kill(),
    stop: () => child.stop(),
    ended: child.ended,
  };
}
