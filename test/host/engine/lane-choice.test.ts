import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseLane } from '../../../host/src/retry/lane-choice.ts';

const delays = [5, 10, 20, 40];

describe('the choice of a delay lane', () => {
  it('takes the lane of the attempt, and none past the last', () => {
    assert.deepEqual(chooseLane(delays, 1, undefined), { lane: 1, attempts: 1 });
    assert.deepEqual(chooseLane(delays, 4, undefined), { lane: 4, attempts: 4 });
    assert.equal(chooseLane(delays, 5, undefined), null);
    assert.equal(chooseLane([], 1, undefined), null);
  });

  it('waits at least as long as was asked for', () => {
    assert.deepEqual(chooseLane(delays, 1, 11), { lane: 3, attempts: 1 });
    assert.deepEqual(chooseLane(delays, 4, 1), { lane: 1, attempts: 4 });
    assert.equal(chooseLane(delays, 5, 1), null);
  });

  it('burns no attempt where no lane is long enough', () => {
    assert.deepEqual(chooseLane(delays, 5, 100), { lane: 4, attempts: 4 });
  });
});
