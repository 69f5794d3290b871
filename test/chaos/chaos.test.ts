import assert from 'node:assert/strict';
import { it } from 'node:test';
import { proxyMissing } from './proxy.ts';
import { runChaos } from './run.ts';

// The short one. The long one is by hand: npm run chaos -- --minutes 10
const skip = await proxyMissing();

it('loses, doubles and disorders nothing while processes, broker and connections are killed', { skip, timeout: 600_000 }, async () => {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const run = runChaos({ broker: 'embedded', seconds: 15, events: 1_200, members: 2, seed: 7, otherReaders: false, say });
  const { findings, logs } = await run.catch((error: unknown) => {
    console.log(lines.join('\n'));
    throw error;
  });
  const wrong = findings.filter(({ holds }) => !holds);
  assert.deepEqual(wrong, [], `${lines.join('\n')}\nlogs in ${logs}`);
});
