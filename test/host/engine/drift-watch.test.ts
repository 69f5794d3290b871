import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '@pipeline-host/sdk';
import type { SchemaDifference } from '../../../host/src/delta/index.ts';
import { DriftWatch } from '../../../host/src/engine/tables/drift-watch.ts';
import type { WritableTable } from '../../../host/src/engine/tables/row-maker.ts';

test('differences are told once each, those that refuse rows as warning and alert until they are gone', () => {
  const lines: string[] = [];
  const say = (level: string) => (_fields: unknown, text: unknown) => void lines.push(`${level} ${String(text)}`);
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') } as Log;
  const watch = new DriftWatch(log);
  const kept: SchemaDifference = { text: 'extra is kept', refusesRows: false };
  const narrow: SchemaDifference = { text: 'n is narrower', refusesRows: true };
  const look = (differences: readonly SchemaDifference[]): void =>
    watch.look({ resolved: { name: 'orders' }, delta: { differences } } as WritableTable);
  const first = [kept];
  for (let times = 0; times < 3; times += 1) look(first);
  assert.deepEqual([lines, watch.alerts], [['info table orders is another than its definition: extra is kept'], []]);
  look([kept, narrow]);
  const reason = 'table orders is another than its definition: n is narrower';
  assert.deepEqual(lines.slice(1), [`warn ${reason}`]);
  assert.deepEqual(watch.alerts, [{ code: 'PH_DELTA_DRIFT', reason }]);
  look([kept]);
  assert.deepEqual([lines.length, watch.alerts], [2, []]);
});
