import type { Sample } from './plain-histogram.ts';

/** What metrics read of the host's status: the shape of the engine's `HostStatus`, since this folder stands below the engine. */
export interface ObservedStatus {
  readonly startedAt: string;
  readonly version: string;
  readonly units: readonly ObservedUnit[];
}

export interface ObservedUnit {
  readonly id: string;
  readonly plugin: string;
  readonly worker: string;
  readonly state: { readonly kind: string };
  readonly counts: {
    readonly received: number;
    readonly done: number;
    readonly skipped: number;
    readonly retried: number;
    readonly dead: number;
  };
  readonly open: number;
  readonly delayed: number | null;
  readonly lag: number | null;
  readonly oldestOpen: number | null;
  readonly partitions: number;
  readonly balance: readonly { readonly missing: number }[] | null;
  readonly alerts: readonly { readonly code: string }[];
  readonly held: readonly { readonly dependency: string; readonly records: number; readonly behind: number }[];
  readonly postponed: number;
}

/** A metric whose values are read from the host's status when Prometheus asks: counting costs the engine nothing more than a number. */
export interface StatusMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  samples(status: ObservedStatus): readonly Sample[];
}

const OUTCOMES = ['done', 'skipped', 'retried', 'dead'] as const;
const STATES = ['starting', 'idle', 'working', 'paused', 'stalled', 'failed', 'draining', 'stopped'] as const;

/** Everything that the host's status knows, as Prometheus metrics. */
export const STATUS_METRICS: readonly StatusMetric[] = [
  {
    name: 'pipeline_host_records_received_total',
    help: 'Records received from Kafka, redelivered ones included.',
    type: 'counter',
    samples: (status) => perWorker(status, (unit) => unit.counts.received),
  },
  {
    name: 'pipeline_host_records_total',
    help: 'Records settled, by outcome: done, skipped, retried (stored in a delay lane) or dead (stored in the dead-letter topic).',
    type: 'counter',
    samples: (status) =>
      OUTCOMES.flatMap((outcome) =>
        perWorker(status, (unit) => unit.counts[outcome]).map((sample) => ({
          ...sample,
          labels: { ...sample.labels, outcome },
        })),
      ),
  },
  {
    name: 'pipeline_host_open_records',
    help: 'Records received and not settled.',
    type: 'gauge',
    samples: (status) => perWorker(status, (unit) => unit.open),
  },
  {
    name: 'pipeline_host_lag_records',
    help: 'Records ahead of the committed offsets of the owned partitions. Absent until probed.',
    type: 'gauge',
    samples: (status) => perWorker(status, (unit) => unit.lag),
  },
  {
    name: 'pipeline_host_retry_delayed_records',
    help: 'Records that wait in delay lanes of the owned partitions. Absent until probed.',
    type: 'gauge',
    samples: (status) => perWorker(status, (unit) => unit.delayed),
  },
  {
    name: 'pipeline_host_held_records',
    help: 'Records that wait in memory for a dependency that fails, those of their keys behind them included, by dependency.',
    type: 'gauge',
    samples: (status) =>
      status.units.flatMap((unit) =>
        unit.held.map(({ dependency, records, behind }) => ({ labels: { ...unitLabels(unit), dependency }, value: records + behind })),
      ),
  },
  {
    name: 'pipeline_host_postponed_records_total',
    help: 'Records that wait for a dependency and found no room: they went into delay lanes, without an attempt. Each time counts.',
    type: 'counter',
    samples: (status) => perWorker(status, (unit) => unit.postponed),
  },
  {
    name: 'pipeline_host_partitions',
    help: 'Partitions owned.',
    type: 'gauge',
    samples: (status) => perWorker(status, (unit) => unit.partitions),
  },
  {
    name: 'pipeline_host_oldest_open_seconds',
    help: 'Age of the oldest open record, in seconds since it was received; 0 where none is open.',
    type: 'gauge',
    samples: (status) =>
      status.units.map((unit) => ({
        labels: unitLabels(unit),
        value: (unit.oldestOpen ?? 0) / 1000,
      })),
  },
  {
    name: 'pipeline_host_unaccounted_records',
    help: 'Offsets of source and retry topic that are neither invisible nor settled nor open: anything but 0 is a defect. Absent until probed.',
    type: 'gauge',
    samples: (status) => perWorker(status, (unit) => unit.balance?.reduce((sum, { missing }) => sum + missing, 0) ?? null),
  },
  {
    name: 'pipeline_host_unit_alert',
    help: 'Something of a unit that someone should look at, by code, for example PH_RECORD_EXPIRING: open records are older than half of the retention.',
    type: 'gauge',
    samples: (status) =>
      status.units.flatMap((unit) => unit.alerts.map(({ code }) => ({ labels: { ...unitLabels(unit), code }, value: 1 }))),
  },
  {
    name: 'pipeline_host_unit_state',
    help: 'State of each unit: 1 for the state it is in, 0 for the others.',
    type: 'gauge',
    samples: (status) =>
      status.units.flatMap((unit) =>
        STATES.map((state) => ({
          labels: { ...unitLabels(unit), state },
          value: unit.state.kind === state ? 1 : 0,
        })),
      ),
  },
  {
    name: 'pipeline_host_start_time_seconds',
    help: 'When the host started, in seconds since 1970; the version is a label.',
    type: 'gauge',
    samples: (status) => [
      {
        labels: { version: status.version },
        value: Date.parse(status.startedAt) / 1000,
      },
    ],
  },
];

function unitLabels(unit: ObservedUnit): Readonly<Record<string, string>> {
  return { plugin: unit.plugin, worker: unit.worker, unit: unit.id };
}

/** Summed over a worker's members in this process. A member whose value is not known yet adds nothing; none known: no sample. */
function perWorker(
  status: ObservedStatus,
  value: (unit: ObservedUnit) => number | null,
): readonly (Sample & { readonly labels: Readonly<Record<string, string>> })[] {
  const sums = new Map<string, { readonly labels: Readonly<Record<string, string>>; value: number }>();
  for (const unit of status.units) {
    const own = value(unit);
    if (own === null) continue;
    const key = `${unit.plugin}.${unit.worker}`;
    const sum = sums.get(key);
    if (sum === undefined)
      sums.set(key, {
        labels: { plugin: unit.plugin, worker: unit.worker },
        value: own,
      });
    else sum.value += own;
  }
  return [...sums.values()];
}
