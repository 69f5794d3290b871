import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../host/bin/pipeline-host.js', import.meta.url));

/** `pipeline-host` in a process of its own, from source, started as a user starts it. */
export interface HostProcess {
  readonly child: ChildProcess;
  /** The lines on stdout up to the one that says that it runs; rejects with what it said if it ends before. */
  readonly ready: Promise<readonly string[]>;
  /** What it said so far, stdout and stderr. */
  readonly output: () => string;
  /** Sends a signal and waits for the end: the exit code, null after a kill or where it does not end in {@link STOP_DEADLINE}. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** A host stops in 30 s from any state, and its process ends with it. */
const STOP_DEADLINE = 35_000;

/** The first line of a running host, and of a running broker the one after its address. */
const RUNS = /^(http|data) /;

export function spawnHost(args: readonly string[], cwd: string): HostProcess {
  const child = spawn(process.execPath, ['-C', '@pipeline-host/source', '--disable-warning=ExperimentalWarning', BIN, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing of the machine's own settings, and no options of the test runner.
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd },
  });
  let text = '';
  const lines: string[] = [];
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const ready = new Promise<readonly string[]>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      text += `${line}\n`;
      lines.push(line);
      if (RUNS.test(line)) resolve(lines);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.on('close', (code) => reject(new Error(`pipeline-host ${args.join(' ')} ended with ${code}:\n${text}`)));
  });
  ready.catch(() => {});
  return {
    child,
    ready,
    output: () => text,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return exited;
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE);
      return exited.finally(() => clearTimeout(late));
    },
  };
}
