import type { DuckDBConnection, DuckDBInstance, DuckDBPreparedStatement, DuckDBResultReader, Json } from '@duckdb/node-api';
import { AuthError, errorMessage, PermanentError, type PipelineError, TransientError, UnavailableError } from '@pipeline-host/sdk';
import { literal } from '../schema/column-type.ts';
import { openScratch, type Scratch } from './scratch.ts';

/** Prepared statements of one connection. */
const KEPT_STATEMENTS = 16;
const MEMORY_LIMIT = '512MB';

export interface DeltaEngineOptions {
  /** What DuckDB may hold in memory before it spills to `tempDirectory`. Default `512MB`. */
  readonly memoryLimit?: string;
  /** Threads of one statement. Default 1: several statements at once use the cores better (measured: 250k against 150k rows/s on two). */
  readonly threads?: number;
  /** Statements at once. Default 2. */
  readonly connections?: number;
  /** A folder for spilled data and short-lived files, which engines of several processes may share. Created. */
  readonly tempDirectory: string;
}

/** One value of a result row: text for 64-bit whole numbers and decimals, so that no digit is lost. */
export type SqlValue = Json;

/** A value that its SQL makes text. Throws a TypeError for any other. */
export function sqlText(value: SqlValue | undefined): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`DuckDB gave ${typeof value} where text was asked for`);
}

/** One connection of the pool. Temporary tables are its own. */
export interface SqlConnection {
  run(sql: string): Promise<void>;
  /** A statement with texts for `$1`, `$2` and so on is kept prepared; without a cast to `VARCHAR` it is planned again all the same. */
  rows(sql: string, texts?: readonly string[]): Promise<readonly (readonly SqlValue[])[]>;
  /** Hands over the rows a page at a time while they are computed, values as exact-values.ts gives them; the next page waits for `use`. */
  pages(sql: string, use: (rows: readonly (readonly SqlValue[])[]) => void | Promise<void>): Promise<void>;
}

/** DuckDB, which reads JSON and reads and writes Parquet for all tables of a process. */
export interface DeltaEngine extends AsyncDisposable {
  readonly scratch: Scratch;
  /** Runs `work` on a connection of its own; waits while all are taken. */
  withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>;
  /** Hands memory that DuckDB has freed back to the system. For the end of large work; small work needs the same again at once. */
  releaseMemory(): Promise<void>;
  /** Waits for running work, then lets go of memory and scratch files. */
  close(): Promise<void>;
}

/** Starts DuckDB in this process. It never reaches for the network: extensions are neither installed nor loaded by themselves. */
export async function openDeltaEngine(options: DeltaEngineOptions): Promise<DeltaEngine> {
  // Here, so that a worker without tables does not pay for it: 20 MB, and a tenth of a second of its start.
  const duckdb = await import('@duckdb/node-api');
  const scratch = await openScratch(options.tempDirectory);
  const memoryLimit = options.memoryLimit ?? MEMORY_LIMIT;
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    threads: String(options.threads ?? 1),
    memory_limit: memoryLimit,
    temp_directory: scratch.spillFolder,
    // It would keep what it read of each file until the memory limit, also of files that are gone; the system has them as well.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connections: PooledConnection[] = [];
  for (let at = 0; at < (options.connections ?? 2); at += 1) connections.push(await PooledConnection.open(instance));
  return new DuckEngine(instance, connections, scratch, memoryLimit);
}

class DuckEngine implements DeltaEngine {
  readonly scratch: Scratch;
  readonly #instance: DuckDBInstance;
  readonly #all: readonly PooledConnection[];
  readonly #free: PooledConnection[];
  readonly #memoryLimit: string;
  readonly #waiting: ((connection: PooledConnection) => void)[] = [];
  #closing = false;

  constructor(instance: DuckDBInstance, connections: readonly PooledConnection[], scratch: Scratch, memoryLimit: string) {
    this.#instance = instance;
    this.#memoryLimit = memoryLimit;
    this.#all = connections;
    this.#free = [...connections];
    this.scratch = scratch;
  }

  async withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    if (this.#closing) throw new PermanentError('PH_DELTA_CLOSED', 'the Delta engine is closed');
    const connection = await this.#take();
    try {
      return await work(connection);
    } finally {
      this.#give(connection);
    }
  }

  async releaseMemory(): Promise<void> {
    // Its allocator keeps freed memory; to set the limit, also to what it is, has it let go of that.
    await this.withConnection((connection) => connection.run(`SET memory_limit = ${literal(this.#memoryLimit)}`));
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    for (let at = 0; at < this.#all.length; at += 1) await this.#take();
    for (const connection of this.#all) connection.close();
    this.#instance.closeSync();
    await this.scratch.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(): Promise<PooledConnection> {
    const free = this.#free.pop();
    return free === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(free);
  }

  #give(connection: PooledConnection): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else next(connection);
  }
}

class PooledConnection implements SqlConnection {
  readonly #connection: DuckDBConnection;
  /** By their SQL, the youngest last. */
  readonly #prepared = new Map<string, DuckDBPreparedStatement>();

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async open(instance: DuckDBInstance): Promise<PooledConnection> {
    const connection = await instance.connect();
    // Dates are cut from timestamps in the session's zone.
    await connection.run(`SET TimeZone = ${literal('UTC')}`);
    return new PooledConnection(connection);
  }

  async run(sql: string): Promise<void> {
    try {
      await this.#connection.run(sql);
    } catch (error) {
      throw engineError(error);
    }
  }

  async rows(sql: string, texts?: readonly string[]): Promise<readonly (readonly SqlValue[])[]> {
    try {
      const result = texts === undefined ? await this.#connection.runAndReadAll(sql) : await this.#runPrepared(sql, texts);
      return result.getRowsJson();
    } catch (error) {
      throw engineError(error);
    }
  }

  async pages(sql: string, use: (rows: readonly (readonly SqlValue[])[]) => void | Promise<void>): Promise<void> {
    // With DuckDB's classes in it, which are loaded when a table is first opened.
    const { exactJson } = await import('../rows/exact-values.ts');
    const pages = await this.#connection.stream(sql).then(
      (result) => result.yieldConvertedRows(exactJson),
      (error: unknown) => Promise.reject(engineError(error)),
    );
    for (;;) {
      const page = await pages.next().catch((error: unknown) => Promise.reject(engineError(error)));
      if (page.done === true) return;
      await use(page.value);
    }
  }

  async #runPrepared(sql: string, texts: readonly string[]): Promise<DuckDBResultReader> {
    const statement = await this.#prepare(sql);
    try {
      for (const [at, text] of texts.entries()) statement.bindVarchar(at + 1, text);
      return await statement.runAndReadAll();
    } finally {
      statement.clearBindings();
    }
  }

  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    const statement = this.#prepared.get(sql) ?? (await this.#connection.prepare(sql));
    this.#prepared.delete(sql); // to be the youngest again
    this.#prepared.set(sql, statement);
    const [oldest] = this.#prepared.size > KEPT_STATEMENTS ? this.#prepared : [];
    if (oldest !== undefined) {
      this.#prepared.delete(oldest[0]);
      oldest[1].destroySync();
    }
    return statement;
  }

  close(): void {
    for (const statement of this.#prepared.values()) statement.destroySync();
    this.#connection.closeSync();
  }
}

/** DuckDB gives system errors as text only. */
function engineError(error: unknown): PipelineError {
  const message = errorMessage(error);
  const details = { cause: error };
  if (/No space left on device|Disk quota exceeded|max_temp_directory_size/i.test(message))
    return new UnavailableError('PH_STORAGE_FULL', message, details);
  if (/Permission denied|Read-only file system|Operation not permitted/i.test(message))
    return new AuthError('PH_STORAGE_DENIED', message, details);
  return new TransientError('PH_DELTA_ENGINE', message, details);
}
