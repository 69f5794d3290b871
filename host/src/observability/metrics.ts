import type { Metrics } from '@pipeline-host/sdk';
import { type Counter, collectDefaultMetrics, Registry } from 'prom-client';
import { PlainHistogram, type Sample, SECONDS } from './plain-histogram.ts';
import { createPluginMetrics } from './plugin-metrics.ts';
import { type ObservedStatus, STATUS_METRICS } from './status-metrics.ts';

/** What a worker measures on its hot path: bound to its labels once, a few adds a call. */
export interface WorkerInstruments {
  /** A handler (or batch of handlers) returned or threw, after so many seconds. */
  handled(seconds: number): void;
  /** An offset commit was acknowledged, after so many seconds. */
  committed(seconds: number): void;
  /** A handler is over its deadline and has not returned, or has returned now. */
  overdue(by: 1 | -1): void;
  /** Where the share of unreadable and rejected records among the last ones is read at each scrape. One for each member. */
  watchBadRecords(share: () => number): void;
}

/** What all producers of the process hold together. */
interface ProducerSums {
  readonly bufferedBytes: number;
  readonly doubtfulRecords: number;
}

/** The process's metrics. Nothing here throws or keeps the process alive. */
export interface HostMetrics {
  /** Records, open, lag, delays and states are read from there at each scrape. */
  bindStatus(status: () => ObservedStatus): void;
  /** Bytes that wait in the producers and records that may be stored twice, read at each scrape. */
  bindProducers(read: () => ProducerSums): void;
  /** Made once a worker; members share it. */
  forWorker(plugin: string, worker: string): WorkerInstruments;
  /** A download ended. `outcome` is `done` or the error's code. */
  downloaded(plugin: string, outcome: string, bytes: number, seconds: number): void;
  /** A request to an API came to its end, all its tries included. `outcome` is `done` or the error's code. */
  apiAsked(plugin: string, api: string, outcome: string, seconds: number): void;
  /** A Delta commit is durable. */
  deltaCommitted(commit: {
    readonly plugin: string;
    readonly table: string;
    readonly operation: string;
    readonly rows: number;
    /** Rows that the table held already, and that were left out. */
    readonly repeated: number;
    readonly seconds: number;
  }): void;
  /** An action of table maintenance ended. `outcome` is `done`, `nothing` or the error's code; `files` are those that are gone. */
  tableMaintained(ended: {
    readonly plugin: string;
    readonly table: string;
    readonly action: string;
    readonly outcome: string;
    readonly files: number;
    readonly seconds: number;
  }): void;
  /** A plugin's own metrics: `ctx.metrics`. */
  forPlugin(plugin: string): Metrics;
  /** All metrics as Prometheus text. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
  close(): void;
}

/** Milliseconds between two beats of the event loop's delay histogram. At its default of 10 an idle process wakes for little else. */
const LOOP_BEAT = 100;

/** A registry of its own, with Node's process metrics; no globals, so several hosts fit into one process. */
export function createMetrics(): HostMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_BEAT });

  let readStatus: (() => ObservedStatus) | undefined;
  let status: ObservedStatus | undefined;
  let producers: () => ProducerSums = () => ({ bufferedBytes: 0, doubtfulRecords: 0 });
  const plugins = new Map<string, Metrics>();
  const reserved = new Set<string>();

  const add = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string, samples: () => readonly Sample[]): boolean => {
    const series = type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    if (series.some((each) => reserved.has(each)) || registry.getSingleMetric(name) !== undefined) return false;
    for (const each of series) reserved.add(each);
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({
        name,
        help,
        type,
        aggregator: 'sum',
        values: safely(samples),
      }),
    };
    // prom-client prints whatever has name, help, type and get(); its types know only its own classes.
    registry.registerMetric(metric as unknown as Counter);
    return true;
  };

  for (const metric of STATUS_METRICS) {
    add(metric.name, metric.type, metric.help, () => (status === undefined ? [] : metric.samples(status)));
  }
  const handlerSeconds = labelled(add, 'pipeline_host_handler_seconds', 'Seconds from the call of a handler to its outcome.');
  const commitSeconds = labelled(add, 'pipeline_host_commit_seconds', 'Seconds from an offset commit to its acknowledgement.');
  const downloadSeconds = labelled(
    add,
    'pipeline_host_download_seconds',
    'Seconds of a download, from the request to the synced file or the failure.',
  );
  const apiSeconds = labelled(
    add,
    'pipeline_host_api_request_seconds',
    'Seconds of a request to an API, waits and further tries included.',
  );
  const deltaSeconds = labelled(add, 'pipeline_host_delta_commit_seconds', 'Seconds of a Delta commit, data files included.');
  const timeouts = counter(add, 'pipeline_host_handler_timeouts_total', 'Handlers that did not end within their deadline.');
  const overdue = cells(add, 'pipeline_host_handlers_overdue', 'gauge', 'Handlers over their deadline that have not returned.');
  const badShares: { readonly labels: { readonly plugin: string; readonly worker: string }; readonly share: () => number }[] = [];
  add(
    'pipeline_host_bad_records_ratio',
    'gauge',
    'Unreadable and rejected records among the last 200, 0 to 1; of several members the highest.',
    () =>
      [...Map.groupBy(badShares, ({ labels }) => `${labels.plugin}.${labels.worker}`).values()].flatMap((members) =>
        members.slice(0, 1).map(({ labels }) => ({ labels, value: Math.max(...members.map(({ share }) => share())) })),
      ),
  );
  const downloads = counter(add, 'pipeline_host_downloads_total', 'Downloads that ended, by outcome: done or the code of the error.');
  const apiRequests = counter(
    add,
    'pipeline_host_api_requests_total',
    'Requests to APIs that came to an end, by outcome: done or the code of the error.',
  );
  const downloadBytes = counter(add, 'pipeline_host_download_bytes_total', 'Bytes downloaded and staged.');
  const deltaRows = counter(add, 'pipeline_host_delta_rows_total', 'Rows appended or merged into Delta tables.');
  const repeatedRows = counter(add, 'pipeline_host_delta_repeated_rows_total', 'Rows left out of Delta tables that held them already.');
  const maintenanceSeconds = labelled(
    add,
    'pipeline_host_table_maintenance_seconds',
    'Seconds of an action of table maintenance: optimize, checkpoint, clean-log or vacuum.',
  );
  const maintained = counter(
    add,
    'pipeline_host_table_maintenance_total',
    'Actions of table maintenance, by outcome: done, nothing (to do) or the code of the error.',
  );
  const maintainedFiles = counter(add, 'pipeline_host_table_maintenance_files_total', 'Files that table maintenance took out or deleted.');
  const dropped = counter(add, 'pipeline_host_metric_values_dropped_total', "Values of plugins' own metrics that could not be counted.");
  const unreadable = counter(add, 'pipeline_host_status_errors_total', 'Scrapes at which the status of the host could not be read.');
  add('pipeline_host_producer_buffer_bytes', 'gauge', 'Bytes of outputs that wait for the broker.', () => [
    { labels: {}, value: producers().bufferedBytes },
  ]);
  add(
    'pipeline_host_producer_doubtful_records_total',
    'counter',
    'Records that may be stored twice: the broker refused the producer id of an unanswered batch.',
    () => [{ labels: {}, value: producers().doubtfulRecords }],
  );

  return {
    bindStatus(read) {
      readStatus = read;
    },
    bindProducers(read) {
      producers = read;
    },
    forWorker(plugin, worker) {
      const handled = handlerSeconds({ plugin, worker });
      const committed = commitSeconds({ plugin, worker });
      const labels = { plugin, worker };
      return {
        handled: (seconds) => handled.observe(seconds),
        committed: (seconds) => committed.observe(seconds),
        overdue: (by) => {
          overdue(labels, by);
          if (by > 0) timeouts(labels, 1);
        },
        watchBadRecords: (share) => void badShares.push({ labels, share }),
      };
    },
    downloaded(plugin, outcome, bytes, seconds) {
      downloads({ plugin, outcome }, 1);
      if (bytes > 0) downloadBytes({ plugin }, bytes);
      downloadSeconds({ plugin }).observe(seconds);
    },
    apiAsked(plugin, api, outcome, seconds) {
      apiRequests({ plugin, api, outcome }, 1);
      apiSeconds({ plugin, api }).observe(seconds);
    },
    deltaCommitted({ plugin, table, operation, rows, repeated, seconds }) {
      deltaSeconds({ plugin, table, operation }).observe(seconds);
      deltaRows({ plugin, table, operation }, rows);
      if (repeated > 0) repeatedRows({ plugin, table }, repeated);
    },
    tableMaintained({ plugin, table, action, outcome, files, seconds }) {
      maintenanceSeconds({ plugin, table, action }).observe(seconds);
      maintained({ plugin, table, action, outcome }, 1);
      if (files > 0) maintainedFiles({ plugin, table, action }, files);
    },
    forPlugin(plugin) {
      const known = plugins.get(plugin);
      if (known !== undefined) return known;
      const made = createPluginMetrics({
        plugin,
        register: (metric) => add(metric.name, metric.type, metric.help, () => metric.samples()),
        dropped: () => dropped({ plugin }, 1),
      });
      plugins.set(plugin, made);
      return made;
    },
    async render() {
      try {
        status = readStatus?.();
      } catch {
        status = undefined;
        unreadable({}, 1);
      }
      return {
        contentType: registry.contentType,
        body: await registry.metrics(),
      };
    },
    close() {
      registry.clear();
    },
  };
}

type Add = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string, samples: () => readonly Sample[]) => boolean;
type Labels = Readonly<Record<string, string>>;

/** One metric that cannot be read costs its own lines, not the scrape. */
function safely(samples: () => readonly Sample[]): readonly Sample[] {
  try {
    return samples();
  } catch {
    return [];
  }
}

function labelled(add: Add, name: string, help: string): (labels: Labels) => PlainHistogram {
  const cells = new Map<string, { readonly labels: Labels; readonly histogram: PlainHistogram }>();
  add(name, 'histogram', help, () => [...cells.values()].flatMap(({ labels, histogram }) => histogram.samples(name, labels)));
  return (labels) => {
    const key = Object.values(labels).join('\u0000');
    const known = cells.get(key);
    if (known !== undefined) return known.histogram;
    const histogram = new PlainHistogram(SECONDS);
    cells.set(key, { labels, histogram });
    return histogram;
  };
}

function counter(add: Add, name: string, help: string): (labels: Labels, by: number) => void {
  const count = cells(add, name, 'counter', help);
  return (labels, by) => {
    if (Number.isFinite(by) && by >= 0) count(labels, by);
  };
}

function cells(add: Add, name: string, type: 'counter' | 'gauge', help: string): (labels: Labels, by: number) => void {
  const values = new Map<string, { readonly labels: Labels; value: number }>();
  add(name, type, help, () => [...values.values()]);
  return (labels, by) => {
    const key = Object.values(labels).join('\u0000');
    const known = values.get(key);
    if (known === undefined) values.set(key, { labels, value: by });
    else known.value += by;
  };
}
