import type { Metrics } from '@pipeline-host/sdk';
import { BYTES, PlainHistogram, type Sample, SECONDS } from './plain-histogram.ts';
import { redactText } from './redact.ts';

const MOST_COMBINATIONS = 100;
const MOST_METRICS = 200;
const MOST_LABELS = 10;
const LONGEST_LABEL = 100;

export interface PluginMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  samples(): readonly Sample[];
}

export interface PluginMetricsOptions {
  readonly plugin: string;
  /** Adds a metric to the registry; false where a metric of that name is there already. */
  readonly register: (metric: PluginMetric) => boolean;
  /** Called for each value that cannot be counted: a wrong name, a name of another kind, a negative or infinite number. */
  readonly dropped: () => void;
}

/** A plugin's own metrics: bounded in number, label combinations and label length, redacted, and never throwing. */
export function createPluginMetrics(options: PluginMetricsOptions): Metrics {
  const families = new Map<string, Family<number[]> | Family<PlainHistogram> | null>();

  const family = <Cell extends number[] | PlainHistogram>(
    type: PluginMetric['type'],
    name: string,
    labels: Labels,
    open: () => Cell,
    read: ReadCell<Cell>,
  ): Family<Cell> | null => {
    const known = families.get(`${type} ${name}`);
    if (known !== undefined) return known as Family<Cell> | null;
    if (families.size >= MOST_METRICS) return null;
    const made = new Family<Cell>(
      `${seriesName(options.plugin)}_${seriesName(name)}`,
      options.plugin,
      type,
      Object.keys(labels).slice(0, MOST_LABELS),
      open,
      read,
    );
    const accepted = /^[a-zA-Z]/.test(made.name) && options.register(made) ? made : null;
    families.set(`${type} ${name}`, accepted as Family<number[]> | Family<PlainHistogram> | null);
    return accepted;
  };

  return {
    count(name, labels = {}, by = 1) {
      const counter = Number.isFinite(by) && by >= 0 ? family<number[]>('counter', name, labels, () => [0], readCount) : null;
      const cell = counter?.cell(labels);
      if (cell === undefined) options.dropped();
      else cell[0] = (cell[0] ?? 0) + by;
    },
    observe(name, value, labels = {}) {
      const bounds = /bytes$/.test(name) ? BYTES : SECONDS;
      const histogram = Number.isFinite(value) ? family('histogram', name, labels, () => new PlainHistogram(bounds), readHistogram) : null;
      const cell = histogram?.cell(labels);
      if (cell === undefined) options.dropped();
      else cell.observe(value);
    },
  };
}

type Labels = Readonly<Record<string, string>>;
type ReadCell<Cell> = (name: string, labels: Labels, cell: Cell) => readonly Sample[];

const readCount: ReadCell<number[]> = (_name, labels, cell) => [{ labels, value: cell[0] ?? 0 }];
const readHistogram: ReadCell<PlainHistogram> = (name, labels, cell) => cell.samples(name, labels);

/** One metric. Its label names are those of the first call: further ones are left out, missing ones are empty. */
class Family<Cell> implements PluginMetric {
  readonly name: string;
  readonly help: string;
  readonly type: PluginMetric['type'];
  readonly #labelNames: readonly string[];
  readonly #open: () => Cell;
  readonly #read: ReadCell<Cell>;
  readonly #cells = new Map<string, { readonly labels: Labels; readonly cell: Cell }>();

  constructor(
    name: string,
    plugin: string,
    type: PluginMetric['type'],
    labelNames: readonly string[],
    open: () => Cell,
    read: ReadCell<Cell>,
  ) {
    this.name = name;
    this.help = `Metric of plugin ${plugin}.`;
    this.type = type;
    this.#labelNames = labelNames;
    this.#open = open;
    this.#read = read;
  }

  cell(given: Labels): Cell {
    const values = this.#labelNames.map((name) => redactText(String(given[name] ?? ''), LONGEST_LABEL));
    const known = this.#cells.get(values.join('\u0000'));
    if (known !== undefined) return known.cell;
    const full = this.#cells.size >= MOST_COMBINATIONS && this.#labelNames.length > 0;
    const kept = full ? values.map(() => 'other') : values;
    const key = kept.join('\u0000');
    const other = this.#cells.get(key);
    if (other !== undefined) return other.cell;
    const cell = this.#open();
    this.#cells.set(key, {
      labels: Object.fromEntries(this.#labelNames.map((name, index) => [labelName(name), kept[index] ?? ''])),
      cell,
    });
    return cell;
  }

  samples(): readonly Sample[] {
    return [...this.#cells.values()].flatMap(({ labels, cell }) => this.#read(this.name, labels, cell));
  }
}

function seriesName(name: string): string {
  return String(name)
    .slice(0, 100)
    .replace(/[^a-zA-Z0-9_]/g, '_');
}

/** `le` is the histogram's own label, and names that begin with two underscores are Prometheus's. */
function labelName(name: string): string {
  const plain = seriesName(name);
  return plain === 'le' || !/^[a-zA-Z]/.test(plain) || plain.startsWith('__') ? `label_${plain}` : plain;
}
