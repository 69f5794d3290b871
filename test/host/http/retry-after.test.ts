import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfter } from '../../../host/src/http/retry-after.ts';

const now = Date.parse('2026-03-01T12:00:00Z');

test('Retry-After is read as seconds or as any of the three forms of an HTTP date', () => {
  const table: readonly (readonly [string | undefined, number | undefined])[] = [
    ['120', 120_000],
    [' 5 ', 5_000],
    ['0', 0],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sunday, 01-Mar-26 12:00:30 GMT', 30_000],
    ['Sun Mar  1 12:00:30 2026', 30_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['99999999999', 86_400_000],
    ['-3', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['2026-03-01', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [header, expected] of table) assert.equal(parseRetryAfter(header, now), expected, String(header));
});
