import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeltaColumn, DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { openStore } from '../../host/src/storage/index.ts';
import { type Bench, type Row, rateRow } from './bench.ts';
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

/** Appends of the 31-column events from their bytes, committed and fsynced, beside `JSON.parse` of the same bytes. */
export const delta: Bench = {
  name: 'delta',
  usesKafka: false,
  run: async ({ messages, repetitions }) => [await append(messages, repetitions)],
};

async function append(rows: number, repetitions: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-delta-'));
  const engine = await openDeltaEngine({ tempDirectory: join(folder, 'tmp'), threads: 1, connections: 2 });
  try {
    const store = openStore(join(folder, 'tables'));
    const table = await DeltaTable.open(engine, store, 'events', { create: { name: 'events', columns, partitionBy: ['event_date'] } });
    const blocks = Array.from({ length: Math.ceil(rows / ROWS_A_COMMIT) }, (_, block) => {
      // One day a block, as a stream of events has it.
      const lines = Array.from({ length: ROWS_A_COMMIT }, (_row, n) => eventJson(block * ROWS_A_COMMIT + n));
      return {
        ndjson: Buffer.from(`${lines.join('\n')}\n`),
        rows: lines.length,
        lines: lines.map((line) => Buffer.from(line)),
        projection,
      };
    });
    const total = blocks.length * ROWS_A_COMMIT;
    const [parse, written] = await inTurns(repetitions, [
      () =>
        timed(total, async () => {
          for (const { lines } of blocks) for (const line of lines) JSON.parse(line.toString());
        }),
      () =>
        timed(total, async () => {
          // Two in flight, as a writer has it that fills the next block while one is written.
          await Promise.all(
            [0, 1].map((half) =>
              inOrder(blocks.filter((_, index) => index % 2 === half).map((block) => () => table.append(block, { txns: [] }))),
            ),
          );
        }),
    ]);
    return rateRow(
      'Delta append of the events from their bytes, 31 columns, fsync',
      figure('append', 'row', written),
      figure('`JSON.parse` of them', 'row', parse),
      0.8,
    );
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function inOrder(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) await step();
}
