import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { apiCalls } from './api-calls.ts';
import type { Bench, Row } from './bench.ts';
import { startBroker } from './broker-process.ts';
import { consume } from './consume.ts';
import { delta } from './delta.ts';
import { downloads } from './downloads.ts';
import { failing } from './failing.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { longTables } from './long-tables.ts';
import { parallel } from './parallel.ts';
import { produce } from './produce.ts';
import { rebalance } from './rebalance.ts';
import { relay } from './relay.ts';
import { retryDue } from './retry-due.ts';
import { scale } from './scale.ts';
import { tables } from './tables.ts';

const BENCHES: readonly Bench[] = [
  consume,
  relay,
  produce,
  parallel,
  latency,
  retryDue,
  failing,
  downloads,
  apiCalls,
  scale,
  rebalance,
  idle,
  delta,
  tables,
  longTables,
];

const HELP = `npm run bench -- [options]: the host beside its baselines, in one run, as medians.

  --only NAME,NAME     some parts: ${BENCHES.map(({ name }) => name).join(', ')}. Default: all
  --messages N         messages and rows of a run. Default: 100000
  --repetitions N      runs of each, after one to warm up. Default: 5
  --kafka              on Apache Kafka, started for it; KAFKA_BROKERS=host:port on a cluster of yours. Default: the embedded broker
  --readme             the table as the README has it
  --json               one JSON object
  --help
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string' },
    kafka: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    messages: { type: 'string', default: '100000' },
    repetitions: { type: 'string', default: '5' },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const wanted = values.only?.split(',') ?? BENCHES.map(({ name }) => name);
const unknown = wanted.find((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown !== undefined) {
  process.stderr.write(`--only ${unknown} is no part of the bench\n\n${HELP}`);
  process.exit(2);
}
const chosen = BENCHES.filter(({ name }) => wanted.includes(name));
const messages = Number(values.messages);
const repetitions = Number(values.repetitions);

const broker = chosen.some(({ usesKafka }) => usesKafka) ? await startBroker(values.kafka) : null;
const rows: Row[] = [];
try {
  for (const bench of chosen) {
    const measured = await bench.run({ brokers: broker?.brokers ?? [], messages, repetitions });
    rows.push(...measured);
    // One by one, so that a long run shows what it has.
    if (!values.readme && !values.json) for (const row of measured) process.stdout.write(lineOf(row));
  }
} finally {
  await broker?.close();
}
const [load = 0] = loadavg();
/** The ratios are what counts: absolute numbers depend on the machine and the minute. */
const conditions = `node ${process.version}, ${cpus().length} cores at load ${load.toFixed(1)}, ${broker?.kind ?? 'no broker'}, medians of ${repetitions} runs`;

if (values.json) {
  process.stdout.write(`${JSON.stringify({ conditions, messages, repetitions, rows })}\n`);
} else if (values.readme) {
  process.stdout.write('| What | Measured | Beside | Ratio | Goal |\n|---|---|---|---|---|\n');
  for (const { what, figure, baseline, ratio, target } of rows)
    process.stdout.write(`| ${what} | ${figure} | ${baseline} | ${ratio?.toFixed(2) ?? ''} | ${target} |\n`);
  process.stdout.write(`\n${conditions}\n`);
} else {
  process.stdout.write(`${conditions}\n`);
}

function lineOf({ what, figure, baseline, ratio, target, holds }: Row): string {
  const verdict = holds ? 'holds' : 'MISSED';
  return `${verdict.padEnd(6)} ${what.padEnd(64)} ${figure.padEnd(36)} ${(ratio?.toFixed(2) ?? '').padStart(5)}  ${target.padEnd(14)} ${baseline}\n`;
}
