import { type Figure, median } from './measure.ts';

/** What a part of the bench is given. */
export interface BenchEnvironment {
  readonly brokers: readonly string[];
  readonly messages: number;
  readonly repetitions: number;
}

/** One line of the table: something that was measured, what it is compared with, and whether it is good enough. */
export interface Row {
  readonly what: string;
  readonly figure: string;
  readonly baseline: string;
  /** Null where the figure itself is what counts. */
  readonly ratio: number | null;
  readonly target: string;
  readonly holds: boolean;
}

/** One part of the bench, chosen by its name. */
export interface Bench {
  readonly name: string;
  readonly usesKafka: boolean;
  readonly run: (environment: BenchEnvironment) => Promise<readonly Row[]>;
}

/** The higher, the better: a rate as a part of its baseline. */
export function rateRow(what: string, measured: Figure, baseline: Figure, atLeast: number): Row {
  const ratio = measured.perSecond / baseline.perSecond;
  return {
    what,
    figure: rateText(measured),
    baseline: `${baseline.name}: ${rateText(baseline)}`,
    ratio,
    target: `ratio ≥ ${atLeast}`,
    holds: ratio >= atLeast,
  };
}

/** The lower, the better: medians of the runs, in one unit. */
export function limitRow(
  what: string,
  measured: readonly number[],
  {
    unit,
    atMost,
    baseline,
    digits = 0,
  }: { readonly unit: string; readonly atMost: number; readonly baseline: string; readonly digits?: number },
): Row {
  const value = median(measured);
  const text = (number: number): string => `${number.toLocaleString('en', { maximumFractionDigits: digits })} ${unit}`;
  return {
    what,
    figure: `${text(value)} (worst ${text(Math.max(...measured))})`,
    baseline,
    ratio: null,
    target: `≤ ${text(atMost)}`,
    holds: value <= atMost,
  };
}

function rateText({ perSecond, unit, cpuMicros }: Figure): string {
  const rate = `${Math.round(perSecond).toLocaleString('en')} ${unit}/s`;
  return cpuMicros === null ? rate : `${rate}, ${cpuMicros.toFixed(1)} µs CPU`;
}
