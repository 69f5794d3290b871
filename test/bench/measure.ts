/** One timed run: how much was done, in how many seconds of wall clock and of CPU of this process. */
export interface Run {
  readonly amount: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** The medians of several runs. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly perSecond: number;
  /** Microseconds of this process's CPU for each message or row. */
  readonly cpuMicros: number;
  readonly runs: number;
}

export async function timed(amount: number, work: () => Promise<void>): Promise<Run> {
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { amount, seconds, cpuSeconds: (user + system) / 1e6 };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function figure(name: string, unit: string, runs: readonly Run[]): Figure {
  return {
    name,
    unit,
    perSecond: median(runs.map((run) => run.amount / run.seconds)),
    cpuMicros: median(runs.map((run) => (run.cpuSeconds / run.amount) * 1e6)),
    runs: runs.length,
  };
}

/** Runs the contenders in turns, so that a noisy minute hits all of them, after one turn to warm up. */
export async function inTurns(repetitions: number, contenders: readonly (() => Promise<Run>)[]): Promise<readonly (readonly Run[])[]> {
  const runs: Run[][] = contenders.map(() => []);
  for (let turn = 0; turn <= repetitions; turn++) {
    for (const [index, contender] of contenders.entries()) {
      const run = await contender();
      if (turn > 0) runs[index]?.push(run);
    }
  }
  return runs;
}
