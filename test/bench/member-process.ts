import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { done } from '@pipeline-host/sdk';
import { openBenchCluster } from './bench-cluster.ts';
import { benchUnit } from './bench-unit.ts';

interface Plan {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  /** Milliseconds that its handler waits. */
  readonly wait: number;
  readonly concurrency: number;
}

interface MemberState {
  readonly handled: number;
  readonly partitions: number;
}

/** A member of a group in a process of its own, whose handler waits. */
export interface MemberProcess {
  state(): Promise<MemberState>;
  stop(): Promise<void>;
}

export async function startMember(plan: Plan): Promise<MemberProcess> {
  const child = fork(new URL(import.meta.url), [JSON.stringify(plan)], { execArgv: process.execArgv });
  await once(child, 'message');
  return {
    state: () => ask(child),
    async stop() {
      child.send('stop');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function ask(child: ChildProcess): Promise<MemberState> {
  child.send('state');
  const [state] = (await once(child, 'message')) as [MemberState];
  return state;
}

async function runMember({ brokers, wait, ...plan }: Plan): Promise<void> {
  const bench = await openBenchCluster(brokers);
  let handled = 0;
  const unit = benchUnit({
    ...bench,
    ...plan,
    handle: async () => {
      await sleep(wait);
      handled++;
      return done();
    },
  });
  await unit.start();
  process.on('message', (asked) => {
    if (asked === 'state') process.send?.({ handled, partitions: unit.status().partitions } satisfies MemberState);
    else void end();
  });
  const end = async (): Promise<void> => {
    await unit.stop();
    await bench[Symbol.asyncDispose]();
    process.disconnect();
  };
  process.send?.('started');
}

const [, script, plan] = process.argv;
if (process.send !== undefined && plan !== undefined && script?.includes('member-process') === true)
  await runMember(JSON.parse(plan) as Plan);
