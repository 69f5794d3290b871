import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Random } from '../../host/src/testing/index.ts';
import { FIRST_TOKEN, startApiServer } from '../../plugins/claimx/simulation/api-server.ts';
import { History } from '../../plugins/claimx/simulation/history.ts';
import { MediaStorage } from '../../plugins/claimx/simulation/media-storage.ts';
import { ClaimXState } from '../../plugins/claimx/simulation/state.ts';

/** The simulated ClaimX API in a process of its own. */
export interface ApiProcess extends AsyncDisposable {
  readonly baseUrl: string;
  readonly token: string;
  /** Of all projects that it has. */
  readonly projectIds: readonly string[];
  /** When each request since the last look came in, in milliseconds of its own clock. */
  arrivals(): Promise<readonly number[]>;
}

interface Plan {
  readonly projects: number;
  /** Milliseconds before each answer. */
  readonly latency: number;
}

interface Started {
  readonly baseUrl: string;
  readonly projectIds: readonly string[];
}

export async function startApiProcess(plan: Plan): Promise<ApiProcess> {
  const child = fork(new URL(import.meta.url), [JSON.stringify(plan)], { execArgv: process.execArgv });
  const [{ baseUrl, projectIds }] = (await once(child, 'message')) as [Started];
  return {
    ...{ baseUrl, token: FIRST_TOKEN, projectIds },
    arrivals: () => ask(child),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function ask(child: ChildProcess): Promise<readonly number[]> {
  child.send('arrivals');
  const [arrivals] = (await once(child, 'message')) as [readonly number[]];
  return arrivals;
}

async function serve({ projects, latency }: Plan): Promise<void> {
  const state = new ClaimXState();
  const history = new History(new Random(1), state);
  while (state.projects.size < projects) history.next('2026-01-05T10:00:00Z');
  const storage = await MediaStorage.start(state, 1);
  let arrivals: number[] = [];
  const note = (): undefined => {
    arrivals.push(performance.now());
    return undefined;
  };
  const api = await startApiServer({ state, storage, seed: 1, latency: { least: latency, most: latency }, faults: [note] });
  process.on('message', () => {
    process.send?.(arrivals);
    arrivals = [];
  });
  process.send?.({ baseUrl: api.baseUrl, projectIds: [...state.projects.keys()] } satisfies Started);
}

const [, script, plan] = process.argv;
if (process.send !== undefined && plan !== undefined && script?.includes('api-server-process') === true)
  await serve(JSON.parse(plan) as Plan);
