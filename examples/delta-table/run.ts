import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeltaTable, openDeltaEngine, openStore, type RowBlock, type TableSpec } from 'pipeline-host/delta';

const orders: TableSpec = {
  name: 'orders',
  columns: [
    { name: 'id', type: 'long', nullable: false },
    { name: 'state', type: 'string', nullable: true },
    { name: 'amount', type: 'decimal(12,2)', nullable: true },
    { name: 'placed', type: 'timestamp', nullable: true },
    { name: 'day', type: 'date', nullable: true },
  ],
  partitionBy: ['day'],
  deletionVectors: true, // merges mark replaced rows; without it they write whole files anew
};
const block = (rows: readonly object[]): RowBlock => ({
  ndjson: Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')),
  rows: rows.length,
});

const folder = await mkdtemp(join(tmpdir(), 'orders-'));
const engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp'), memoryLimit: '512MB' });
const table = await DeltaTable.open(engine, openStore(folder), 'tables/orders', { create: orders });

const placed = [
  { id: '9007199254740993', state: 'new', amount: '12.50', placed: '2026-01-05T14:22:07.123456Z', day: '2026-01-05' },
  { id: 2, state: 'new', amount: '0.10', placed: '2026-01-05T15:00:00Z', day: '2026-01-05' },
];
// The offset is in the same commit as the rows: the second time nothing is written.
for (const attempt of [1, 2]) console.log(attempt, await table.append(block(placed), { txns: [{ appId: 'orders/0', version: 41n }] }));

// A column that the row does not have keeps its value, and so does null unless the policy of the column is 'always'.
console.log(
  await table.merge(
    block([
      { id: 2, state: 'paid', amount: null },
      { id: 3, state: 'new' },
    ]),
    { key: ['id'] },
  ),
);
await table.optimize();
await table.vacuum({ dryRun: true });
await table.checkpoint();

console.log(await table.readRows({ columns: ['id', 'state', 'amount'] }));
console.log(await (await DeltaTable.openVersion(engine, openStore(folder), 'tables/orders', 1)).count("state = 'new'"));

await table.close();
await engine.close();
await rm(folder, { recursive: true });
