import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import { type Lake, sortedBy } from '../../host/delta/delta-fixture.ts';
import { ENGINE_NAMES, type ForeignEngine, type ForeignEngines } from './engines.ts';

export interface AgreementOptions {
  /** The column that rows are sorted by, each value once. */
  readonly key: string;
  /** SQL conditions that all of them understand. */
  readonly predicates?: readonly string[];
  /** Older versions to read as well. */
  readonly versions?: readonly number[];
}

export function tablePath(lake: Lake, name: string): string {
  return join(lake.folder, 'tables', name);
}

/** A subtest for each engine: it sees the rows that we see, as many under each condition, and the same in older versions. */
export async function everyoneAgrees(
  context: TestContext,
  lake: Lake,
  engines: ForeignEngines,
  name: string,
  options: AgreementOptions,
): Promise<void> {
  for (const engineName of ENGINE_NAMES) {
    await context.test(`${engineName} agrees`, { skip: engines.missing(engineName) }, async () => {
      const engine = engines.get(engineName);
      assert.ok(engine);
      await agrees(lake, engine, name, options);
    });
  }
}

/** Asserts that one engine sees what we see. */
export async function agrees(
  lake: Lake,
  engine: ForeignEngine,
  name: string,
  { key, predicates = [], versions = [] }: AgreementOptions,
): Promise<void> {
  const table = await lake.open(name);
  const rows = sortedBy(await table.readRows(), key);
  const matches = [];
  for (const predicate of predicates) matches.push(await table.count(predicate));
  const foreign = await engine.read(tablePath(lake, name), { predicates });
  assert.deepEqual(sortedBy(foreign.rows, key), rows, `rows of ${name} for ${engine.name}`);
  assert.equal(foreign.count, rows.length);
  for (const [at, predicate] of predicates.entries()) assert.equal(foreign.matches[at], matches[at], `${engine.name}: ${predicate}`);
  for (const version of versions) {
    const then = await DeltaTable.openVersion(lake.engine, lake.store, name, version);
    const read = await engine.read(tablePath(lake, name), { version });
    assert.deepEqual(sortedBy(read.rows, key), sortedBy(await then.readRows(), key), `version ${version} of ${name} for ${engine.name}`);
  }
}
