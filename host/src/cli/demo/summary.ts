import { styleText } from 'node:util';
import type { Sum } from '@pipeline-host/sdk';
import { counted } from '../counted.ts';
import type { ChaosSummary } from './chaos.ts';
import { count } from './progress.ts';

export interface TableSummary {
  readonly name: string;
  /** Folder or URI of the Delta table. */
  readonly uri: string;
  readonly rows: number;
  readonly version: number;
}

export interface PluginSummary {
  readonly plugin: string;
  readonly published: number;
  readonly tables: readonly TableSummary[];
  readonly files: { readonly uri: string; readonly count: number; readonly bytes: number };
  readonly deadLetters: { readonly topic: string; readonly count: number; readonly byCode: Readonly<Record<string, number>> };
  readonly sums: readonly (Sum & { readonly holds: boolean })[];
}

export interface WorkerSummary {
  readonly id: string;
  readonly received: number;
  readonly done: number;
  readonly skipped: number;
  readonly retried: number;
  readonly dead: number;
}

/** What the demo ends with; `--json` prints it as it is. */
export interface DemoSummary {
  /** All sums hold. */
  readonly ok: boolean;
  readonly seconds: number;
  readonly seed: number;
  readonly data: string;
  readonly workers: readonly WorkerSummary[];
  /** Null where no process was killed on purpose. */
  readonly chaos: ChaosSummary | null;
  readonly plugins: readonly PluginSummary[];
  /** A line that reads a table from Python; null where there is none. */
  readonly python: string | null;
}

/** The sums with their verdict. */
export function judge(sums: readonly Sum[]): PluginSummary['sums'] {
  return sums.map((sum) => ({ ...sum, holds: sum.expected === sum.actual }));
}

/** Whether every sum of every plugin holds. Without a single sum nothing was shown, and that is no success. */
export function allHold(plugins: readonly PluginSummary[]): boolean {
  const sums = plugins.flatMap((plugin) => plugin.sums);
  return sums.length > 0 && sums.every(({ holds }) => holds);
}

/** One line of Python that reads a Delta table with `pip install deltalake` and nothing else: its `to_pandas` wants pyarrow as well. */
export function pythonLine(tableUri: string): string {
  // A JSON text is a text of Python; within single quotes a shell looks at nothing but the next of them.
  const table = `DeltaTable(${JSON.stringify(tableUri)})`;
  const script = `from deltalake import DeltaTable, QueryBuilder; print(QueryBuilder().register("t", ${table}).execute("select * from t limit 5").read_all())`;
  return `python3 -c '${script.replaceAll("'", `'\\''`)}'`;
}

/** The summary for people. */
export function summaryText(summary: DemoSummary): string {
  const lines: string[] = [];
  const ids = Math.max(12, ...summary.workers.map(({ id }) => id.length));
  const columns = ['in', 'done', 'skipped', 'retried', 'dead'];
  lines.push(
    '',
    styleText('bold', 'Workers'),
    styleText('gray', `  ${''.padEnd(ids)}${columns.map((name) => name.padStart(10)).join('')}`),
  );
  for (const { id, received, done, skipped, retried, dead } of summary.workers) {
    lines.push(`  ${id.padEnd(ids)}${[received, done, skipped, retried, dead].map((value) => count(value).padStart(10)).join('')}`);
  }
  if (summary.chaos !== null) lines.push(...chaosLines(summary.chaos));
  for (const plugin of summary.plugins) lines.push(...pluginLines(plugin));
  lines.push('', `  data      ${summary.data}`);
  if (summary.python !== null) lines.push(`  read it   pip install deltalake && ${summary.python}`);
  const sums = summary.plugins.flatMap((plugin) => plugin.sums);
  const wrong = sums.filter(({ holds }) => !holds).length;
  const verdict = summary.ok
    ? styleText('green', sums.length === 1 ? '✓ the one sum holds' : `✓ all ${sums.length} sums hold`)
    : styleText(
        'red',
        wrong === 0 ? '✗ there is no sum to check' : `✗ ${wrong} of ${counted(sums.length, 'sum')} ${wrong === 1 ? 'does' : 'do'} not hold`,
      );
  lines.push('', `${verdict} (${summary.seconds.toFixed(1)} s, seed ${summary.seed})`, '');
  return lines.join('\n');
}

function chaosLines({ kills, openWhenKilled, messages, sentAgain }: ChaosSummary): readonly string[] {
  return [
    styleText('gray', '  counts of a killed process are those of when it was last asked'),
    '',
    styleText('bold', 'Chaos'),
    `  killed    ${counted(kills, 'process', 'processes')} by kill -9, with ${counted(openWhenKilled, 'record')} open in all`,
    `  repeated  ${count(sentAgain)} of ${counted(messages, 'message')} between the workers came twice; the sums below count each once`,
  ];
}

function pluginLines(plugin: PluginSummary): readonly string[] {
  const lines = ['', styleText('bold', plugin.plugin)];
  for (const { name, rows, version, uri } of plugin.tables)
    lines.push(`  table     ${name}: ${counted(rows, 'row')}, version ${version}, ${uri}`);
  lines.push(`  files     ${counted(plugin.files.count, 'file')}, ${bytes(plugin.files.bytes)}, ${plugin.files.uri}`);
  const codes = Object.entries(plugin.deadLetters.byCode)
    .sort(([, left], [, right]) => right - left)
    .map(([code, times]) => `${times} ${code}`);
  lines.push(
    `  dead      ${count(plugin.deadLetters.count)} in ${plugin.deadLetters.topic}${codes.length === 0 ? '' : `: ${codes.join(', ')}`}`,
  );
  for (const sum of plugin.sums) {
    const mark = sum.holds ? styleText('green', '✓') : styleText('red', '✗');
    lines.push(`  ${mark} ${sum.name}: ${sum.holds ? count(sum.actual) : `${count(sum.expected)} expected, ${count(sum.actual)} found`}`);
    if (sum.detail !== undefined) lines.push(`      ${sum.detail}`);
  }
  return lines;
}

function bytes(value: number): string {
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}
