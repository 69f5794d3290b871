import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '@pipeline-host/sdk';
import { SmallFileWatch } from '../../../host/src/engine/tables/small-file-watch.ts';

const MINUTE = 60_000;

test('small files that nobody puts together for an hour raise an alert, once in the log, until someone does', () => {
  const warned: unknown[] = [];
  const log: Log = { debug() {}, info() {}, warn: (...given: unknown[]) => void warned.push(given), error() {} };
  let now = 0;
  const watch = new SmallFileWatch(log, () => now);
  const codes = () => watch.alerts.map(({ code }) => code);
  for (; now < 60 * MINUTE; now += 10 * MINUTE) watch.look('busy', () => 160);
  assert.deepEqual(codes(), []);
  watch.look('busy', () => 160);
  assert.deepEqual(codes(), ['PH_DELTA_SMALL_FILES']);
  assert.match(watch.alerts[0]?.reason ?? '', /table busy has 160 files.*table-maintenance/);
  now += MINUTE;
  watch.look('busy', () => 170);
  assert.equal(warned.length, 1);
  now += MINUTE;
  watch.look('busy', () => 159);
  assert.deepEqual(codes(), []);
});

test('files that are put together in time raise none, and a table is looked at once a minute', () => {
  let now = 0;
  let looks = 0;
  const watch = new SmallFileWatch({ debug() {}, info() {}, warn() {}, error() {} }, () => now);
  for (; now < 300 * MINUTE; now += MINUTE / 2) {
    watch.look('maintained', () => {
      looks += 1;
      return now % (50 * MINUTE) === 0 ? 3 : 200;
    });
  }
  assert.deepEqual(watch.alerts, []);
  assert.equal(looks, 300);
});
