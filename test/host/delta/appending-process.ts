/**
 * A process of its own that appends blocks of ten rows under one app id until its txn reaches the target, for the tests
 * that kill it and that let several of it compete. Arguments: folder, table, app id, target.
 */
import { join } from 'node:path';
import { DeltaTable, openDeltaEngine, TxnConflictError } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { block } from './delta-fixture.ts';

const [folder = '', name = '', appId = '', target = '0'] = process.argv.slice(2);
await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
const table = await DeltaTable.open(engine, openLocalStore(join(folder, 'tables')), name);
process.stdout.write('ready\n');
for (;;) {
  const next = (table.lastTxn(appId) ?? 0n) + 1n;
  if (next > BigInt(target)) break;
  const rows = Array.from({ length: 10 }, (_, row) => ({
    id: `${appId}/${next}/${row}`,
    n: Number(next),
    day: row % 2 === 0 ? '2026-01-01' : '2026-01-02',
  }));
  try {
    await table.append(block(rows), { txns: [{ appId, version: next }] });
  } catch (error) {
    if (!(error instanceof TxnConflictError)) throw error; // another one wrote these rows: go on behind it
  }
}
await table.close();
