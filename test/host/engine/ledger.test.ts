import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Ledger } from '../../../host/src/engine/ledger.ts';

describe('the ledger of a partition', () => {
  it('never lets the watermark pass an open record, and reaches the end when all are settled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 60 }), fc.infiniteStream(fc.nat()), (gaps, picks) => {
        const ledger = new Ledger(10);
        const open = new Set<number>();
        let offset = 9;
        for (const gap of gaps) {
          offset += gap;
          ledger.deliver(offset);
          open.add(offset);
        }
        while (open.size > 0) {
          assert.equal(ledger.watermark, Math.min(...open));
          assert.equal(ledger.open, open.size);
          const list = [...open];
          const settled = list[(picks.next().value ?? 0) % list.length] as number;
          ledger.settle(settled);
          open.delete(settled);
        }
        assert.equal(ledger.watermark, offset + 1);
      }),
      { numRuns: 300 },
    );
  });

  it('moves past records that no reader sees once they are covered', () => {
    const ledger = new Ledger(0);
    ledger.deliver(2);
    ledger.cover(7);
    assert.equal(ledger.watermark, 2);
    ledger.settle(2);
    assert.equal(ledger.watermark, 8);
    ledger.cover(9);
    assert.equal(ledger.watermark, 10);
  });

  it('knows what was delivered before', () => {
    const ledger = new Ledger(5);
    ledger.deliver(5);
    ledger.deliver(6);
    assert.equal(ledger.seen(6), true);
    assert.equal(ledger.seen(7), false);
  });
});
