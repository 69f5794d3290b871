import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EmbeddedBrokerOptions } from '../../../host/src/embedded/index.ts';

export interface ChildBroker {
  readonly child: ChildProcess;
  readonly owner?: boolean;
  readonly address: string;
  readonly clusterId?: string;
  readonly code?: string;
  /** Sends a signal and waits until the process is gone. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** Opens a broker in a process of its own and waits for what came of it. */
export async function openInChild(options: EmbeddedBrokerOptions): Promise<ChildBroker> {
  const script = fileURLToPath(new URL('./broker-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    ...(JSON.parse(line) as Pick<ChildBroker, 'owner' | 'address' | 'clusterId' | 'code'>),
    child,
    stop: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}
