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
  /** Microseconds of this process's CPU for each of the unit; null where that says nothing. */
  readonly cpuMicros: number | null;
}

export async function timed(amount: number, work: () => Promise<unknown>): Promise<Run> {
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { amount, seconds, cpuSeconds: (user + system) / 1e6 };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param part 0.99 for the value that 99 of 100 stay below */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function figure(name: string, unit: string, runs: readonly Run[]): Figure {
  return {
    name,
    unit,
    perSecond: median(runs.map((run) => run.amount / run.seconds)),
    cpuMicros: median(runs.map((run) => (run.cpuSeconds / run.amount) * 1e6)),
  };
}

/** Runs the contenders in turns, so that a noisy minute hits all of them, after one turn to warm up. */
export async function inTurns<const Contenders extends readonly (() => Promise<Run>)[]>(
  repetitions: number,
  contenders: Contenders,
): Promise<{ readonly [Index in keyof Contenders]: readonly Run[] }> {
  const runs: Run[][] = contenders.map(() => []);
  for (let turn = 0; turn <= repetitions; turn++) {
    for (const [index, contender] of contenders.entries()) {
      const run = await contender();
      if (turn > 0) runs[index]?.push(run);
    }
  }
  return runs as { readonly [Index in keyof Contenders]: readonly Run[] };
}
