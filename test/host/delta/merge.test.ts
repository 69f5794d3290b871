import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { type MergePolicy, RowConversionError, TxnConflictError } from '../../../host/src/delta/index.ts';
import { block, coded, column, type Lake, openLake, sortedBy } from './delta-fixture.ts';

const COLUMNS = [column('id', 'long'), column('kept'), column('written'), column('first'), column('day', 'date')];
const POLICIES = { written: 'always', first: 'preserve' } as const satisfies Record<string, MergePolicy>;
const merge = { key: ['id'] as const, policies: POLICIES };

type Row = { id: number; kept?: string | null; written?: string | null; first?: string | null; day?: string | null };
type Stored = { id: string; kept: string | null; written: string | null; first: string | null; day: string | null };

/** What a merge means, one row after the other. */
function replay(stored: Map<number, Stored>, row: Row): void {
  const old = stored.get(row.id);
  if (old === undefined) {
    stored.set(row.id, {
      id: String(row.id),
      kept: row.kept ?? null,
      written: row.written ?? null,
      first: row.first ?? null,
      day: row.day ?? null,
    });
    return;
  }
  old.kept = row.kept ?? old.kept;
  old.day = row.day ?? old.day;
  if (row.written !== undefined) old.written = row.written;
}

for (const deletionVectors of [true, false]) {
  suite(deletionVectors ? 'by deletion vectors' : 'copy on write', () => {
    let lake: Lake;
    before(async () => {
      lake = await openLake({ deletionVectors });
    });
    after(() => lake.close());

    test('new keys are inserted, and stored values follow their policy', async () => {
      const table = await lake.create('policies', COLUMNS);
      assert.deepEqual(
        await table.merge(
          block([
            { id: 1, kept: 'a', written: 'a', first: 'a' },
            { id: 2, kept: 'b', written: 'b' },
          ]),
          merge,
        ),
        { skipped: false, version: 1, inserted: 2, updated: 0, bytes: table.summary().bytes },
      );
      const second = await table.merge(
        block([{ id: 1, kept: null, written: null, first: 'later' }, { id: 2, kept: 'c', first: 'later' }, { id: 3 }]),
        merge,
      );
      assert.deepEqual([second.skipped, !second.skipped && second.inserted, !second.skipped && second.updated], [false, 1, 2]);
      assert.deepEqual(sortedBy(await table.readRows(), 'id'), [
        { id: '1', kept: 'a', written: null, first: 'a', day: null },
        { id: '2', kept: 'c', written: 'b', first: null, day: null },
        { id: '3', kept: null, written: null, first: null, day: null },
      ]);
    });

    for (const policies of [{}, { kept: 'always' }] as const)
      test(`a row that gives a column twice is refused, with the policies ${JSON.stringify(policies)}`, async () => {
        const table = await lake.create(`twice-${Object.keys(policies).length}`, COLUMNS);
        const lines = ['{"id":1,"kept":"a"}', '{"id":2,"kept":"a","kept":"b"}', '{"id":3,"id":4}'];
        const given = { ndjson: Buffer.from(lines.map((line) => `${line}\n`).join('')), rows: lines.length };
        const refused = (error: unknown): boolean => {
          assert.ok(error instanceof RowConversionError, String(error));
          assert.deepEqual(
            error.rows.map(({ index, reason }) => [index, /duplicate key|twice/.test(reason)]),
            [
              [1, true],
              [2, true],
            ],
          );
          return true;
        };
        await assert.rejects(table.merge(given, { key: ['id'], policies }), refused);
      });

    test('a column that the row does not have keeps its value, also where null would overwrite it', async () => {
      const table = await lake.create('absent', COLUMNS);
      await table.merge(block([{ id: 1, written: 'stays' }]), merge);
      await table.merge(block([{ id: 1, kept: 'new' }]), merge);
      assert.equal((await table.readRows())[0]?.['written'], 'stays');
      await table.merge(block([{ id: 1, written: null }]), merge);
      assert.equal((await table.readRows())[0]?.['written'], null);
    });

    test('a merge of any rows equals merging them one by one, with rows that move between partitions', async () => {
      const text = fc.option(fc.constantFrom('x', 'y', ''), { nil: null });
      const row = fc.record(
        {
          id: fc.integer({ min: 0, max: 6 }),
          kept: text,
          written: text,
          first: text,
          day: fc.option(fc.constantFrom('2026-01-01', '2026-01-02'), { nil: null }),
        },
        { requiredKeys: ['id'] },
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(row, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 }), async (batches) => {
          run += 1;
          const table = await lake.create(`replay-${run}`, COLUMNS, { partitionBy: ['day'] });
          const model = new Map<number, Stored>();
          for (const batch of batches) {
            await table.merge(block(batch), merge);
            for (const one of batch) replay(model, one as Row);
          }
          const expected = sortedBy([...model.values()], 'id');
          assert.deepEqual(sortedBy(await table.readRows(), 'id'), expected);
          assert.deepEqual(sortedBy(await (await lake.open(`replay-${run}`)).readRows(), 'id'), expected);
        }),
        { numRuns: 25 },
      );
    });

    test('a key of several columns and of text beyond ASCII finds its row in the right file', async () => {
      const table = await lake.create('compound', [column('a'), column('b', 'long'), column('value')]);
      const keys = ['plain', '\uffee', '\u{1F600}', 'x'.repeat(300), `${'x'.repeat(299)}y`];
      for (const a of keys)
        await table.append(
          block([
            { a, b: '9007199254740993', value: 'old' },
            { a, b: '9007199254740992', value: 'old' },
          ]),
        );
      const merged = await table.merge(block(keys.map((a) => ({ a, b: '9007199254740993', value: 'new' }))), { key: ['a', 'b'] });
      assert.deepEqual(merged.skipped ? null : [merged.inserted, merged.updated], [0, 5]);
      const values = await table.query((relation) => `SELECT value, count(*) FROM ${relation} GROUP BY 1 ORDER BY 1`);
      assert.deepEqual(values, [
        ['new', '5'],
        ['old', '5'],
      ]);
    });

    test('a merge touches only files that hold its keys', async () => {
      const table = await lake.create('pruned', [column('id', 'long'), column('value')]);
      for (let file = 0; file < 5; file += 1)
        await table.append(
          block([
            { id: file * 10, value: 'old' },
            { id: file * 10 + 9, value: 'old' },
          ]),
        );
      await table.merge(block([{ id: 29, value: 'new' }]), { key: ['id'] });
      const commit = await lake.text('pruned/_delta_log/00000000000000000006.json');
      assert.equal(commit.match(/"remove"/g)?.length, 1);
      assert.equal(commit.match(/"add"/g)?.length, deletionVectors ? 2 : 1);
    });

    test('rows without a key are named, and nothing is written', async () => {
      const table = await lake.create('null-keys', COLUMNS);
      await assert.rejects(
        table.merge(block([{ id: 1 }, { kept: 'x' }, { id: null }, { id: 2 }]), merge),
        (error: unknown) =>
          error instanceof RowConversionError && error.code === 'PH_DELTA_NULL_KEY' && error.rows.map((row) => row.index).join() === '1,2',
      );
      await assert.rejects(
        table.merge(block([{ id: 1 }, { id: 'x' }, { id: null }]), merge),
        (error: unknown) => error instanceof RowConversionError && error.rows.map((row) => row.index).join() === '1,2',
      );
      assert.equal(table.version, 0);
    });

    test('a new row without a value that must be there is named; an update may leave it out', async () => {
      const table = await lake.create('required', [column('id'), column('must', 'string', false), column('note')]);
      await table.merge(block([{ id: 'a', must: 'x' }]), { key: ['id'] });
      await table.merge(block([{ id: 'a', note: 'n' }]), { key: ['id'] });
      await assert.rejects(
        table.merge(
          block([
            { id: 'a', note: 'm' },
            { id: 'b', note: 'n' },
          ]),
          { key: ['id'] },
        ),
        (error: unknown) =>
          error instanceof RowConversionError && error.rows.map(({ index, column: name }) => `${index} ${name}`).join() === '1 must',
      );
      assert.deepEqual(await table.readRows(), [{ id: 'a', must: 'x', note: 'n' }]);
    });

    test('a merge commits its txns, is skipped when it comes again, and is fenced against a competitor', async () => {
      const table = await lake.create('merge-txn', COLUMNS);
      const other = await lake.open('merge-txn');
      const txns = [{ appId: 'p/0', version: 4n }];
      await table.merge(block([{ id: 1 }]), { ...merge, txns });
      assert.equal((await table.merge(block([{ id: 1 }]), { ...merge, txns })).skipped, true);
      assert.equal((await other.merge(block([{ id: 1 }]), { ...merge, txns })).skipped, true);
      await assert.rejects(
        other.merge(block([{ id: 1 }]), { ...merge, txns: [...txns, { appId: 'p/1', version: 1n }] }),
        (error: unknown) => error instanceof TxnConflictError && error.appIds.join() === 'p/0',
      );
    });

    test('merges and appends of two writers at once give every key once', async () => {
      const one = await lake.create('two-writers', [column('id', 'long'), column('count', 'long'), column('by')]);
      const two = await lake.open('two-writers');
      const work: Promise<unknown>[] = [];
      for (let round = 0; round < 6; round += 1) {
        for (const [by, table] of [
          ['one', one],
          ['two', two],
        ] as const)
          work.push(table.merge(block(Array.from({ length: 20 }, (_, id) => ({ id: id + round, by, count: round }))), { key: ['id'] }));
      }
      await Promise.all(work);
      await one.refresh();
      assert.deepEqual([await one.count(), await one.countDistinct('id')], [25, 25]);
    });

    test('an append-only table takes no merge, and the property is named', async () => {
      const table = await lake.create('append-only', COLUMNS, { properties: { 'delta.appendOnly': 'true' } });
      await table.append(block([{ id: 1 }]));
      await assert.rejects(table.merge(block([{ id: 1 }]), merge), coded('PH_DELTA_APPEND_ONLY'));
    });
  });
}
