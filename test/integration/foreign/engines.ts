import { delimiter } from 'node:path';
import { EngineProcess } from './engine-process.ts';
import { readerPackages, sparkPackages } from './packages.ts';

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
  readonly version?: number;
}

export type EngineName = 'delta-rs' | 'DuckDB' | 'Spark';

/** An implementation of Delta that shares no code with ours. */
export interface ForeignEngine extends AsyncDisposable {
  readonly name: EngineName;
  read(table: string, options?: ForeignReadOptions): Promise<ForeignRead>;
  /** Runs a function of the engine's Python module: `append`, `merge`, `delete` and so on, with its arguments by name. */
  run(name: string, request: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** The engines that this run is to hold our tables against: Spark only where it was asked for, since it takes minutes. */
export const ENGINE_NAMES: readonly EngineName[] =
  process.env['PH_TEST_SPARK'] === '1' ? ['delta-rs', 'DuckDB', 'Spark'] : ['delta-rs', 'DuckDB'];
/** Those of them that also write as we need it; DuckDB's extension only appends. */
export const WRITER_NAMES: readonly EngineName[] = ENGINE_NAMES.filter((name) => name !== 'DuckDB');

const MODULES = { 'delta-rs': 'delta-rs', DuckDB: 'duckdb', Spark: 'spark' } as const satisfies Record<EngineName, string>;

/** Engines in processes of their own; one that cannot be had on this machine is absent. */
export interface ForeignEngines extends AsyncDisposable {
  readonly all: readonly ForeignEngine[];
  get(name: EngineName): ForeignEngine | undefined;
  /** For `skip`: why tests with the engine cannot run, or false. */
  missing(name: EngineName): string | false;
}

/**
 * Starts the engines, installed into the repository's cache at first use. Where Python, PyPI or Java cannot be had, a loud
 * line says so, and their tests are to be skipped.
 */
export async function openForeignEngines(names: readonly EngineName[] = ENGINE_NAMES): Promise<ForeignEngines> {
  const engines = new Map<EngineName, ForeignEngine>();
  for (const name of names) {
    try {
      engines.set(name, engineOf(name, await EngineProcess.start(MODULES[name], await environmentOf(name))));
    } catch (error) {
      const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
      console.log(`*** SKIPPED: ${name} did not open our Delta tables: it cannot be had: ${reason} ***`);
    }
  }
  return {
    all: [...engines.values()],
    get: (name) => engines.get(name),
    missing: (name) => (engines.has(name) ? false : `${name} cannot be had`),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...engines.values()].map((engine) => engine[Symbol.asyncDispose]()));
    },
  };
}

async function environmentOf(name: EngineName): Promise<Readonly<Record<string, string>>> {
  const readers = await readerPackages();
  if (name !== 'Spark') return { PYTHONPATH: readers };
  const { packages, jars } = await sparkPackages();
  // pyarrow comes with the readers.
  return { PYTHONPATH: [packages, readers].join(delimiter), DELTA_JARS: jars };
}

function engineOf(name: EngineName, engine: EngineProcess): ForeignEngine {
  return {
    name,
    read: async (table, { predicates = [], rows = true, version } = {}) =>
      (await engine.call('read', { table, predicates, rows, ...(version !== undefined && { version }) })) as ForeignRead,
    run: (call, request) => engine.call(call, request),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
