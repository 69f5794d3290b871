import { execFile } from 'node:child_process';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Exact versions: DuckDB loads an extension of its own version only. */
const READERS = ['deltalake==1.6.6', 'pyarrow==26.0.1', 'duckdb==1.5.5', 'duckdb-extension-delta==1.5.5'];
/** delta-spark 4.4.1 has no jars on Maven, and 4.4.0 wants this pyspark. */
const SPARK = ['pyspark==4.2.0', 'delta-spark==4.4.0'];
const CACHE = fileURLToPath(new URL('../../../.cache/', import.meta.url));
const POM = fileURLToPath(new URL('./pom.xml', import.meta.url));
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const ASK_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/** The folder with delta-rs and DuckDB, installed from PyPI at first use. Throws where Python or PyPI cannot be had. */
export async function readerPackages(): Promise<string> {
  return await pythonPackages(READERS);
}

/** The folders with Spark and with Delta's jars, from PyPI and Maven at first use. Throws where Java or one of them cannot be had. */
export async function sparkPackages(): Promise<{ readonly packages: string; readonly jars: string }> {
  await run('java', ['-version'], { timeout: ASK_TIMEOUT_MS });
  const jars = await installed(join(CACHE, 'delta-spark-4.4.0'), (part) =>
    run('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', '-DexcludeTransitive=true', `-DoutputDirectory=${part}`], {
      timeout: INSTALL_TIMEOUT_MS,
    }),
  );
  return { packages: await pythonPackages(SPARK), jars };
}

async function pythonPackages(packages: readonly string[]): Promise<string> {
  const { stdout } = await run('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { timeout: ASK_TIMEOUT_MS });
  const name = `python${stdout.trim()} ${packages.join(' ')}`.replaceAll(/[^a-z0-9.]+/gi, '-');
  return await installed(join(CACHE, 'python', name), (part) =>
    run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', part, ...packages], {
      timeout: INSTALL_TIMEOUT_MS,
    }),
  );
}

/** Several test processes may install at once: each into a folder of its own, and the first one counts. */
async function installed(folder: string, install: (part: string) => Promise<unknown>): Promise<string> {
  if (await exists(folder)) return folder;
  const part = `${folder}.${process.pid}.part`;
  await mkdir(join(folder, '..'), { recursive: true });
  try {
    await install(part);
    await rename(part, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
