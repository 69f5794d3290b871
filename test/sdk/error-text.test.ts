import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorText } from '@pipeline-host/sdk';

describe('texts of errors', () => {
  it('show no signature and are at most as long as they may be', () => {
    assert.equal(
      errorText('GET https://u:p@h.example/a.pdf?X-Amz-Signature=abc#x failed at http://k/b?sig=1 twice'),
      'GET https://h.example/a.pdf failed at http://k/b twice',
    );
    assert.equal(errorText('x'.repeat(500)), 'x'.repeat(500));
    assert.equal(errorText('x'.repeat(501)), `${'x'.repeat(497)}...`);
    assert.equal(errorText(`${'x'.repeat(6)}🏠🏠`, 10), `${'x'.repeat(6)}🏠🏠`);
    assert.equal(errorText(`${'x'.repeat(6)}🏠🏠`, 9).isWellFormed(), true, 'no half of a character is left');
  });
});
