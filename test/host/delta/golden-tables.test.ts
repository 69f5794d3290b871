import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { type DeltaEngine, DeltaTable, openDeltaEngine, verifyTable } from '../../../host/src/delta/index.ts';
import { identifier, literal } from '../../../host/src/delta/schema/column-type.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';

/** The tables that are refused: with which code, and what the message must name. */
const REFUSED: Readonly<Record<string, readonly [code: string, names: RegExp]>> = {
  // Features that we do not honour.
  'canonicalized-paths-normal-a': ['PH_DELTA_PROTOCOL', /absolute file paths/],
  'canonicalized-paths-normal-b': ['PH_DELTA_PROTOCOL', /absolute file paths/],
  'canonicalized-paths-special-b': ['PH_DELTA_PROTOCOL', /absolute file paths/],
  'data-reader-timestamp_ntz-id-mode': ['PH_DELTA_PROTOCOL', /columnMapping/],
  'data-reader-timestamp_ntz-name-mode': ['PH_DELTA_PROTOCOL', /columnMapping/],
  'data-skipping-basic-stats-all-types-columnmapping-name': ['PH_DELTA_PROTOCOL', /columnMapping/],
  'deltalog-invalid-protocol-version': ['PH_DELTA_PROTOCOL', /reader version 99/],
  'dv-with-columnmapping': ['PH_DELTA_PROTOCOL', /columnMapping/],
  'table-with-columnmapping-mode-name': ['PH_DELTA_PROTOCOL', /columnMapping/],
  'v2-checkpoint-json': ['PH_DELTA_PROTOCOL', /v2Checkpoint/],
  'v2-checkpoint-parquet': ['PH_DELTA_PROTOCOL', /v2Checkpoint/],
  // Logs that lack what every table has; no reader may guess it.
  'data-reader-absolute-paths-escaped-chars': ['PH_DELTA_LOG_DAMAGED', /no protocol or no metadata/],
  'deltalog-commit-info': ['PH_DELTA_LOG_DAMAGED', /the schema of .* is no JSON/],
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': ['PH_DELTA_LOG_DAMAGED', /no protocol or no metadata/],
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': ['PH_DELTA_LOG_DAMAGED', /no protocol or no metadata/],
  'deltalog-state-reconstruction-without-protocol': ['PH_DELTA_LOG_DAMAGED', /no protocol or no metadata/],
  'update-deleted-directory': ['PH_DELTA_LOG_DAMAGED', /the schema of .* is no JSON/],
  // A log whose data files were never written: it is for readers of the log alone.
  checkpoint: ['PH_DELTA_FILE_MISSING', /the data file .*\/15 .* is gone/],
  // No log.
  'no-delta-log-folder': ['PH_DELTA_ABSENT', /there is no Delta table/],
};
/** The files in which others' tables, which read rightly all the same, break a promise. */
const FAULTY: Readonly<Record<string, readonly string[]>> = {
  'corrupted-last-checkpoint-kernel': ['_delta_log/_last_checkpoint'],
};

const archives = new URL('golden/', import.meta.url);
const names = (await readdir(archives)).flatMap((file) => (file.endsWith('.tar.zst') ? [file.slice(0, -'.tar.zst'.length)] : []));
/** The archive with several tables, and no expected rows of any. */
const SEVERAL = 'hive';
const tally = { read: 0, refused: 0, counted: 0 };

let folder: string;
let engine: DeltaEngine;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ph-golden-'));
  engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
});
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
  console.log(
    `golden Delta archives: ${names.length}, of which ${tally.read} read row for row, ${tally.refused} refused as they should be, ` +
      `and ${SEVERAL} without expected rows, whose ${tally.counted} tables have all rows of their files`,
  );
});

for (const name of names.filter((one) => one !== SEVERAL).sort()) {
  const refusal = REFUSED[name];
  if (refusal === undefined)
    test(`golden table ${name} reads row for row`, async () => {
      await unpack(name);
      const table = await open(name);
      const columns = table.columns.map((column) => identifier(column.name)).join(', ');
      const expected = `read_parquet(${literal(join(folder, name, 'expected', '*.parquet'))})`;
      const only = (these: string, those: string): string =>
        `(SELECT count(*) FROM (SELECT ${columns} FROM ${these} EXCEPT ALL SELECT ${columns} FROM ${those}))`;
      const [counts] = await table.query((rows) => `SELECT ${only(rows, expected)}, ${only(expected, rows)}`);
      assert.deepEqual(counts, ['0', '0'], 'rows of ours that are not expected, and the other way round');
      tally.read += 1;
      const { faults } = await verifyTable(engine, openLocalStore(folder), `${name}/delta`);
      assert.deepEqual(
        faults.map((fault) => fault.file),
        FAULTY[name] ?? [],
        'what verify finds in it',
      );
    });
  else
    test(`golden table ${name} is refused with ${refusal[0]}`, async () => {
      const [code, message] = refusal;
      await unpack(name);
      await assert.rejects(async () => (await open(name)).count(), { code, message });
      tally.refused += 1;
    });
}

test(`the tables of golden archive ${SEVERAL} have all rows of their data files`, async () => {
  await unpack(SEVERAL);
  for (const table of await readdir(join(folder, SEVERAL, 'delta'))) {
    const opened = await open(SEVERAL, `delta/${table}`);
    const files = literal(join(folder, SEVERAL, 'delta', table, '**', '*.parquet'));
    const [row = []] = await opened.query(
      (rows) => `SELECT (SELECT count(*) FROM ${rows}), (SELECT count(*) FROM read_parquet(${files}, union_by_name = true))`,
    );
    assert.equal(row[0], row[1], table);
    tally.counted += 1;
  }
  assert.equal(tally.counted, 11);
});

test('every refusal is of a golden table', () => {
  assert.deepEqual(
    Object.keys(REFUSED).filter((name) => !names.includes(name)),
    [],
  );
  assert.equal(names.length, 74);
});

function open(name: string, table = 'delta'): Promise<DeltaTable> {
  return DeltaTable.open(engine, openLocalStore(folder), `${name}/${table}`);
}

/** Node knows zstd, which not every tar does. */
async function unpack(name: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  const input = zstdDecompressSync(await readFile(new URL(`${name}.tar.zst`, archives)));
  const { status, stderr } = spawnSync('tar', ['-xf', '-', '-C', folder], { input });
  assert.equal(status, 0, String(stderr));
}
