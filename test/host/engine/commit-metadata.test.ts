import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeAhead, encodeAhead } from '../../../host/src/engine/intake/commit-metadata.ts';
import type { Span } from '../../../host/src/engine/intake/ledger.ts';

const LIMIT = 4_096;

/** Spans in order above an offset, from runs of open and settled ones. */
function spansOf(committed: number, runs: readonly (readonly [open: number, settled: number])[]): readonly Span[] {
  let at = committed;
  return runs.map(([open, settled]) => {
    const from = at + open;
    at = from + settled;
    return { from, to: at };
  });
}

const committedOffset = fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 2 ** 52 }));
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 36 }) },
);
const run = fc.tuple(length, length);

describe('what is settled above the committed offset, as the metadata of a commit', () => {
  it('reads back as it was written, or as the first part of it that fits, and never takes more than 4,096 characters', () => {
    fc.assert(
      fc.property(committedOffset, fc.array(run, { maxLength: 4_000, size: 'max' }), (committed, runs) => {
        const spans = spansOf(committed, runs);
        const { text, reach } = encodeAhead(committed, spans);
        assert.ok(text.length <= LIMIT, `${text.length} characters`);
        assert.match(text, /^[\x20-\x7e]+$/);
        const read = decodeAhead(committed, text);
        assert.deepEqual(read, spans.slice(0, read?.length));
        if (reach === Number.POSITIVE_INFINITY) assert.equal(read?.length, spans.length);
        else assert.equal(read?.at(-1)?.to, reach);
      }),
      { numRuns: 200 },
    );
  });

  it('has room for two thousand records that are open here and there', () => {
    const spans = spansOf(
      5_000_000,
      Array.from({ length: 2_000 }, () => [1, 31] as const),
    );
    assert.equal(encodeAhead(5_000_000, spans).reach, Number.POSITIVE_INFINITY);
    assert.notEqual(
      encodeAhead(5_000_000, [
        ...spans,
        ...spansOf(
          spans.at(-1)?.to ?? 0,
          Array.from({ length: 1_000 }, () => [1, 1]),
        ),
      ]).reach,
      Number.POSITIVE_INFINITY,
    );
  });

  it('is ignored where it is of another version, damaged, or beside another offset than it was made for', () => {
    const { text } = encodeAhead(700, spansOf(700, [[3, 40]]));
    assert.deepEqual(decodeAhead(700, text), [{ from: 703, to: 743 }]);
    for (const other of [
      '',
      'reset by an operator',
      text.replace('ph1', 'ph2'),
      `${text}:`,
      `${text}*A`,
      `${text}A`,
      `${text}AA`,
      text.slice(0, -1),
    ]) {
      assert.equal(decodeAhead(700, other), null, other);
    }
    assert.equal(decodeAhead(699, text), null, 'an offset that was moved with its metadata');
    assert.equal(decodeAhead(0, 'ph1:0:B_________________'), null, 'a number that does not end');
    assert.equal(decodeAhead(0, `ph1:0:B${'_'.repeat(12)}B`), null, 'an offset beyond all numbers');
  });

  it('never makes the reader throw, whatever stands there', () => {
    fc.assert(fc.property(committedOffset, fc.string(), (committed, text) => void decodeAhead(committed, text)));
    fc.assert(
      fc.property(committedOffset, fc.base64String(), (committed, runs) => {
        const read = decodeAhead(committed, `ph1:${committed.toString(36)}:${runs}`);
        for (const { from, to } of read ?? []) assert.ok(from >= committed && to > from);
      }),
    );
  });
});
