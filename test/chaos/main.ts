import { parseArgs } from 'node:util';
import { apacheKafkaMissing } from '../integration/apache-kafka.ts';
import { runChaos } from './run.ts';

const HELP = `npm run chaos -- [options]: xact as processes through kill -9, restarts, broken connections and bad downloads.

  --minutes N   how long. Default: 3
  --events N    events to send in that time, where the workers can follow. Default: 50000
  --members N   processes of each worker. Default: 3
  --kafka       on Apache Kafka, which is fetched and started, in place of the embedded broker
  --seed N      the same seed gives the same events, faults and order of disasters. Default: by the clock
  --help

Exit code 1 where something was lost, came twice, came out of order or was repeated without a reason.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '3' },
    events: { type: 'string', default: '50000' },
    members: { type: 'string', default: '3' },
    kafka: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const [minutes, events, members, seed] = [values.minutes, values.events, values.members, values.seed].map(Number);
const isNumber = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value) && value >= 0;
if (!isNumber(minutes) || !isNumber(events) || !isNumber(members) || !isNumber(seed) || minutes === 0 || events < 1 || members < 1) {
  process.stderr.write(`each option is a number, all but the seed above 0\n\n${HELP}`);
  process.exit(2);
}

const broker = values.kafka ? 'apache' : 'embedded';
const missing = values.kafka ? apacheKafkaMissing() : undefined;
if (missing !== undefined) {
  process.stderr.write(`Apache Kafka cannot be had here: ${missing}\n`);
  process.exit(3);
}
const began = performance.now();
const say = (line: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`);
say(`seed ${seed}, ${values.kafka ? 'Apache Kafka' : 'the embedded broker'}`);
const report = await runChaos({ broker, seconds: minutes * 60, events, members, seed, otherReaders: true, say });
console.log(
  `\n${report.sent.toLocaleString('en-US')} events; ${[...report.disasters].map(([kind, times]) => `${times} × ${kind}`).join(', ')}\n`,
);
for (const { name, holds, detail } of report.findings) console.log(`  ${holds ? '✓' : '✗'} ${name}: ${detail}`);
const wrong = report.findings.filter(({ holds }) => !holds).length;
console.log(
  `\n${wrong === 0 ? `✓ all ${report.findings.length} hold` : `✗ ${wrong} of ${report.findings.length} do not hold`} (seed ${seed})`,
);
if (report.logs !== null) console.log(`the logs of the processes are in ${report.logs}`);
process.exitCode = wrong === 0 ? 0 : 1;
