import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { sanitizeSegment } from '@pipeline-host/sdk';
import fc from 'fast-check';

test('a segment is made safe by the rules, and a clean one stays as it is', () => {
  const table: readonly (readonly [string, string])[] = [
    ['04XQ7PK_loss_report.pdf', '04XQ7PK_loss_report.pdf'],
    ['Scan%20001.tif', 'Scan%20001.tif'],
    ['.hidden', '.hidden'],
    ['a b.pdf', 'a b.pdf'],
    ['Straße №5 🏠.pdf', 'Straße №5 🏠.pdf'],
    ['a/b\\c.pdf', 'a_b_c.pdf'],
    ['a\u0000b\tc\nd\u007fe\u0085.pdf', 'a_b_c_d_e_.pdf'],
    ['  a.pdf  ', 'a.pdf'],
    ['a.pdf...', 'a.pdf'],
    ['a. . .', 'a'],
    ['', '_'],
    ['   ', '_'],
    ['.', '_'],
    ['..', '_'],
    ['. .', '_'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['Cafe\u0301.pdf', 'Caf\u00e9.pdf'],
    ['a\ud800.pdf', 'a\ufffd.pdf'],
  ];
  for (const [given, expected] of table) assert.equal(sanitizeSegment(given), expected, JSON.stringify(given));
});

test('a long name keeps its extension and gets a mark of the whole name', () => {
  const name = `${'é'.repeat(200)}.pdf`;
  const mark = createHash('sha256').update(name).digest('hex').slice(0, 8);
  const short = sanitizeSegment(name);
  assert.equal(short, `${'é'.repeat(121)}~${mark}.pdf`);
  assert.ok(Buffer.byteLength(short) <= 255);
  assert.notEqual(short, sanitizeSegment(`${'é'.repeat(201)}.pdf`));
  assert.equal(sanitizeSegment('x'.repeat(255)), 'x'.repeat(255));
  assert.match(sanitizeSegment(`a.${'x'.repeat(300)}`), /^a\.x{244}~[0-9a-f]{8}$/);
});

test('whatever comes in, a safe segment comes out, and the second time nothing changes', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({ unit: fc.constantFrom('.', ' ', '/', '\\', 'é', '🏠', 'e', '\u0301', '\n'), maxLength: 300 }),
  );
  fc.assert(
    fc.property(anything, (given) => {
      const safe = sanitizeSegment(given);
      assert.ok(safe.length > 0 && Buffer.byteLength(safe) <= 255);
      assert.doesNotMatch(safe, /[/\\\p{Cc}]|[. ]$|^ |^\.+$/u);
      assert.equal(safe, safe.normalize('NFC'));
      assert.equal(sanitizeSegment(safe), safe);
    }),
    { numRuns: 500 },
  );
});
