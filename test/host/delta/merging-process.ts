/**
 * A process of its own that merges blocks under one app id until its txn reaches the target, now and then. Which rows a
 * block holds follows from app id and version alone, so that a test can replay the log. Arguments: folder, table, app id,
 * target.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CommitConflictError, DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { block } from './delta-fixture.ts';
import { mergedRows } from './merged-rows.ts';

const [folder = '', name = '', appId = '', target = '0'] = process.argv.slice(2);
await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
const table = await DeltaTable.open(engine, openLocalStore(join(folder, 'tables')), name);
for (let version = 1; version <= Number(target); ) {
  try {
    await table.merge(block(mergedRows(appId, version)), { key: ['id'], txns: [{ appId, version: BigInt(version) }] });
    version += 1;
  } catch (error) {
    if (!(error instanceof CommitConflictError)) throw error; // too many were faster: once more
  }
  await delay(Math.random() * 150);
}
await table.close();
