import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digitsOf, parseExact } from '@pipeline-host/sdk';

describe('JSON of others', () => {
  it('is given back with the digits of its source', () => {
    for (const text of [
      '{"id":12345678901234567890,"amount":12.50,"rate":[1e400,-0.10]}',
      '[0.1,1.0,1E3,9007199254740993]',
      '12.50',
      '{"at":"14:22:07.123","count":3,"none":null,"deep":{"a":[{"b":2.00}]}}',
    ])
      assert.equal(JSON.stringify(parseExact(text)), text);
    assert.throws(() => parseExact('{"id":'), SyntaxError);
  });

  it('tells the digits of its numbers, and of nothing else', () => {
    const parsed = parseExact('[12345678901234567890, 12.50, 0.5, 7, "7", true, null]');
    assert.ok(Array.isArray(parsed));
    assert.deepEqual(parsed.map(digitsOf), ['12345678901234567890', '12.50', '0.5', '7', null, null, null]);
    assert.deepEqual([parsed[2], parsed[3]], [0.5, 7], 'what a double holds as it was written is a number');
  });
});
