/**
 * Runs one suite of tests: `node test/run.ts <suite> [more node:test arguments or files]`. With `--spark` the suite `delta`
 * also holds the tables against Spark, which it fetches (500 MB) and which takes minutes.
 *
 * What a suite needs and the machine lacks is printed as a line that begins with `*** SKIPPED`; CI repeats these lines at
 * its end, so that nothing passes for proven that did not run.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Suite {
  readonly files: () => readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Milliseconds that one test may take. */
  readonly timeout?: number;
  /** Test files at a time. */
  readonly atOnce?: number;
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
  /** Whatever runs on a broker of the choice of test/integration/brokers.ts, and what needs kcat or Apache Kafka itself. */
  kafka: {
    files: () => tests('test').filter((file) => file.endsWith('.kafka.test.ts') || startsBroker(file)),
    environment: { PH_TEST_BROKER: 'apache' },
    timeout: 300_000,
    atOnce: 1,
  },
  delta: {
    files: () => tests('test').filter((file) => file.endsWith('.delta.test.ts')),
    timeout: SPARK ? 1_800_000 : 300_000,
    // Spark alone takes both cores.
    atOnce: SPARK ? 1 : 2,
  },
  packages: { files: () => ['test/repository/packages.test.ts'], timeout: 600_000, atOnce: 1 },
};

const [name = 'fast', ...more] = process.argv.slice(2).filter((argument) => argument !== '--spark');
const suite = suites[name];
if (suite === undefined) {
  console.error(`no suite ${name}: one of ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}
const files = suite.files();
if (files.length === 0) {
  console.log(`*** SKIPPED: the suite ${name} has no test files ***`);
  process.exit(0);
}
console.log(`suite ${name}: ${files.length} files on Node ${process.version}`);
const run = spawn(
  process.execPath,
  [
    '--import=tsx',
    '--conditions=@pipeline-host/source',
    '--test',
    `--test-concurrency=${suite.atOnce ?? 2}`,
    `--test-timeout=${suite.timeout ?? 120_000}`,
    ...more.filter((argument) => argument.startsWith('-')),
    ...(more.some((argument) => !argument.startsWith('-')) ? more.filter((argument) => !argument.startsWith('-')) : files),
  ],
  { cwd: repository, stdio: 'inherit', env: { ...process.env, ...suite.environment, ...(SPARK && { PH_TEST_SPARK: '1' }) } },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => run.kill(signal));
run.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
