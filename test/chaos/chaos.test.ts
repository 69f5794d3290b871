import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runChaos } from './run.ts';

// The short one. The long one is by hand: npm run chaos -- --minutes 10
it('loses, doubles and disorders nothing while processes, broker and connections are killed', { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const run = runChaos({ seconds: 20, events: 1_500, members: 2, seed: 7, otherReaders: false, say: (line) => lines.push(line) });
  const { findings, logs } = await run.catch((error: unknown) => {
    console.log(lines.join('\n'));
    throw error;
  });
  const wrong = findings.filter(({ holds }) => !holds);
  assert.deepEqual(wrong, [], `${lines.join('\n')}\nlogs in ${logs}`);
});
