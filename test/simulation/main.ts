import { parseArgs } from 'node:util';
import { planSchedule } from './schedule.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, seeds: { type: 'string' }, trace: { type: 'boolean' } } });
const first = Number(values.seed ?? Date.now() % 1_000_000_000);
const count = Number(values.seeds ?? 1);
let failed = 0;
const began = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const { broken, story } = await simulate(planSchedule(seed), { trace: values.trace ?? false });
  for (const line of story) console.log(line);
  if (broken === null) continue;
  failed++;
  console.log(`seed ${seed}: ${broken}`);
}
console.log(`${count} seeds, ${failed} failed, ${Math.round(performance.now() - began)} ms`);
