import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeltaColumn, DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { openStore } from '../../host/src/storage/index.ts';
import { type Row, rateRow } from './bench.ts';
import type { Deltalake } from './deltalake.ts';
import { eventJson, TEXTS } from './events.ts';
import { figure, inTurns, timed } from './measure.ts';

const ROWS_A_COMMIT = 10_000;

const columns: readonly DeltaColumn[] = [
  ...Object.keys(TEXTS).map((name): DeltaColumn => ({ name, type: 'string', nullable: true })),
  { name: 'attachments', type: 'string', nullable: true },
  { name: 'status_subtype', type: 'string', nullable: true },
  { name: 'ingested_at', type: 'timestamp', nullable: true },
  { name: 'event_date', type: 'date', nullable: true },
  { name: 'raw_json', type: 'string', nullable: true },
  { name: 'created_at', type: 'timestamp', nullable: true },
  { name: 'created_date', type: 'date', nullable: true },
];

const field = (path: string): string =>
  `message.${path
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')}`;

/** The event's fields as a structure, from the paths. */
function structure(): object {
  const root: Record<string, unknown> = {};
  for (const path of ['utcDateTime', ...Object.values(TEXTS)]) {
    const parts = path.split('.');
    let node = root;
    for (const part of parts.slice(0, -1)) {
      node[part] ??= {};
      node = node[part] as Record<string, unknown>;
    }
    node[parts.at(-1) ?? ''] = 'VARCHAR';
  }
  (root['data'] as Record<string, unknown>)['attachments'] = ['VARCHAR'];
  return root;
}

const projection = {
  message: structure(),
  columns: {
    ...Object.fromEntries(Object.entries(TEXTS).map(([name, path]) => [name, field(path)])),
    attachments: "array_to_string(message.data.attachments, ',')",
    status_subtype: `split_part(message."type", '.', -1)`,
    ingested_at: 'message."utcDateTime"::TIMESTAMPTZ',
    event_date: 'message."utcDateTime"[:10]::DATE',
    raw_json: 'line',
    created_at: "TIMESTAMPTZ '2026-01-05 00:00:00Z'",
    created_date: "DATE '2026-01-05'",
  },
  form: 'typed',
} as const;

/** Appends of the 31-column events from their bytes, 10,000 rows a commit, beside `JSON.parse` of the same bytes and `deltalake`. */
export async function measureAppends(folder: string, rows: number, repetitions: number, python: Deltalake | null): Promise<Row[]> {
  await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'tmp'), threads: 1, connections: 2 });
  const table = await DeltaTable.open(engine, openStore(join(folder, 'tables')), 'events', {
    create: { name: 'events', columns, partitionBy: ['event_date'] },
  });
  const blocks = Array.from({ length: Math.ceil(rows / ROWS_A_COMMIT) }, (_, block) => {
    const lines = Array.from({ length: ROWS_A_COMMIT }, (_row, n) => eventJson(block * ROWS_A_COMMIT + n));
    return {
      ndjson: Buffer.from(`${lines.join('\n')}\n`),
      rows: lines.length,
      lines: lines.map((line) => Buffer.from(line)),
      projection,
    };
  });
  const total = blocks.length * ROWS_A_COMMIT;
  const files = blocks.map(({ ndjson }, index) => {
    const file = join(folder, `block-${index}.ndjson`);
    writeFileSync(file, ndjson);
    return file;
  });
  let turn = 0;
  const byPython = (name: string, ahead: boolean) => async () => ({
    amount: total,
    ...((await python?.append({ folder: join(folder, name), blocks: files, texts: TEXTS, ahead, version: turn++ * files.length })) ?? NONE),
  });
  const [parsed, written, inSeries, ahead] = await inTurns(repetitions, [
    () =>
      timed(total, async () => {
        for (const { lines } of blocks) for (const line of lines) JSON.parse(line.toString());
      }),
    () => timed(total, () => inPairs(blocks.map((block) => () => table.append(block, { txns: [] })))),
    byPython('in-series', false),
    byPython('ahead', true),
  ]);
  const what = 'Delta append of the events from their bytes, 31 columns';
  const ours = figure('append', 'row', written);
  const withFsync = rateRow(`${what}, fsync`, ours, figure('`JSON.parse` of them', 'row', parsed), 0.8);
  if (python === null) return [withFsync];
  return [
    withFsync,
    rateRow(
      `${what}, by \`deltalake\` 1.6.6`,
      ours,
      figure('pyarrow.json, then `write_deltalake`, zstd-1, no fsync', 'row', inSeries),
      1.5,
    ),
    rateRow(
      `${what}, by \`deltalake\` 1.6.6 with two threads`,
      ours,
      figure('the next block parsed in a second thread', 'row', ahead),
      1.1,
    ),
  ];
}

const NONE = { seconds: Number.NaN, cpuSeconds: Number.NaN };

/** Two in flight, as a writer has it that fills the next block while one is written. */
async function inPairs(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  await Promise.all(
    [0, 1].map(async (half) => {
      for (let at = half; at < steps.length; at += 2) await steps[at]?.();
    }),
  );
}
