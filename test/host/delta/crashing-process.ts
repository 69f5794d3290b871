/**
 * A process of its own that appends to one table and merges into another under one app id, and compacts them now and then,
 * until its txns reach the targets: for the test that kills it. Arguments: folder, app id, target.
 */
import { join } from 'node:path';
import { CommitConflictError, DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { appendedRows } from './crash-loop.ts';
import { block } from './delta-fixture.ts';
import { mergedRows } from './merged-rows.ts';

const ROUNDS_FOR_EACH_OPTIMIZE = 12;

const [folder = '', appId = '', target = '0'] = process.argv.slice(2);
await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
const store = openLocalStore(join(folder, 'tables'));
const [appended, merged] = await Promise.all([DeltaTable.open(engine, store, 'appended'), DeltaTable.open(engine, store, 'merged')]);
const next = (table: DeltaTable): bigint => (table.lastTxn(appId) ?? 0n) + 1n;

/** Others may be faster again and again: then it is left to the next round. */
async function unlessOvertaken(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof CommitConflictError)) throw error;
  });
}

process.stdout.write('ready\n');
for (let round = 1; next(appended) <= BigInt(target) || next(merged) <= BigInt(target); round += 1) {
  const [append, merge] = [next(appended), next(merged)];
  if (append <= BigInt(target)) await appended.append(block(appendedRows(appId, Number(append))), { txns: [{ appId, version: append }] });
  if (merge <= BigInt(target))
    await unlessOvertaken(merged.merge(block(mergedRows(appId, Number(merge))), { key: ['id'], txns: [{ appId, version: merge }] }));
  if (round % ROUNDS_FOR_EACH_OPTIMIZE === 0) for (const table of [appended, merged]) await unlessOvertaken(table.optimize());
}
await Promise.all([appended.close(), merged.close()]);
