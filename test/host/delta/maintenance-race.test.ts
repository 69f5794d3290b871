import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Action, parseAction } from '../../../host/src/delta/log/actions.ts';
import { block, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';
import { type MergedRow, mergedRows } from './merged-rows.ts';

const COLUMNS = [column('id', 'long'), column('value'), column('day', 'date')];
const PROGRAM = fileURLToPath(new URL('./merging-process.ts', import.meta.url));
const WEEKS = 60 * 24 * 3_600_000;
const APP_IDS = ['merge/0', 'merge/1', 'merge/2'];
const MERGES = 8;

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

function start(table: string, appId: string): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', PROGRAM, lake.folder, table, appId, String(MERGES)], {
    stdio: 'inherit',
  });
}

async function logOf(name: string): Promise<readonly (readonly Action[])[]> {
  const commits = (await lake.store.list(`${name}/_delta_log`)).filter(({ path }) => path.endsWith('.json'));
  return await Promise.all(commits.map(async ({ path }) => (await lake.text(path)).trim().split('\n').map(parseAction)));
}

for (const deletionVectors of [true, false]) {
  const name = deletionVectors ? 'vectors' : 'rewritten';
  test(`three processes that merge while OPTIMIZE and VACUUM run leave what the log says, one merge after the other (${name})`, async () => {
    const table = await lake.create(name, COLUMNS, {
      partitionBy: ['day'],
      deletionVectors,
      properties: { 'delta.checkpointInterval': '7' },
    });
    const first = mergedRows('first', 1);
    await table.append(block(first));
    // What is in the table is as old as what a killed writer left long ago: only the log tells them apart.
    for (const orphan of ['part-orphan.parquet', 'deletion_vector_orphan.bin', 'day=2026-01-01/part-orphan.parquet'])
      await writeFile(join(lake.folder, 'tables', name, orphan), 'x');
    const old = new Date(Date.now() - WEEKS);
    for (const { path } of await lake.store.list(name)) await utimes(join(lake.folder, 'tables', path), old, old);
    const vacuumed: string[] = [];
    let optimized = 0;
    let running = true;
    const merging = Promise.all(APP_IDS.map((appId) => once(start(name, appId), 'exit'))).finally(() => {
      running = false;
    });
    while (running) {
      optimized += (await table.optimize()).commits;
      vacuumed.push(...(await table.vacuum()).files);
      await table.cleanLog();
    }
    assert.deepEqual(await merging, [
      [0, null],
      [0, null],
      [0, null],
    ]);
    await table.refresh();
    optimized += (await table.optimize()).commits;
    // Merges that rewrite put small files together themselves.
    if (deletionVectors) assert.ok(optimized > 1, 'the merges leave something to put together');
    assert.deepEqual(vacuumed.sort(), ['day=2026-01-01/part-orphan.parquet', 'deletion_vector_orphan.bin', 'part-orphan.parquet']);
    const expected = new Map<number, MergedRow>(first.map((row) => [row.id, row]));
    let merges = 0;
    for (const commit of await logOf(name)) {
      const txn = commit.find((action) => action.txn !== undefined)?.txn;
      if (txn === undefined) continue;
      merges += 1;
      for (const row of mergedRows(txn.appId, Number(txn.version))) expected.set(row.id, row);
    }
    assert.equal(merges, APP_IDS.length * MERGES);
    const rows = [...expected.values()].map((row) => ({ ...row, id: String(row.id) }));
    assert.deepEqual(sortedBy(await (await lake.open(name)).readRows(), 'id'), sortedBy(rows, 'id'));
  });
}
