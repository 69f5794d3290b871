import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../host/src/delta/log/actions.ts';
import { conflictRule } from '../../../host/src/delta/log/commit.ts';
import { statisticsText } from '../../../host/src/delta/rows/statistics.ts';

const add = (path: string, dataChange = true): Action => ({ add: { path, partitionValues: {}, size: 1, modificationTime: 0, dataChange } });
const remove = (path: string, dataChange = true): Action => ({ remove: { path, dataChange } });
const protocol: Action = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } };
const metaData: Action = {
  metaData: { id: 'x', format: { provider: 'parquet', options: {} }, schemaString: '', partitionColumns: [], configuration: {} },
};

test('an append goes behind appends, merges and compactions, and stops at a new protocol or schema', () => {
  const append = { actions: [add('mine')], reads: 'nothing' } as const;
  assert.equal(conflictRule(append, [add('theirs')]), null);
  assert.equal(conflictRule(append, [remove('old'), add('theirs')]), null);
  assert.equal(conflictRule(append, [protocol]), 'ProtocolChanged');
  assert.equal(conflictRule(append, [metaData]), 'MetadataChanged');
});

test('a merge stops at whatever changed rows, blind appends too, since they may hold its keys', () => {
  const merge = { actions: [remove('a'), add('b')], reads: 'table' } as const;
  assert.equal(conflictRule(merge, [add('theirs')]), 'ConcurrentAppend');
  assert.equal(conflictRule(merge, [remove('other')]), 'ConcurrentDeleteRead');
  assert.equal(conflictRule(merge, [remove('a')]), 'ConcurrentDeleteDelete');
  assert.equal(conflictRule(merge, [remove('a', false)]), 'ConcurrentDeleteDelete');
  assert.equal(conflictRule(merge, [remove('other', false), add('compacted', false)]), null);
});

test('a compaction goes behind appends and merges of other files, and stops at whatever touched one of its own', () => {
  const compaction = { actions: [remove('a', false), add('b', false)], reads: 'removed' } as const;
  assert.equal(conflictRule(compaction, [add('theirs')]), null);
  assert.equal(conflictRule(compaction, [remove('other'), add('theirs')]), null);
  assert.equal(conflictRule(compaction, [remove('a'), add('a')]), 'ConcurrentDeleteDelete'); // a deletion vector over it
  assert.equal(conflictRule(compaction, [remove('a', false)]), 'ConcurrentDeleteDelete');
  assert.equal(conflictRule(compaction, [metaData]), 'MetadataChanged');
});

test('statistics bound the data: long text is rounded up, times outwards to the millisecond, years beyond 9999 and NaN left out', () => {
  const fields = (['name', 'seen', 'end', 'ratio', 'long'] as const).map((name) => ({
    name,
    type: { name: 'string', seen: 'timestamp', end: 'timestamp', ratio: 'double', long: 'long' }[name],
    nullable: true,
    metadata: {},
  }));
  const properties = (entries: Record<string, string>) => Object.entries(entries).map(([key, value]) => ({ key, value }));
  const text = statisticsText(fields, 3, [
    { key: '"name"', value: properties({ min: '\u{1F600}'.repeat(40), max: '\u{1F600}'.repeat(40), null_count: '0' }) },
    { key: '"seen"', value: properties({ min: '2026-01-01 00:00:00.123456+00', max: '2026-01-01 00:00:00.123456+00', null_count: '1' }) },
    { key: '"end"', value: properties({ min: '2026-01-01 00:00:00+00', max: '9999-12-31 23:59:59.999999+00', null_count: '0' }) },
    { key: '"ratio"', value: properties({ min: '1.0', max: '2.0', has_nan: 'true', null_count: '0' }) },
    { key: '"long"', value: properties({ min: '-9223372036854775808', max: '9007199254740993', null_count: '0' }) },
    { key: '"list"."element"', value: properties({ min: '1', max: '2', null_count: '0' }) },
  ]);
  const cut = '\u{1F600}'.repeat(32);
  assert.equal(
    text,
    `{"numRecords":3,"minValues":{"name":"${cut}","seen":"2026-01-01T00:00:00.123Z","end":"2026-01-01T00:00:00.000Z","long":-9223372036854775808},` +
      `"maxValues":{"name":"${cut}\u{10FFFF}","seen":"2026-01-01T00:00:00.124Z","long":9007199254740993},"nullCount":{"name":0,"seen":1,"end":0,"ratio":0,"long":0}}`,
  );
});
