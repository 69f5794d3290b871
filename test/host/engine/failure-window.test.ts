import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureWindow } from '../../../host/src/engine/outage/failure-window.ts';

const window = (): FailureWindow => new FailureWindow({ share: 0.2, keys: 10 });
const pass = (of: FailureWindow, count: number): void => {
  for (let n = 0; n < count; n++) of.passed();
};
/** The answers for failures of different keys. */
const fail = (of: FailureWindow, count: number, cause = 'SHOP_DOWN'): boolean[] =>
  Array.from({ length: count }, (_, n) => of.failed(cause, `key ${n}`));

describe('the last records of a worker', () => {
  it('are an outage when more than a fifth of them fail alike', () => {
    const of = window();
    pass(of, 200);
    const answers = fail(of, 41);
    assert.deepEqual(answers, [...Array<boolean>(40).fill(false), true]);
  });

  it('are an outage from ten keys on, and never of fewer', () => {
    assert.deepEqual(fail(window(), 10), [...Array<boolean>(9).fill(false), true]);
    const of = window();
    for (let n = 0; n < 500; n++) assert.equal(of.failed('SHOP_DOWN', `key ${n % 9}`), false);
  });

  it('are none where they fail for different causes', () => {
    const of = window();
    for (let n = 0; n < 200; n++) assert.equal(of.failed(`CAUSE_${n % 6}`, `key ${n}`), false);
  });

  it('forget what is older than 200 records, and all of it when an outage is over', () => {
    const of = window();
    fail(of, 9);
    pass(of, 200);
    assert.equal(fail(of, 40).includes(true), false);
    const cleared = window();
    fail(cleared, 10);
    cleared.clear();
    assert.equal(fail(cleared, 9).includes(true), false);
  });

  it('raise an alert where many are bad, once, and end it where few are', () => {
    const told: [boolean, number][] = [];
    const of = new FailureWindow({ share: 0.2, keys: 10, onBad: (high, share) => void told.push([high, share]) });
    pass(of, 200);
    for (let n = 0; n < 100; n++) of.bad();
    assert.deepEqual(told, [[true, 0.205]]);
    assert.equal(of.badShare, 0.5);
    pass(of, 179);
    assert.equal(told.length, 1);
    pass(of, 1);
    assert.deepEqual(told[1], [false, 0.1]);
  });

  it('are no outage however many are bad', () => {
    const of = window();
    for (let n = 0; n < 200; n++) of.bad();
    assert.equal(fail(of, 40).includes(true), false);
  });
});
