import { styleText } from 'node:util';
import type { HostStatus, UnitStatus } from '../../engine/status.ts';

/** What the display shows at one moment. */
export interface DemoMoment {
  readonly status: HostStatus;
  /** Milliseconds since the demo began. */
  readonly elapsed: number;
  readonly published: number;
  /** What the demo is doing: `publishing`, `waiting until all is through` … */
  readonly phase: string;
}

/** One line of the display: a worker, summed over its members. */
export interface WorkerProgress {
  readonly id: string;
  readonly received: number;
  readonly done: number;
  readonly retried: number;
  readonly dead: number;
  /** Records settled a second. */
  readonly rate: number;
  readonly lag: number | null;
  readonly delayed: number | null;
  readonly state: string;
}

/** Records settled so far, by worker: what the rates of the next moment are counted from. */
export type SettledAt = ReadonlyMap<string, number>;

/** The workers in the order of the status. `seconds` is the time since `before` was taken. Skipped records count as done. */
export function workerProgress(status: HostStatus, before: SettledAt, seconds: number): readonly WorkerProgress[] {
  return [...Map.groupBy(status.units, workerId)].map(([id, units]) => {
    const sum = (value: (unit: UnitStatus) => number): number => units.reduce((total, unit) => total + value(unit), 0);
    return {
      id,
      received: sum((unit) => unit.counts.received),
      done: sum((unit) => unit.counts.done + unit.counts.skipped),
      retried: sum((unit) => unit.counts.retried),
      dead: sum((unit) => unit.counts.dead),
      rate: seconds > 0 ? Math.max(0, (units.reduce(addSettled, 0) - (before.get(id) ?? 0)) / seconds) : 0,
      lag: known(units, (unit) => unit.lag),
      delayed: known(units, (unit) => unit.delayed),
      state: worst(units),
    };
  });
}

/** Records settled so far, by worker. */
export function settledByWorker(status: HostStatus): SettledAt {
  return new Map([...Map.groupBy(status.units, workerId)].map(([id, units]) => [id, units.reduce(addSettled, 0)]));
}

function workerId(unit: UnitStatus): string {
  return `${unit.plugin}.${unit.worker}`;
}

function addSettled(total: number, { counts }: UnitStatus): number {
  return total + counts.done + counts.skipped + counts.retried + counts.dead;
}

function known(units: readonly UnitStatus[], value: (unit: UnitStatus) => number | null): number | null {
  const values = units.map(value).filter((each) => each !== null);
  return values.length === 0 ? null : values.reduce((total, each) => total + each, 0);
}

const BY_CONCERN = ['failed', 'stalled', 'paused', 'starting', 'draining', 'working', 'stopped', 'idle'] as const;

function worst(units: readonly UnitStatus[]): string {
  return BY_CONCERN.find((kind) => units.some((unit) => unit.state.kind === kind)) ?? 'idle';
}

const COLUMNS = ['in', 'done', 'retried', 'dead', 'rate/s', 'lag'] as const;
const WIDTH = 9;

/** The display as lines no wider than `columns`: a head, the names of the columns, a line a worker. */
export function progressLines(moment: DemoMoment, workers: readonly WorkerProgress[], columns: number): readonly string[] {
  const names = Math.max(12, ...workers.map(({ id }) => id.length));
  const rows = workers.map((worker) => {
    const cells = [
      count(worker.received),
      count(worker.done),
      count(worker.retried),
      count(worker.dead),
      rate(worker.rate),
      lagText(worker),
    ];
    return `  ${worker.id.padEnd(names)}${cells.map((cell) => cell.padStart(WIDTH)).join('')}  ${worker.state}`;
  });
  const head = `  ${'worker'.padEnd(names)}${COLUMNS.map((name) => name.padStart(WIDTH)).join('')}  state`;
  return [headLine(moment), '', head, ...rows].map((line) => line.slice(0, Math.max(20, columns - 1)));
}

/** The whole display in one line, for where there is no terminal to draw on. */
export function progressLine(moment: DemoMoment, workers: readonly WorkerProgress[]): string {
  const parts = workers.map((worker) => {
    const extra = [worker.retried > 0 ? `${worker.retried} retried` : '', worker.dead > 0 ? `${worker.dead} dead` : ''].filter(
      (text) => text !== '',
    );
    const state = worker.state === 'working' || worker.state === 'idle' ? [] : [worker.state];
    return `${worker.id} ${[`${worker.done}/${worker.received}`, ...extra, ...state].join(', ')}`;
  });
  return [headLine(moment), ...parts].join(' · ');
}

function headLine({ elapsed, published, phase }: DemoMoment): string {
  return `${(elapsed / 1000).toFixed(1)} s · ${count(published)} published · ${phase}`;
}

/** Waiting records that are not due yet are part of the lag; said apart, so that nobody takes them for a jam. */
function lagText({ lag, delayed }: WorkerProgress): string {
  if (lag === null) return '-';
  return delayed === null || delayed === 0 ? count(lag) : `${count(lag)}+${count(delayed)}`;
}

function rate(value: number): string {
  return value >= 10 || value === 0 ? count(Math.round(value)) : value.toFixed(1);
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Colours are for the stream that the display goes to. */
const ON = { stream: process.stderr } as const;

/** Bold head, grey column names, states that want attention in colour. */
export function paintProgress(lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => {
    if (index === 0) return styleText('bold', line, ON);
    if (index === 2) return styleText('gray', line, ON);
    return line.replace(/(failed|stalled|paused)$/, (state) => styleText(state === 'failed' ? 'red' : 'yellow', state, ON));
  });
}
