import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FaultList, PipelineError } from '@pipeline-host/sdk';
import { failureText } from '../../../host/src/cli/print-failure.ts';

describe('a failure', () => {
  it('is code and message, place and fix, one line each', () => {
    const error = new PipelineError('PH_CONFIG_INVALID', 'over\n  two lines', { place: 'here', hint: 'mend it' });
    assert.equal(failureText(error), 'PH_CONFIG_INVALID: over two lines\n  at here\n  fix: mend it');
  });

  it('that is a list of faults shows each of them', () => {
    const [first, second] = ['a', 'b'].map((message) => new PipelineError('PH_CONFIG_INVALID', message, { place: message, hint: 'h' }));
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(failureText(new FaultList([first, second])).split('\n').length, 6);
  });

  it('of the system says that the machine is the matter, of the program that it is a bug', () => {
    assert.match(
      failureText(Object.assign(new Error('EACCES: permission denied, open /x'), { code: 'EACCES' })),
      /^PH_SYSTEM: EACCES.*\n {2}fix: /,
    );
    assert.match(
      failureText(new TypeError('x is not a function')),
      /^PH_UNEXPECTED: x is not a function\n {2}fix: .*PIPELINE_HOST_DEBUG=1/,
    );
  });

  it('shows no signature of a URL', () => {
    const error = new PipelineError('PH_HTTP_TIMEOUT', 'https://h.test/f?sig=Zx81Qk77Lm&se=1 did not answer');
    assert.doesNotMatch(failureText(error), /Zx81Qk77Lm/);
  });
});
