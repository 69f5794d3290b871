import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DeltaTable } from '../../../host/src/delta/index.ts';
import { parseAction } from '../../../host/src/delta/log/actions.ts';
import { Random } from '../../simulation/random.ts';
import type { Lake } from './delta-fixture.ts';
import { type MergedRow, mergedRows } from './merged-rows.ts';

const PROGRAM = fileURLToPath(new URL('./crashing-process.ts', import.meta.url));
const ROWS = 10;
/** More than a writer gets through. */
const ENDLESS = 1_000_000;
/** What each writer adds after the last kill. */
const COMMITS_AFTER = 3;

/** The rows that a writer appends with one of its versions. */
export function appendedRows(appId: string, version: number): readonly object[] {
  return Array.from({ length: ROWS }, (_, row) => ({
    id: `${appId}/${version}/${row}`,
    writer: appId,
    day: row % 2 === 0 ? '2026-01-01' : '2026-01-02',
  }));
}

/** A writer that is started again whenever it was killed. */
class Writer {
  readonly appId: string;
  readonly killed: number[] = [];
  readonly #folder: string;
  #child: ChildProcess | null = null;

  constructor(folder: string, appId: string) {
    this.#folder = folder;
    this.appId = appId;
  }

  /** Resolves when it begins to write. */
  async start(target = ENDLESS): Promise<void> {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '-C', '@pipeline-host/source', PROGRAM, this.#folder, this.appId, String(target)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#child = child;
    await once(child.stdout, 'data');
    assert.equal(child.exitCode, null);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    assert.equal(child?.exitCode, null, `${this.appId} ended by itself`);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.killed.push(child.pid ?? 0);
  }

  /** Lets it come to its end. */
  async finish(target: number): Promise<void> {
    await this.start(target);
    const child = this.#child as ChildProcess;
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    assert.equal(code, 0);
  }
}

export interface Crashed {
  readonly appIds: readonly string[];
  readonly killed: readonly number[];
}

/** Kills writers of the tables `appended` and `merged`, which exist, at random moments; each version found meanwhile is exact. */
export async function crashLoop(lake: Lake, kills: number, seed: number): Promise<Crashed> {
  const random = new Random(seed);
  const writers = [0, 1, 2].map((at) => new Writer(lake.folder, `crash/${at}`));
  await Promise.all(writers.map((writer) => writer.start()));
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(random.between(1, 150)); // any moment of its loop
    const writer = writers[random.between(0, writers.length - 1)] as Writer;
    await writer.kill();
    const restarted = writer.start();
    await checkAppended(lake, await lake.open('appended'));
    await restarted;
  }
  await Promise.all(writers.map((writer) => writer.kill()));
  const [appended, merged] = await Promise.all([lake.open('appended'), lake.open('merged')]);
  const last = (appId: string): number => Math.max(...[appended, merged].map((table) => Number(table.lastTxn(appId) ?? 0n)));
  await Promise.all(writers.map((writer) => writer.finish(last(writer.appId) + COMMITS_AFTER)));
  return { appIds: writers.map(({ appId }) => appId), killed: writers.flatMap(({ killed }) => killed) };
}

/** What killed processes left in shared memory and in the folder for temporary files: the next one to open an engine removes it. */
export async function scratchOf(lake: Lake, pids: readonly number[]): Promise<readonly string[]> {
  const names = await Promise.all([`${lake.folder}/temp`, '/dev/shm'].map((folder) => readdir(folder).catch(() => [])));
  return names.flat().filter((name) => pids.includes(Number(/^ph-delta-[0-9a-f]+-(\d+)-/.exec(name)?.[1])));
}

/** Each writer has all rows of its versions, once each, and no other. */
export async function checkAppended(lake: Lake, table: DeltaTable): Promise<void> {
  const found = await table.query((relation) => `SELECT writer, count(*), count(DISTINCT id) FROM ${relation} GROUP BY writer ORDER BY 1`);
  const { txns } = table.summary();
  const expected = txns
    .map(({ appId, version }) => [appId, Number(version) * ROWS, Number(version) * ROWS] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(
    found.map(([writer, rows, distinct]) => [writer, Number(rows), Number(distinct)]),
    expected,
    `version ${table.version} of ${lake.folder}`,
  );
}

/** The rows that the merges in the log leave, one after the other. */
export async function replayedMerges(lake: Lake, name: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const rows = new Map<number, MergedRow>();
  const commits = (await lake.store.list(`${name}/_delta_log`)).filter(({ path }) => path.endsWith('.json'));
  for (const { path } of commits) {
    const actions = (await lake.text(path)).trim().split('\n').map(parseAction);
    for (const { txn } of actions)
      if (txn !== undefined) for (const row of mergedRows(txn.appId, Number(txn.version))) rows.set(row.id, row);
  }
  return [...rows.values()].map((row) => ({ ...row, id: String(row.id) }));
}
