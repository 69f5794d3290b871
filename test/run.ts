/**
 * Runs one suite of tests: `node test/run.ts <suite> [more node:test arguments or files]`. With `--spark` the suite `delta`
 * also holds the tables against Spark, which it fetches (500 MB) and which takes minutes.
 *
 * What a suite needs and the machine lacks is printed as a line that begins with `*** SKIPPED`; CI repeats these lines at
 * its end, so that nothing passes for proven that did not run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { apacheKafkaMissing, startApacheKafka } from './integration/apache-kafka.ts';
import { SHARED_BROKER } from './integration/shared-broker.ts';

interface Suite {
  readonly files: () => readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Milliseconds that one test may take. */
  readonly timeout?: number;
  /** Test files at a time. */
  readonly atOnce?: number;
  /** Files that run alone, after the others: what they measure and print must not be the load of those. */
  readonly alone?: RegExp;
  /** Whether the files share an Apache Kafka, those that ask for one. */
  readonly sharesBroker?: boolean;
}

const repository = fileURLToPath(new URL('..', import.meta.url));
const slow = /\.(kafka|delta)\.test\.ts$|^test\/repository\/packages\.test\.ts$|^test\/bench\//;
const tests = (folder: string): readonly string[] => globSync(`${folder}/**/*.test.ts`, { cwd: repository }).sort();
const quick = (folder: string): readonly string[] => tests(folder).filter((file) => !slow.test(file));
const startsBroker = (file: string): boolean => /\/brokers\.ts'/.test(readFileSync(`${repository}/${file}`, 'utf8'));

const SPARK = process.argv.includes('--spark');

const suites: Readonly<Record<string, Suite>> = {
  fast: { files: () => quick('test') },
  sdk: { files: () => quick('test/sdk') },
  host: { files: () => quick('test/host') },
  xact: { files: () => quick('test/xact') },
  claimx: { files: () => quick('test/claimx') },
  /** Whatever runs on a broker of the choice of test/integration/brokers.ts, and what needs kcat or Apache Kafka itself. */
  kafka: {
    files: () => tests('test').filter((file) => file.endsWith('.kafka.test.ts') || startsBroker(file)),
    environment: { PH_TEST_BROKER: 'apache' },
    timeout: 300_000,
    alone: /fail-over\.kafka\.test\.ts$/,
    sharesBroker: true,
  },
  delta: {
    files: () => tests('test').filter((file) => file.endsWith('.delta.test.ts')),
    ...(SPARK && { environment: { PH_TEST_SPARK: '1' } }),
    timeout: SPARK ? 1_800_000 : 300_000,
    // Spark alone takes both cores.
    atOnce: SPARK ? 1 : 2,
  },
  /** The crash loop of the fast suite at full length, and the races beside it. */
  crash: {
    files: () => ['crash-loop', 'processes', 'maintenance-race'].map((name) => `test/host/delta/${name}.test.ts`),
    environment: { PH_TEST_KILLS: '200' },
    timeout: 3_600_000,
    atOnce: 1,
  },
  packages: { files: () => ['test/repository/packages.test.ts'], timeout: 600_000, atOnce: 1 },
};

const [name = 'fast', ...more] = process.argv.slice(2).filter((argument) => argument !== '--spark');
const suite = suites[name] ?? refuse();
const files = suite.files();
if (files.length === 0) {
  console.log(`*** SKIPPED: the suite ${name} has no test files ***`);
  process.exit(0);
}
const given = more.filter((argument) => !argument.startsWith('-'));
const chosen = given.length > 0 ? given : files;
const isAlone = (file: string): boolean => suite.alone?.test(file) === true;
console.log(`suite ${name}: ${chosen.length} files on Node ${process.version}`);

/** Its reason is the signal. */
const stop = new AbortController();
const stopped = stop.signal;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(signal));

/** Where a test failed, its file may have left something open: it ends all the same when its last test and hook have. */
const ENDS = '--test-force-exit';

function refuse(): never {
  console.error(`no suite ${name}: one of ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

/** Runs the files; gives the exit code. */
async function run(these: readonly string[], atOnce: number, environment: Readonly<Record<string, string>>): Promise<number> {
  if (these.length === 0) return 0;
  if (stopped.aborted) return 1;
  const child = spawn(
    process.execPath,
    [
      '--import=tsx',
      '--conditions=@pipeline-host/source',
      '--test',
      ENDS,
      `--test-concurrency=${atOnce}`,
      `--test-timeout=${suite.timeout ?? 120_000}`,
      ...more.filter((argument) => argument.startsWith('-')),
      ...these,
    ],
    { cwd: repository, stdio: 'inherit', env: { ...process.env, ...suite.environment, ...environment } },
  );
  const interrupt = () => void child.kill(stopped.reason);
  stopped.addEventListener('abort', interrupt);
  const [code] = (await once(child, 'exit')) as [number | null];
  stopped.removeEventListener('abort', interrupt);
  return code ?? 1;
}

/** With a broker for all of them, where it can be had: the files themselves say what they miss. */
async function runTogether(these: readonly string[]): Promise<number> {
  const atOnce = suite.atOnce ?? 2;
  const isShared = suite.sharesBroker === true && these.length > 1 && !process.env['KAFKA_BROKERS'];
  if (!isShared || apacheKafkaMissing() !== undefined) return run(these, atOnce, {});
  const kafka = await startApacheKafka();
  try {
    return await run(these, atOnce, { [SHARED_BROKER]: kafka.brokers.join() });
  } finally {
    await kafka.stop();
  }
}

const together = await runTogether(chosen.filter((file) => !isAlone(file)));
const alone = await run(chosen.filter(isAlone), 1, {});
process.exitCode = together === 0 ? alone : together;
