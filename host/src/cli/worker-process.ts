import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { HostStatus } from '../engine/status.ts';
import { RELAYED } from './relayed-signals.ts';

const BIN = fileURLToPath(new URL('../../bin/pipeline-host.js', import.meta.url));
/** A process that is started from source starts others from source. */
const NODE_OPTIONS = import.meta.url.endsWith('.ts') ? ['-C', '@pipeline-host/source', '--disable-warning=ExperimentalWarning'] : [];
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

/** `pipeline-host --plugin … --worker …` as a child process that ends with this one, however this one ends. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when its workers run; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** What its admin API says; rejects where it does not answer. */
  status(): Promise<HostStatus>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Stops it as a service manager does. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Resolves with how it ended, e.g. `exit code 1` or `SIGKILL`. */
  readonly ended: Promise<string>;
}

export function startWorkerProcess({ args, cwd, env, token, logFile }: WorkerProcessOptions): WorkerProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...NODE_OPTIONS, BIN, ...args], {
    cwd,
    // By the channel it hears of the end of this process; and of its stop, which by a signal it would hear twice after Ctrl-C.
    stdio: ['ignore', 'pipe', log, 'ipc'],
    env: { ...env, [RELAYED]: '1' },
  });
  closeSync(log);
  const ended = once(child, 'exit').then(([code, signal]) => (code === null ? String(signal) : `exit code ${code}`));
  const address = firstAddress(child, ended);
  address.catch(() => {});
  let hears = false;
  child.on('message', (message) => {
    hears = typeof message === 'object' && 'hears' in message && message.hears === true;
  });
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    ready: address.then(() => undefined),
    async status() {
      const response = await fetch(`${await address}/admin/v1/status`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(STATUS_TIMEOUT),
      });
      if (!response.ok) throw new Error(`status of process ${child.pid}: HTTP ${response.status}`);
      return (await response.json()) as HostStatus;
    },
    async kill() {
      if (!isGone()) child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      if (!isGone()) {
        if (hears && child.connected) child.send('SIGTERM', () => {});
        else child.kill('SIGTERM');
      }
      await ended;
    },
    ended,
  };
}

/** The address that the process says at its start. */
async function firstAddress({ stdout }: ChildProcess, ended: Promise<string>): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  if (stdout !== null)
    createInterface({ input: stdout }).on('line', (line) => {
      const url = /^http\s+(\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  const failed = ended.then((how) => {
    throw new Error(`it ended before it ran: ${how}`);
  });
  return Promise.race([promise, failed]);
}
