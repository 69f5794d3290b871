import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeltaColumn, DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { openStore } from '../../host/src/storage/index.ts';
import type { Row } from './bench.ts';
import type { Deltalake } from './deltalake.ts';
import { inTurns, median, type Run, timed } from './measure.ts';

const ROWS = 1_000_000;
const FILES = 16;
const TEXT_COLUMNS = 19;
const CHANGED = 900;
const NEW = 100;

const columns: readonly DeltaColumn[] = [
  { name: 'id', type: 'string', nullable: false },
  ...Array.from({ length: TEXT_COLUMNS }, (_, at): DeltaColumn => ({ name: `c${at}`, type: 'string', nullable: true })),
];

/** 900 random keys of a table of a million rows and 20 columns with a third of their columns, and 100 new keys, as the entities of a claim come. */
export async function measureMerges(folder: string, repetitions: number, python: Deltalake | null): Promise<Row[]> {
  await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'tmp') });
  const store = openStore(join(folder, 'merged'));
  const create = { name: 'rows', columns, partitionBy: [] };
  const ours = await DeltaTable.open(engine, store, 'ours', { create: { ...create, deletionVectors: true } });
  // Without deletion vectors, which it would not write.
  const theirs = python === null ? null : await DeltaTable.open(engine, store, 'theirs', { create });
  for (let file = 0; file < FILES; file++) {
    const rows = ROWS / FILES;
    const block = { ndjson: linesOf(rows, (n) => rowOf(file * rows + n)), rows };
    await ours.append(block);
    await theirs?.append(block);
  }
  const changes = Array.from({ length: repetitions + 1 }, (_, turn) => {
    const ndjson = linesOf(CHANGED + NEW, (n) => changeOf(turn, n));
    const file = join(folder, `changes-${turn}.ndjson`);
    writeFileSync(file, ndjson);
    return { block: { ndjson, rows: CHANGED + NEW }, file };
  });
  const written = { ours: [] as number[], theirs: [] as number[] };
  const inTheirs = join(folder, 'merged', 'theirs');
  const [byUs, byThem] = await inTurns(repetitions, [
    turns(changes, async ({ block }) => {
      const before = bytesBelow(join(folder, 'merged', 'ours'));
      const run = await timed(1, () => ours.merge(block, { key: ['id'] }));
      written.ours.push(bytesBelow(join(folder, 'merged', 'ours')) - before);
      return run;
    }),
    turns(changes, async ({ file }) => {
      const before = python === null ? 0 : bytesBelow(inTheirs);
      const spent = (await python?.merge({ folder: inTheirs, changes: file })) ?? { seconds: Number.NaN, cpuSeconds: Number.NaN };
      written.theirs.push(python === null ? 0 : bytesBelow(inTheirs) - before);
      return { amount: 1, ...spent };
    }),
  ]);
  const what = 'MERGE of 1,000 random keys into 1,000,000 rows of 20 columns';
  const milliseconds = median(byUs.map(({ seconds }) => seconds * 1000));
  const megabytes = median(written.ours) / 1e6;
  if (python === null) {
    return [
      { what, figure: `${milliseconds.toFixed(0)} ms, ${megabytes.toFixed(2)} MB`, baseline: '', ratio: null, target: '', holds: true },
    ];
  }
  const rows = { ours: await ours.count(), theirs: (await python.count({ folder: inTheirs })).rows };
  if (rows.ours !== rows.theirs) throw new Error(`the merges differ: ${rows.ours} rows and ${rows.theirs}`);
  const times = median(byThem.map(({ seconds }) => seconds * 1000));
  const bytes = median(written.theirs) / 1e6;
  return [fewer(what, [milliseconds, times], 'ms', 6), fewer(`bytes that the MERGE writes`, [megabytes, bytes], 'MB', 500)];
}

/** The lower, the better: how many times the baseline is as much. */
function fewer(what: string, [ours, theirs]: readonly [number, number], unit: string, times: number): Row {
  const text = (value: number): string => `${value.toLocaleString('en', { maximumFractionDigits: unit === 'MB' ? 2 : 0 })} ${unit}`;
  const ratio = theirs / ours;
  return {
    what,
    figure: text(ours),
    baseline: `\`deltalake\` 1.6.6: ${text(theirs)}`,
    ratio,
    target: `ratio ≥ ${times}`,
    holds: ratio >= times,
  };
}

/** Each call has the next of them. */
function turns<Change>(changes: readonly Change[], run: (change: Change) => Promise<Run>): () => Promise<Run> {
  let turn = 0;
  return () => run(changes[turn++] as Change);
}

function linesOf(rows: number, row: (n: number) => object): Buffer {
  return Buffer.from(Array.from({ length: rows }, (_, n) => `${JSON.stringify(row(n))}\n`).join(''));
}

/** Keys are in no order, as ids by hash are. */
const keyOf = (n: number): string => Math.imul(n, 0x9e3779b1).toString(16).replace('-', 'f').padStart(9, '0') + n.toString(36);

function rowOf(n: number): object {
  return Object.fromEntries([
    ['id', keyOf(n)],
    ...Array.from({ length: TEXT_COLUMNS }, (_, at) => [`c${at}`, `value ${(n * (at + 7)) % 50_021}`]),
  ]);
}

/** A known key with every third column, or a new one. */
function changeOf(turn: number, n: number): object {
  const key = n < CHANGED ? (turn * 7919 + n * 1_103) % ROWS : ROWS + turn * NEW + n - CHANGED;
  return Object.fromEntries([
    ['id', keyOf(key)],
    ...Array.from({ length: TEXT_COLUMNS }, (_, at) => [`c${at}`, at % 3 === 0 || n >= CHANGED ? `changed ${turn} ${n}` : null]),
  ]);
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
