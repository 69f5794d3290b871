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

  it('are where a partition begins whose group was committed less, and are committed', async () => {
    const unit = await TableUnit.open({ lake, name: 'again' });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    unit.close();
    // The process died between the table's commit and the group's, or the group was forgotten.
    const next = await TableUnit.open({ lake, name: 'again' });
    for (const committed of [2, 0]) {
      await next.assign(committed);
      assert.equal(next.position, 3);
      await next.intake.commit();
      assert.equal(next.committed, 3);
    }
    next.deliver(['d', 'e', 'f']);
    await until(() => next.committed === 6, 'committed');
    assert.deepEqual(await next.ids(), ['a', 'b', 'c', 'd', 'e', 'f']);
    // And not where it was committed more.
    await next.assign(7);
    assert.equal(next.position, 7);
    next.close();
  });

  it('are where a partition begins as far as all tables are, and keep the rows out of those that are further', async () => {
    const unit = await TableUnit.open({ lake, name: 'apart', tables: 2, flush: { rows: 6, bytes: 1e6, age: 60_000 } });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    // The process dies between the commits of two tables.
    const between = Promise.withResolvers<void>();
    unit.at(1).before = () => {
      between.resolve();
      return new Promise(() => {});
    };
    unit.deliver(['d', 'e', 'f']);
    await between.promise;
    unit.close();
    const next = await TableUnit.open({ lake, name: 'apart', tables: 2, flush: { rows: 6, bytes: 1e6, age: 60_000 } });
    await next.assign();
    assert.equal(next.position, 3);
    next.deliver(['d', 'e', 'f']);
    await until(() => next.committed === 6, 'committed');
    for (const table of [0, 1]) assert.deepEqual(await next.ids(table), ['a', 'b', 'c', 'd', 'e', 'f']);
    next.close();
  });

  it('are no beginning where one of the tables has none', async () => {
    const unit = await TableUnit.open({ lake, name: 'none', tables: 2, rows: (job) => ({ first: [job] }) });
    await unit.assign();
    unit.deliver(['a', 'b', 'c']);
    await until(() => unit.committed === 3, 'committed');
    await unit.assign(1);
    assert.equal(unit.position, 1);
    unit.close();
  });
});
