import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RELAYED } from './relayed-signals.ts';

const BIN = fileURLToPath(new URL('../../bin/pipeline-host.js', import.meta.url));
/** A process that is started from source starts others from source. */
const NODE_OPTIONS = import.meta.url.endsWith('.ts') ? ['-C', '@pipeline-host/source', '--disable-warning=ExperimentalWarning'] : [];

export interface HostChildOptions {
  /** Of the command line. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it logs: a file descriptor, or where this process logs. */
  readonly stderr: number | 'inherit' | 'pipe';
  /** Conditions under which packages are resolved there. */
  readonly conditions?: readonly string[];
}

/** `pipeline-host …` as a child process that ends with this one, however this one ends. */
export interface HostChild {
  readonly process: ChildProcess;
  readonly isGone: boolean;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Stops it as a service manager does. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Resolves with how it ended, e.g. `exit code 1` or `SIGKILL`. */
  readonly ended: Promise<string>;
}

export function startHostChild({ args, cwd, env, stderr, conditions = [] }: HostChildOptions): HostChild {
  const child = spawn(process.execPath, [...conditions.flatMap((one) => ['-C', one]), ...NODE_OPTIONS, BIN, ...args], {
    cwd,
    // By the channel it hears of the end of this process; and of its stop, which by a signal it would hear twice after Ctrl-C.
    stdio: ['ignore', 'pipe', stderr, 'ipc'],
    env: { ...env, [RELAYED]: '1' },
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code === null ? String(signal) : `exit code ${code}`));
  let hears = false;
  child.on('message', (message) => {
    hears = typeof message === 'object' && 'hears' in message && message.hears === true;
  });
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    process: child,
    get isGone() {
      return isGone();
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

/** The address that it says once its workers run; rejects where it ends before. */
export async function hostAddress({ process: child, ended }: HostChild): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^http\s+(\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  const failed = ended.then((how) => {
    throw new Error(`it ended before it ran: ${how}`);
  });
  return Promise.race([promise, failed]);
}
