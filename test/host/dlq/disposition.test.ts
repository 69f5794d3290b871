import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { applyEntry, type Disposition, type Entry, UNTOUCHED } from '../../../host/src/dlq/disposition.ts';

const common = { v: 1, partition: 0, offset: 0, timestamp: 0, at: '2026-01-05T10:00:00.000Z' } as const;
const claimed = (token: string, { again = false, from = 0, partition = 3 } = {}): Entry => ({
  ...common,
  kind: 'claimed',
  token,
  actor: 'a',
  reason: null,
  again,
  target: { topic: 'w.retry', partition, from },
});
const sent = (token: string, sentTo = 5): Entry => ({ ...common, kind: 'sent', token, sentTo });
const abandoned = (token: string): Entry => ({ ...common, kind: 'abandoned', token, reason: 'gone' });
const discarded = (token: string): Entry => ({ ...common, kind: 'discarded', token, actor: 'a', reason: 'r' });
const after = (...entries: readonly Entry[]): Disposition => entries.reduce(applyEntry, UNTOUCHED);

describe('the disposition of a dead letter', () => {
  it('belongs to the first claim, and to no other while that is open', () => {
    const { state, token, claim } = after(claimed('1'), claimed('2'), claimed('3', { again: true }), discarded('4'));
    assert.deepEqual([state, token, claim?.token], ['replaying', '1', '1']);
    assert.equal(after(claimed('1'), claimed('2'), sent('2')).state, 'replaying', 'the loser settles nothing');
  });

  it('is replayed once, and a second time only where that is asked for', () => {
    assert.equal(after(claimed('1'), sent('1'), sent('1', 9)).replays, 1);
    assert.equal(after(claimed('1'), sent('1'), claimed('2'), sent('2')).replays, 1);
    const again = after(claimed('1'), sent('1'), claimed('2', { again: true }), sent('2'));
    assert.deepEqual([again.replays, again.claim?.count], [2, 2]);
  });

  it('is open again after a claim that was abandoned, and replayed where that is sent after all', () => {
    assert.equal(after(claimed('1'), abandoned('1')).state, 'open');
    assert.equal(after(claimed('1'), abandoned('1'), sent('1')).state, 'replayed');
    assert.equal(after(claimed('1'), abandoned('1'), discarded('2'), sent('1')).state, 'replayed');
    assert.equal(after(claimed('1'), sent('1'), abandoned('1')).state, 'replayed');
  });

  it('is looked for from where the first claim found the lane, however often it is claimed again', () => {
    const { claim } = after(claimed('1', { from: 4 }), abandoned('1'), claimed('2', { from: 9 }));
    assert.deepEqual([claim?.count, claim?.target.from], [1, 4]);
    const elsewhere = after(claimed('1', { from: 4 }), abandoned('1'), claimed('2', { from: 9, partition: 6 }));
    assert.equal(elsewhere.claim?.target.from, 9, 'another lane');
    const again = after(claimed('1', { from: 4 }), sent('1'), claimed('2', { from: 9, again: true }));
    assert.equal(again.claim?.target.from, 9, 'another replay');
  });

  it('is discarded only while it is open', () => {
    assert.equal(after(discarded('1')).state, 'discarded');
    assert.equal(after(claimed('1'), sent('1'), discarded('2')).state, 'replayed');
    assert.equal(after(discarded('1'), claimed('2')).state, 'discarded');
    assert.equal(after(discarded('1'), claimed('2', { again: true })).state, 'replaying');
  });

  it('never counts one claim twice and keeps its history, whatever is in the journal', () => {
    const tokens = fc.constantFrom('1', '2', '3');
    const entry = fc.oneof(
      fc.tuple(tokens, fc.boolean()).map(([token, again]) => claimed(token, { again })),
      tokens.map((token) => sent(token)),
      tokens.map(abandoned),
      tokens.map(discarded),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
        let before = UNTOUCHED;
        for (const one of entries) {
          const next = applyEntry(before, one);
          if (next === before) continue;
          assert.deepEqual(next.history.slice(0, -1), before.history);
          assert.equal(next.token, one.token);
          assert.equal(next.replays, next.history.filter(({ what }) => what === 'replayed').length);
          assert.ok(next.replays <= next.history.filter(({ what }) => what === 'replaying').length);
          before = next;
        }
      }),
    );
  });
});
