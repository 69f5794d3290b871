import { parseArgs } from 'node:util';
import { startBroker } from './broker-process.ts';
import { benchDelta } from './delta.ts';
import { benchKafka } from './kafka.ts';
import type { Figure } from './measure.ts';
import { benchRebalance, type Rebalance } from './rebalance.ts';

const HELP = `npm run bench -- [options]: the host beside its baselines, in one run, as medians.

  --only kafka|delta   one part: (a) to (d) and changes of members, or (e) and (f). Default: both
  --messages N         messages and rows of a run. Default: 100000
  --repetitions N      runs of each, after one to warm up. Default: 5
  --json               one JSON object
  --help
`;

/** The ratios are what counts: absolute numbers depend on the machine and the minute. */
const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    messages: { type: 'string', default: '100000' },
    repetitions: { type: 'string', default: '5' },
  },
});
const messages = Number(values.messages);
const repetitions = Number(values.repetitions);

interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly goal: number;
}

if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
if (values.only !== undefined && values.only !== 'kafka' && values.only !== 'delta') {
  process.stderr.write(`--only ${values.only} is no part of the bench\n\n${HELP}`);
  process.exit(2);
}

const figures: Figure[] = [];
const ratios: Ratio[] = [];
let rebalances: readonly Rebalance[] = [];

if (values.only !== 'delta') {
  const broker = await startBroker();
  try {
    const kafka = await benchKafka(broker.brokers, messages, repetitions);
    figures.push(kafka.rawConsume, kafka.engine, kafka.rawProduce, kafka.producer);
    ratios.push(
      { name: 'engine / raw consume (b / a)', value: kafka.engine.perSecond / kafka.rawConsume.perSecond, goal: 0.7 },
      { name: 'our producer / raw send (d / c)', value: kafka.producer.perSecond / kafka.rawProduce.perSecond, goal: 0.9 },
    );
    rebalances = await benchRebalance(broker.brokers, repetitions);
  } finally {
    await broker.close();
  }
}

if (values.only !== 'kafka') {
  const delta = await benchDelta(messages, repetitions);
  figures.push(delta.parse, delta.append);
  ratios.push({ name: 'Delta append / JSON.parse (f / e)', value: delta.append.perSecond / delta.parse.perSecond, goal: 0.8 });
}

if (values.json) {
  process.stdout.write(`${JSON.stringify({ node: process.version, messages, repetitions, figures, ratios, rebalances })}\n`);
} else {
  const line = (text: string): void => void process.stdout.write(`${text}\n`);
  line(`node ${process.version}, medians of ${repetitions} runs`);
  for (const { name, unit, perSecond, cpuMicros } of figures) {
    line(
      `${name.padEnd(44)} ${Math.round(perSecond).toLocaleString('en').padStart(10)} ${unit}/s  ${cpuMicros.toFixed(2).padStart(7)} µs CPU/${unit}`,
    );
  }
  if (rebalances.length > 0)
    line('planned changes of members at 1,000 records a second: the longest time in which no record of a partition was begun');
  for (const { change, pause, longest, repeats } of rebalances) {
    line(
      `${change.padEnd(44)} ${Math.round(pause).toLocaleString('en').padStart(10)} ms     (longest ${Math.round(longest)} ms, goal 1,000; ${repeats} repeats)`,
    );
  }
  for (const { name, value, goal } of ratios) line(`${name.padEnd(44)} ${value.toFixed(2).padStart(10)}  (goal ${goal})`);
}
