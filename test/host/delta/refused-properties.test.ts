import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

for (const [property, value] of [
  ['delta.enableChangeDataFeed', 'true'],
  ['delta.enableRowTracking', 'true'],
  ['delta.enableInCommitTimestamps', 'true'],
  ['delta.columnMapping.mode', 'name'],
  ['delta.constraints.few', 'id < 50'],
] as const) {
  test(`no table is made whose definition asks for ${property}, which is not honoured`, async () => {
    await assert.rejects(
      lake.create(property, [column('id', 'long')], { properties: { [property]: value } }),
      (error: unknown) =>
        coded('PH_DELTA_PROTOCOL')(error) &&
        /columnMapping|changeDataFeed|rowTracking|inCommitTimestamp|checkConstraints/.test(String(error)),
    );
    assert.deepEqual(await lake.store.list(property), []);
  });
}
