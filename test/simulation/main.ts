/**
 * Runs the delivery engine on virtual time: `npm run simulate -- [--seed N] [--seeds M] [--trace]`.
 *
 * Without a seed it starts anywhere. A seed that breaks a promise is shrunk and told as a short story.
 */
import { parseArgs } from 'node:util';
import { tellFailure } from './failing-seed.ts';
import { planSchedule } from './ingredients.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seeds: { type: 'string' }, trace: { type: 'boolean', default: false } },
});
const count = wholeNumber('seeds', values.seeds ?? (values.seed === undefined ? '1000' : '1'));
const first = wholeNumber('seed', values.seed ?? String(Date.now() % 1_000_000_000));
let failed = 0;
let virtual = 0;
for (let seed = first; seed < first + count; seed++) {
  const schedule = planSchedule(seed);
  const { broken, story, took } = await simulate(schedule, { trace: values.trace });
  virtual += took;
  for (const line of story) console.log(line);
  if (broken === null) continue;
  failed++;
  console.log(await tellFailure(schedule, broken));
}
console.log(`seeds ${first} to ${first + count - 1}: ${failed} broke a promise, in ${Math.round(virtual / 60_000)} virtual minutes`);
process.exitCode = failed === 0 ? 0 : 1;

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} takes a whole number, not ${text}`);
  process.exit(2);
}
