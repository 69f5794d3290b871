import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseLane } from '../../../host/src/retry/lane-choice.ts';
import { delaysFor } from '../../../host/src/retry/policy.ts';

const delays = [5, 10, 20, 40];

describe('the waits for an error', () => {
  const policy = {
    delays: [1, 2],
    byCode: new Map([
      ['SHOP_*', [2]],
      ['SHOP_BUSY_*', [1]],
      ['SHOP_GONE', []],
    ]),
  };
  for (const [code, waits] of [
    ['OTHER', [1, 2]],
    ['SHOP_DOWN', [2]],
    ['SHOP_BUSY_NOW', [1]],
    ['SHOP_GONE', []],
    ['SHOP_GONE_TOO', [2]],
  ] as const)
    it(`are those of the code, else of the longest beginning: ${code}`, () => assert.deepEqual(delaysFor(policy, code), waits));
});

describe('the choice of a delay lane', () => {
  it('takes the lane of the attempt, and none past the last', () => {
    assert.deepEqual(chooseLane(delays, delays, 1, undefined), { lane: 1, attempts: 1 });
    assert.deepEqual(chooseLane(delays, delays, 4, undefined), { lane: 4, attempts: 4 });
    assert.equal(chooseLane(delays, delays, 5, undefined), null);
    assert.equal(chooseLane([], [], 1, undefined), null);
  });

  it('waits at least as long as was asked for', () => {
    assert.deepEqual(chooseLane(delays, delays, 1, 11), { lane: 3, attempts: 1 });
    assert.deepEqual(chooseLane(delays, delays, 4, 1), { lane: 1, attempts: 4 });
    assert.equal(chooseLane(delays, delays, 5, 1), null);
  });

  it('takes the lane that waits exactly as long as was asked for, and never burns less for it', () => {
    for (const [index, delay] of delays.entries()) assert.deepEqual(chooseLane(delays, delays, 1, delay), { lane: index + 1, attempts: 1 });
    assert.deepEqual(chooseLane(delays, delays, 1, 41), { lane: 4, attempts: 0 });
  });

  it('follows the waits of the error, in the lanes that there are, in whatever order they stand', () => {
    assert.deepEqual(chooseLane(delays, [20], 1, undefined), { lane: 3, attempts: 1 });
    assert.equal(chooseLane(delays, [20], 2, undefined), null);
    assert.equal(chooseLane(delays, [], 1, 5), null);
    assert.deepEqual(chooseLane([40, 5], [40, 5], 1, 6), { lane: 1, attempts: 1 });
    assert.deepEqual(chooseLane([40, 5], [40, 5], 2, 50), { lane: 1, attempts: 1 });
  });

  it('burns no attempt where no lane is long enough', () => {
    assert.deepEqual(chooseLane(delays, delays, 5, 100), { lane: 4, attempts: 4 });
  });
});
