import { randomUUID } from 'node:crypto';
import type { TableFolder } from '../data-files.ts';
import type { DeltaEngine, SqlConnection } from '../duckdb/engine.ts';
import type { AddFile } from '../log/actions.ts';
import type { Snapshot } from '../log/snapshot.ts';
import { withScan } from '../read/scan.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';
import type { DedupeRule } from '../table-contract.ts';

/** A window is kept in so many parts, each of which is forgotten as a whole. */
const SLICES = 8;
/** Data files in one statement. */
const FILES_AT_ONCE = 256;
/** Values of the rows that are looked at, on one connection. */
const GIVEN = 'temp.main."__ph_given"';
const REPEATED = 'temp.main."__ph_repeated"';

/** The values of a column among rows, held against those that the table holds already. */
export interface Repetition {
  /** Rows that have a value, by another row or in the table, that one row before them has. */
  readonly rows: number;
  /** The condition under which a row of a relation stays, for `SELECT … QUALIFY`. */
  readonly isKept: string;
}

/**
 * The values of a column that were written within the last while, by whomever. They come out of the table's own files, so
 * that a process that takes over knows what another one wrote that died. DuckDB keeps 16 bytes of each, within its memory
 * limit and beyond it in its folder for temporary files. Used by one caller at a time.
 */
export class RecentValues {
  readonly rule: DedupeRule;
  readonly #engine: DeltaEngine;
  readonly #table: TableFolder;
  readonly #name = `__ph_recent_${randomUUID().replaceAll('-', '')}`;
  readonly #slices = new Set<number>();
  /** When the files were written that it knows, by path. */
  readonly #known = new Map<string, number>();

  constructor(engine: DeltaEngine, table: TableFolder, rule: DedupeRule) {
    this.#engine = engine;
    this.#table = table;
    this.rule = rule;
  }

  /** Reads what the table was given since, and forgets what is older than the window. */
  async follow(connection: SqlConnection, snapshot: Snapshot, field: SchemaField, partitionBy: readonly string[]): Promise<void> {
    const since = Date.now() - this.rule.window;
    await this.#forget(connection, since);
    const unread: AddFile[] = [];
    // What a compaction wrote is read too: it may have replaced files that came and went since the last look.
    for (const file of snapshot.files.values()) if (file.modificationTime >= since && !this.#known.has(file.path)) unread.push(file);
    for (const [slice, files] of Map.groupBy(unread, (file) => this.#sliceOf(file.modificationTime)))
      for (let at = 0; at < files.length; at += FILES_AT_ONCE)
        await this.#read(connection, slice, files.slice(at, at + FILES_AT_ONCE), field, partitionBy);
  }

  /** Which rows of the relation repeat a value. Nulls repeat nothing. What it returns is good on this connection, until the next call. */
  async repetition(connection: SqlConnection, relation: string, field: SchemaField): Promise<Repetition> {
    const value = fingerprint(field);
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE "__ph_given" AS SELECT ${value} AS value FROM ${relation} WHERE ${value} IS NOT NULL`,
    );
    const recent = [...this.#slices].map((slice) => `SELECT value FROM ${this.#sliceTable(slice)}`).join(' UNION ALL ');
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE "__ph_repeated" AS ${recent === '' ? `SELECT value FROM ${GIVEN} WHERE false` : `SELECT DISTINCT r.value FROM (${recent}) r JOIN ${GIVEN} g ON r.value = g.value`}`,
    );
    const [[given, kept] = []] = await connection.rows(
      `SELECT count(*), count(DISTINCT value) FILTER (value NOT IN (SELECT value FROM ${REPEATED})) FROM ${GIVEN}`,
    );
    return {
      rows: Number(given) - Number(kept),
      isKept: `${value} IS NULL OR (${value} NOT IN (SELECT value FROM ${REPEATED}) AND row_number() OVER (PARTITION BY ${value}) = 1)`,
    };
  }

  async close(): Promise<void> {
    await this.#engine.withConnection((connection) => this.#forget(connection, Number.POSITIVE_INFINITY));
  }

  async #read(
    connection: SqlConnection,
    slice: number,
    files: readonly AddFile[],
    field: SchemaField,
    partitionBy: readonly string[],
  ): Promise<void> {
    const table = this.#sliceTable(slice);
    if (!this.#slices.has(slice)) await connection.run(`CREATE TABLE IF NOT EXISTS ${table} (value UHUGEINT)`);
    this.#slices.add(slice);
    // A row that was deleted since was written all the same.
    const whole = files.map(({ deletionVector: _, ...file }) => file);
    const value = fingerprint(field);
    await withScan(this.#engine, this.#table, whole, [field], partitionBy.includes(field.name) ? [field.name] : [], (relation) =>
      connection.run(`INSERT INTO ${table} SELECT ${value} FROM ${relation} WHERE ${value} IS NOT NULL`),
    );
    for (const { path, modificationTime } of files) this.#known.set(path, modificationTime);
  }

  async #forget(connection: SqlConnection, before: number): Promise<void> {
    for (const slice of this.#slices) {
      if ((slice + 1) * this.#sliceLength > before) continue;
      await connection.run(`DROP TABLE IF EXISTS ${this.#sliceTable(slice)}`);
      this.#slices.delete(slice);
    }
    for (const [path, writtenAt] of this.#known) if (writtenAt < before) this.#known.delete(path);
  }

  get #sliceLength(): number {
    return Math.max(1, Math.ceil(this.rule.window / SLICES));
  }

  #sliceOf(time: number): number {
    return Math.floor(time / this.#sliceLength);
  }

  #sliceTable(slice: number): string {
    return `memory.main.${identifier(`${this.#name}_${slice}`)}`;
  }
}

/** 128 bits of a value. Null of null. */
function fingerprint(field: SchemaField): string {
  return `md5_number(CAST(${identifier(field.name)} AS VARCHAR))`;
}
