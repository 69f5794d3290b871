import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DeltaColumn, type DeltaEngine, DeltaTable, openDeltaEngine, type RowBlock } from '../../host/src/delta/index.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import { type Bench, limitRow, type Row } from './bench.ts';

const COMMITS = 1_000;
/** Caches are full and code is compiled by then. */
const WARM = 200;
const COMMITS_FOR_EACH_OPTIMIZE = 50;
const VERSIONS = 10_000;
/** The newest checkpoint of a table of so many files may be nearly 320 versions old. */
const SINCE_CHECKPOINT = 319;
const ROWS = 500_000;
const CHANGES = 10_000;
const MERGES = 5;
/** Of a table in one file: after ten merges it has lost two thirds of its rows. */
const ROWS_OF_A_FILE = 600_000;
const CHANGES_OF_A_FILE = 40_000;

/** What a table costs that lives long: memory over many commits, the first look at many versions, the event loop in large writes. */
export const longTables: Bench = {
  name: 'long-tables',
  usesKafka: false,
  async run({ repetitions }): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-long-'));
    try {
      await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'tmp') });
      return [
        await manyCommits(engine, folder),
        await manyVersions(engine, folder, repetitions),
        await largeMerges(engine, folder),
        await mergesIntoHoles(engine, folder),
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const columns: readonly DeltaColumn[] = ['id', ...Array.from({ length: 19 }, (_, at) => `text_${at}`)].map((name) => ({
  name,
  type: 'string',
  nullable: true,
}));

function blockOf(ids: readonly number[], text: string, of: readonly DeltaColumn[] = columns): RowBlock {
  const lines = ids.map((id) => `${JSON.stringify(Object.fromEntries(of.map(({ name }) => [name, name === 'id' ? `${id}` : text])))}\n`);
  return { ndjson: Buffer.from(lines.join('')), rows: ids.length };
}

const numbers = (from: number, count: number): readonly number[] => Array.from({ length: count }, (_, n) => from + n);

async function manyCommits(engine: DeltaEngine, folder: string): Promise<Row> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const table = await DeltaTable.open(engine, openLocalStore(folder), 'commits', { create: { name: 'commits', columns, partitionBy: [] } });
  const heapMegabytes = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  let [heap, resident] = [0, 0];
  for (let commit = 1; commit <= COMMITS; commit++) {
    await table.append(blockOf(numbers(commit * 100, 100), 'some text'), { txns: [{ appId: 'bench/0', version: BigInt(commit) }] });
    if (commit % COMMITS_FOR_EACH_OPTIMIZE === 0) await table.optimize();
    if (commit === WARM) [heap, resident] = [heapMegabytes(), process.memoryUsage().rss / 1e6];
  }
  const [heapAfter, residentAfter] = [heapMegabytes(), process.memoryUsage().rss / 1e6];
  await table.close();
  return limitRow(`heap that commits ${WARM} to ${COMMITS} of a table leave behind`, [heapAfter - heap], {
    unit: 'MB',
    atMost: 5,
    digits: 1,
    baseline: `after ${WARM}: ${heap.toFixed(0)} MB; resident ${resident.toFixed(0)} → ${residentAfter.toFixed(0)} MB`,
  });
}

/** A log as 10,000 appends leave it that nobody compacted. Only the log: to open a table no data file is looked at. */
async function manyVersions(engine: DeltaEngine, folder: string, repetitions: number): Promise<Row> {
  const store = openLocalStore(folder);
  const table = await DeltaTable.open(engine, store, 'versions', { create: { name: 'versions', columns, partitionBy: [] } });
  const log = join(folder, 'versions/_delta_log');
  await writeVersions(log, 1, VERSIONS - SINCE_CHECKPOINT);
  await table.refresh();
  await table.checkpoint();
  await writeVersions(log, VERSIONS - SINCE_CHECKPOINT, VERSIONS);
  const opened: number[] = [];
  for (let run = 0; run <= repetitions; run++) {
    const began = performance.now();
    const { version } = await DeltaTable.open(engine, store, 'versions');
    if (run > 0) opened.push(performance.now() - began);
    if (version !== VERSIONS - 1) throw new Error(`it is at version ${version}`);
  }
  return limitRow(`the first look at a table of ${VERSIONS.toLocaleString('en')} versions and files`, opened, {
    unit: 'ms',
    atMost: 1_000,
    baseline: '',
  });
}

async function writeVersions(log: string, from: number, to: number): Promise<void> {
  const bounds = (text: string) => Object.fromEntries(columns.map(({ name }) => [name, `${text} of some text`]));
  const nullCount = Object.fromEntries(columns.map(({ name }) => [name, 0]));
  const stats = JSON.stringify({ numRecords: 10_000, minValues: bounds('the first'), maxValues: bounds('the last'), nullCount });
  for (let version = from; version < to; version++) {
    const add = {
      path: `part-00000-${randomUUID()}.c000.zstd.parquet`,
      partitionValues: {},
      size: 1_000_000,
      modificationTime: Date.now(),
      dataChange: true,
      stats,
    };
    const actions = [
      { commitInfo: { timestamp: Date.now(), operation: 'WRITE', operationParameters: { mode: 'Append' }, txnId: randomUUID() } },
      { txn: { appId: 'bench/0', version } },
      { add },
    ];
    await writeFile(
      join(log, `${String(version).padStart(20, '0')}.json`),
      actions.map((action) => `${JSON.stringify(action)}\n`).join(''),
    );
  }
}

async function largeMerges(engine: DeltaEngine, folder: string): Promise<Row> {
  const create = { name: 'merges', columns, partitionBy: [], deletionVectors: true };
  const table = await DeltaTable.open(engine, openLocalStore(folder), 'merges', { create });
  for (let at = 0; at < ROWS; at += ROWS / 10) await table.append(blockOf(numbers(at, ROWS / 10), 'some text'));
  const holds: number[] = [];
  for (let merge = 0; merge < MERGES; merge++) {
    const ids = numbers(0, CHANGES).map((n) => (n * 47 + merge) % (ROWS + CHANGES));
    holds.push(await holdOfMerge(table, ids));
  }
  await table.close();
  return limitRow(
    `longest hold of the event loop by a merge of ${CHANGES.toLocaleString('en')} rows into ${ROWS.toLocaleString('en')}`,
    holds,
    {
      unit: 'ms',
      atMost: 50,
      baseline: '',
    },
  );
}

/** Every third row of a file that many merges have taken rows out of. */
async function mergesIntoHoles(engine: DeltaEngine, folder: string): Promise<Row> {
  const create = { name: 'holes', columns: columns.slice(0, 4), partitionBy: [], deletionVectors: true };
  const table = await DeltaTable.open(engine, openLocalStore(folder), 'holes', { create });
  const count = ROWS_OF_A_FILE / CHANGES_OF_A_FILE;
  await table.append(blockOf(numbers(0, ROWS_OF_A_FILE), 'some text', create.columns));
  for (let merge = 0; merge < (count * 2) / 3; merge++) {
    const ids = numbers(merge * CHANGES_OF_A_FILE, CHANGES_OF_A_FILE).map((n) => (n * 7) % ROWS_OF_A_FILE);
    await table.merge(blockOf(ids, 'another', create.columns), { key: ['id'] });
  }
  const ids = numbers(0, ROWS_OF_A_FILE / 3).map((n) => n * 3);
  const hold = await holdOfMerge(table, ids, create.columns);
  await table.close();
  return limitRow(
    `… by one of ${ids.length.toLocaleString('en')} where a file has lost ${((ROWS_OF_A_FILE * 2) / 3).toLocaleString('en')}`,
    [hold],
    {
      unit: 'ms',
      atMost: 50,
      baseline: '',
    },
  );
}

/** The longest, in milliseconds. */
async function holdOfMerge(table: DeltaTable, ids: readonly number[], of: readonly DeltaColumn[] = columns): Promise<number> {
  // Made before the clock runs: in the host each row comes from a record of its own.
  const block = blockOf(ids, 'another', of);
  const histogram = monitorEventLoopDelay({ resolution: 5 });
  histogram.enable();
  await table.merge(block, { key: ['id'] });
  histogram.disable();
  return histogram.max / 1e6;
}
