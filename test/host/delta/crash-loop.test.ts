import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { verifyTable } from '../../../host/src/delta/index.ts';
import { checkAppended, crashLoop, replayedMerges, scratchOf } from './crash-loop.ts';
import { column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

/** `npm run test:crash` kills 200. */
const KILLS = Number(process.env['PH_TEST_KILLS'] ?? 8);
const SEED = Number(process.env['PH_TEST_SEED'] ?? 1);

let lake: Lake;
before(async () => {
  lake = await openLake({ partitionBy: ['day'], properties: { 'delta.checkpointInterval': '10' } });
});
after(() => lake.close());

test(`${KILLS} kills at any moment leave exactly the rows of the txns, and orphans that VACUUM removes (seed ${SEED})`, async (t) => {
  await lake.create('appended', [column('id'), column('writer'), column('day', 'date')]);
  await lake.create('merged', [column('id', 'long'), column('value'), column('day', 'date')], { deletionVectors: true });
  const { appIds, killed } = await crashLoop(lake, KILLS, SEED);

  const [appended, merged] = await Promise.all([lake.open('appended'), lake.open('merged')]);
  await checkAppended(lake, appended);
  for (const appId of appIds) assert.equal(appended.lastTxn(appId), merged.lastTxn(appId));
  assert.deepEqual(await scratchOf(lake, killed), []);
  assert.deepEqual(sortedBy(await merged.readRows(), 'id'), sortedBy(await replayedMerges(lake, 'merged'), 'id'));

  for (const [table, mergeKey] of [
    [appended, undefined],
    [merged, ['id']],
  ] as const) {
    const name = table === appended ? 'appended' : 'merged';
    const before = await verifyTable(lake.engine, lake.store, name, { ...(mergeKey && { mergeKey }) });
    assert.deepEqual(before.faults, []);
    const { files } = await table.vacuum({ retention: 0, allowShortRetention: true });
    for (const orphan of before.unnamed.files) assert.ok(files.includes(orphan), `${orphan} is left`);
    const verified = await verifyTable(lake.engine, lake.store, name, { ...(mergeKey && { mergeKey }) });
    assert.deepEqual([verified.faults, verified.unnamed.files], [[], []]);
    t.diagnostic(`${name}: version ${table.version}, ${before.unnamed.files.length} orphans, ${files.length} files removed`);
  }
  await checkAppended(lake, appended);
  assert.deepEqual(sortedBy(await merged.readRows(), 'id'), sortedBy(await replayedMerges(lake, 'merged'), 'id'));
});
