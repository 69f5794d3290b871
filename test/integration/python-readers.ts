import { execFile } from 'node:child_process';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Exact versions: DuckDB loads an extension of its own version only. */
const PACKAGES = ['deltalake==1.6.6', 'pyarrow==26.0.1', 'duckdb==1.5.5', 'duckdb-extension-delta==1.5.5'];
const CACHE = fileURLToPath(new URL('../../.cache/python/', import.meta.url));
const READER = fileURLToPath(new URL('./read-delta.py', import.meta.url));
const WRITER = fileURLToPath(new URL('./write-delta.py', import.meta.url));
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const READ_TIMEOUT_MS = 120_000;
const LARGEST_ANSWER_BYTES = 512 * 1024 * 1024;

const run = promisify(execFile);

export type ForeignRow = Readonly<Record<string, unknown>>;

export interface ForeignRead {
  /** As pipeline-host's `readRows` gives them. Empty where they were not asked for. */
  readonly rows: readonly ForeignRow[];
  readonly count: number;
  /** Rows under each predicate: statistics that are false lose rows here. */
  readonly matches: readonly number[];
}

export interface ForeignReadOptions {
  /** SQL conditions to count under. */
  readonly predicates?: readonly string[];
  /** Default true. False for tables whose rows need not cross over. */
  readonly rows?: boolean;
}

/** Rows for a table that delta-rs writes. */
export interface ForeignWrite {
  /** Name and Delta type. */
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly rows: readonly ForeignRow[];
  readonly partitionBy?: readonly string[];
}

/** Readers of Delta tables that share no code with ours, and a writer. */
export interface PythonReaders {
  /** delta-rs, by its SQL (DataFusion). */
  readonly readWithDeltaRs: (tablePath: string, options?: ForeignReadOptions) => Promise<ForeignRead>;
  /** DuckDB's delta extension (delta-kernel-rs). */
  readonly readWithDuckDb: (tablePath: string, options?: ForeignReadOptions) => Promise<ForeignRead>;
  /** Appends with delta-rs, and makes the table where there is none. */
  readonly writeWithDeltaRs: (tablePath: string, write: ForeignWrite) => Promise<void>;
}

/**
 * The readers, installed from PyPI into the repository's cache at first use. Null where Python or PyPI cannot be had:
 * then a loud line says so, and the caller skips.
 */
export async function openPythonReaders(): Promise<PythonReaders | null> {
  try {
    const packages = await readerPackages();
    return {
      readWithDeltaRs: (tablePath, options) => read(packages, 'deltalake', tablePath, options),
      readWithDuckDb: (tablePath, options) => read(packages, 'duckdb', tablePath, options),
      writeWithDeltaRs: async (table, write) => {
        await ask(packages, [WRITER], { table, partitionBy: [], ...write });
      },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
    console.log(`*** SKIPPED: no other reader opened our Delta tables: python3 with ${PACKAGES.join(' ')} cannot be had: ${reason} ***`);
    return null;
  }
}

/**
 * The folder of the packages, installed at first use. Throws where Python or PyPI cannot be had. Several test processes may
 * install at once: each into a folder of its own, and the first one counts.
 */
export async function readerPackages(): Promise<string> {
  const { stdout } = await run('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { timeout: READ_TIMEOUT_MS });
  const folder = join(CACHE, `python${stdout.trim()} ${PACKAGES.join(' ')}`.replaceAll(/[^a-z0-9.]+/gi, '-'));
  if (await exists(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const part = `${folder}.${process.pid}.part`;
  try {
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', part, ...PACKAGES], {
      timeout: INSTALL_TIMEOUT_MS,
    });
    await rename(part, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}

async function read(
  packages: string,
  reader: 'deltalake' | 'duckdb',
  table: string,
  options: ForeignReadOptions = {},
): Promise<ForeignRead> {
  const request = { table, predicates: options.predicates ?? [], rows: options.rows ?? true };
  return JSON.parse(await ask(packages, [READER, reader], request)) as ForeignRead;
}

/** What a program of ours prints for a request. */
async function ask(packages: string, program: readonly string[], request: object): Promise<string> {
  const child = run('python3', [...program], {
    timeout: READ_TIMEOUT_MS,
    maxBuffer: LARGEST_ANSWER_BYTES,
    env: { ...process.env, PYTHONPATH: packages },
  });
  child.child.stdin?.end(JSON.stringify(request));
  return (await child).stdout;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
