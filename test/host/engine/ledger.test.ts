import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeAhead, encodeAhead } from '../../../host/src/engine/intake/commit-metadata.ts';
import { Ledger } from '../../../host/src/engine/intake/ledger.ts';

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
    assert.equal(ledger.invisible, 9);
    assert.equal(ledger.settled, 1);
  });

  it('knows what was delivered before', () => {
    const ledger = new Ledger(5);
    ledger.deliver(5);
    ledger.deliver(6);
    assert.equal(ledger.seen(6), true);
    assert.equal(ledger.seen(7), false);
  });

  it('counts a record that is settled twice once', () => {
    const ledger = new Ledger(0);
    for (let offset = 0; offset < 4; offset++) ledger.deliver(offset);
    for (const offset of [2, 2, 0, 0, 1, 2]) ledger.settle(offset);
    assert.deepEqual([ledger.settled, ledger.open, ledger.watermark], [3, 1, 3]);
  });

  it('keeps no list of a million records that are settled above one that stays open', () => {
    const ledger = new Ledger(0);
    ledger.deliver(0);
    for (let offset = 1; offset <= 1_000_000; offset++) {
      ledger.deliver(offset);
      if (offset % 2 === 0) {
        ledger.settle(offset);
        ledger.settle(offset - 1);
      }
    }
    assert.deepEqual([ledger.open, ledger.watermark, ledger.settled], [1, 0, 1_000_000]);
    assert.deepEqual([...ledger.settledAhead()], [{ from: 1, to: 1_000_001 }]);
    ledger.settle(0);
    assert.equal(ledger.watermark, 1_000_001);
  });
});

// One partition over many lives of its owners

/** What can happen to the owner of a partition. `pick` chooses among the records it can happen to. */
type Event =
  | { readonly kind: 'fetch'; readonly count: number; readonly recount: boolean }
  | { readonly kind: 'settle'; readonly pick: number; readonly run: number }
  | { readonly kind: 'commit' }
  | { readonly kind: 'crash' };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('fetch' as const), count: fc.integer({ min: 1, max: 30 }), recount: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(), run: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
);

/** A log of records with gaps that no reader sees, and the group's stored offset for it. */
class Partition {
  readonly visible: readonly number[];
  readonly end: number;
  readonly settled = new Set<number>();
  /** What its present owner knows to be settled. */
  known = new Set<number>();
  /** As the broker has it: what is settled in it must not come again, and all else must. */
  stored = { offset: 0, metadata: '', promised: new Set<number>() };
  ledger = new Ledger(0);
  open = new Set<number>();

  constructor(gaps: readonly number[]) {
    let offset = -1;
    this.visible = gaps.map((gap) => {
      offset += gap;
      return offset;
    });
    this.end = offset + 1;
  }

  /** One batch as the broker gives it; `recount` sends some of the last one again. */
  fetch(count: number, recount: boolean): void {
    const from = Math.max(0, this.ledger.end - (recount ? 3 : 0));
    const batch = this.visible.filter((offset) => offset >= from).slice(0, count);
    for (const offset of batch) {
      if (this.ledger.seen(offset)) continue;
      const passed = this.ledger.passSettled(offset);
      if (passed) {
        assert.ok(this.settled.has(offset), `${offset} was open, and is passed over`);
        continue;
      }
      assert.ok(!this.stored.promised.has(offset), `${offset} was settled by what is stored, and is handled again`);
      this.ledger.deliver(offset);
      this.open.add(offset);
    }
    // The batch covers what lies behind its last record up to the next one that is seen.
    const next = this.visible.find((offset) => offset > (batch.at(-1) ?? -1) && offset >= this.ledger.end);
    this.ledger.cover((next ?? this.end) - 1);
  }

  settle(pick: number, run: number): void {
    const list = [...this.open].sort((left, right) => left - right);
    const first = list.length === 0 ? 0 : pick % list.length;
    for (const offset of list.slice(first, first + run)) {
      this.ledger.settle(offset);
      this.open.delete(offset);
      this.settled.add(offset);
      this.known.add(offset);
    }
  }

  commit(): void {
    const offset = this.ledger.watermark;
    const { text, reach } = encodeAhead(offset, this.ledger.settledAhead());
    for (const one of this.open) assert.ok(one >= offset, `${one} is open and ${offset} is committed`);
    const promised = new Set([...this.known].filter((one) => one < offset || one < reach));
    this.stored = { offset, metadata: text, promised };
  }

  crash(): void {
    const { offset, metadata } = this.stored;
    const resumed = metadata === '' ? [] : decodeAhead(offset, metadata);
    assert.ok(resumed, 'what was stored can be read');
    this.ledger = new Ledger(offset, resumed);
    this.open = new Set();
    this.known = new Set(this.stored.promised);
  }

  assertAccount(): void {
    const { ledger } = this;
    assert.equal(ledger.end - ledger.start - ledger.invisible, ledger.settled + ledger.open);
    assert.equal(ledger.open, this.open.size);
    const between = this.visible.filter((offset) => offset >= ledger.start && offset < ledger.end);
    assert.equal(ledger.settled + ledger.open, between.length);
  }
}

describe('a partition whose owners come and go', () => {
  it('skips no open record, repeats none that was settled in what was committed, and accounts for every offset', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }) }), {
          minLength: 1,
          maxLength: 120,
        }),
        fc.array(event, { maxLength: 120, size: 'max' }),
        (gaps, events) => {
          const partition = new Partition(gaps);
          for (const one of events) {
            switch (one.kind) {
              case 'fetch':
                partition.fetch(one.count, one.recount);
                break;
              case 'settle':
                partition.settle(one.pick, one.run);
                break;
              case 'commit':
                partition.commit();
                break;
              case 'crash':
                partition.crash();
                break;
            }
            partition.assertAccount();
          }
          // Whatever happened, who comes last finds the rest.
          partition.crash();
          while (partition.ledger.end < partition.end || partition.open.size > 0) {
            partition.fetch(50, false);
            partition.settle(0, 1_000);
          }
          partition.commit();
          assert.equal(partition.stored.offset, partition.end);
          assert.deepEqual(
            [...partition.settled].sort((left, right) => left - right),
            partition.visible,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
