import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Lake } from '../delta/delta-fixture.ts';
import { until } from './in-memory-unit.ts';
import { openLake, TableUnit } from './table-unit.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

describe('the offsets in a table', () => {
  it('belong to this partition where the last of them is its last record, and to another where it ends at that one', async () => {
    const unit = await TableUnit.open({ lake, name: 'ends' });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    unit.close();
    const next = await TableUnit.open({ lake, name: 'ends' });
    next.end = 3;
    await next.assign(3);
    next.end = 2;
    await assert.rejects(next.assign(3), { code: 'PH_DELTA_OFFSETS_FOREIGN' });
    next.close();
  });

  it('are not foreign where the former owner wrote records that came in while the next one looked', async () => {
    const unit = await TableUnit.open({ lake, name: 'late' });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    unit.close();
    const next = await TableUnit.open({ lake, name: 'late' });
    next.end = 2;
    const [interposed] = next.interposed;
    assert.ok(interposed);
    interposed.refresh = async () => {
      next.end = 3;
    };
    await next.assign(2);
    next.close();
  });

  it('keep a record out that is read again alone of its batch, its offset being the last one there', async () => {
    const unit = await TableUnit.open({ lake, name: 'again' });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    unit.close();
    // The process died between the table's commit and the group's.
    const next = await TableUnit.open({ lake, name: 'again' });
    await next.assign(2);
    next.deliver(['c', 'd', 'e']);
    await until(() => next.committed === 5, 'committed');
    assert.deepEqual(await next.ids(), ['a', 'b', 'c', 'd', 'e']);
    next.close();
  });
});
