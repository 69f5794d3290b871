import type { Metrics } from '@pipeline-host/sdk';

/** What a plugin has measured. */
export interface RecordedMetrics {
  /** Sum of a counter, over all label values or over those that are given. */
  count(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The values of a histogram, in order. */
  observed(name: string, labels?: Readonly<Record<string, string>>): readonly number[];
}

interface Measured {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics that are kept in memory. */
export function recordMetrics(): { readonly metrics: Metrics; readonly recorded: RecordedMetrics } {
  const counts: Measured[] = [];
  const observations: Measured[] = [];
  const having = (measured: readonly Measured[], name: string, labels: Readonly<Record<string, string>> = {}): readonly Measured[] =>
    measured.filter((one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value));
  return {
    metrics: {
      count: (name, labels = {}, by = 1) => void counts.push({ name, labels, value: by }),
      observe: (name, value, labels = {}) => void observations.push({ name, labels, value }),
    },
    recorded: {
      count: (name, labels) => having(counts, name, labels).reduce((sum, { value }) => sum + value, 0),
      observed: (name, labels) => having(observations, name, labels).map(({ value }) => value),
    },
  };
}
