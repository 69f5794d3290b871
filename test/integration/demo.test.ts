import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { firstOutput, makeWorkplace, outcomeOf, startCommand, type Workplace } from '../host/cli/command-line.ts';

const XACT = fileURLToPath(new URL('../../plugins/xact', import.meta.url));

describe('pipeline-host demo', () => {
  let place: Workplace;
  before(() => {
    place = makeWorkplace();
  });
  after(() => place.remove());

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`stops cleanly on ${signal}, with the exit code of that signal`, async () => {
      const demo = startCommand(['demo', '--plugin', XACT, '--data', signal, '--events', '20000'], { cwd: place.folder });
      const end = outcomeOf(demo);
      await firstOutput(demo, /[1-9][0-9,]* published/, 'stderr');
      demo.kill(signal);
      const { code, stderr } = await end;
      assert.equal(code, exitCode, stderr);
    });
  }
});
